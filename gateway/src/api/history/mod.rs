//! The balances and movements of accounts, wallets and merchants, now and at a time in the past.

pub mod bodies;

use std::sync::Arc;

use florin_actors::messages::{Balances, EntityId, Kind, Timestamp};
use florin_actors::views::{Mark, Period};
use warp::http::StatusCode;
use warp::reply::Response;

use self::bodies::{BalanceBody, MovementBody};
use super::beside::beside;
use crate::http::cursor::List;
use crate::http::{PageBody, Problem, response};
use crate::node::Service;
use crate::routing::refusals::*;
use crate::routing::{
    Call, Filter, Purpose, Resource, Route, Row, Scope, Subject, Tag, listed, listing, shown,
};

const ACCOUNTS: Resource = Resource {
    tag: Tag::Accounts,
    owner: Some(Service::Core),
    subject: Subject::Entity(Kind::Account),
};
const WALLETS: Resource = Resource {
    tag: Tag::Wallets,
    subject: Subject::Entity(Kind::Wallet),
    ..ACCOUNTS
};
const FROM: Filter = Filter::time("from", "Only movements at this time or later.");
const TO: Filter = Filter::time("to", "Only movements before this time.");

/// Completes the row of a route that shows an entity's balance.
pub(super) const fn shows_balance(row: Row) -> Route {
    row.to(|call, _| Box::pin(balance(call)))
        .purpose(Purpose::ReadAt)
        .answers(const { &[shown::<BalanceBody>().with_version()] })
        .problems(&[READ, BY_ID, UNAVAILABLE])
}

/// Completes the row of a route that lists an entity's movements.
pub(super) const fn lists_movements(row: Row) -> Route {
    row.to(|call, _| beside(call, list))
        .purpose(listing(&[FROM, TO]))
        .answers(const { &[listed::<MovementBody>()] })
        .problems(&[LIST, BY_ID, UNAVAILABLE])
}

/// The routes.
pub const ROUTES: &[Route] = &[
    shows_balance(ACCOUNTS.get("/accounts/{id}/balance", "getBalance", Scope::AccountsRead)).about(
        "Shows an account's balance",
        "Shows the account's balance, held amount and available amount, now or at a time \
             in the past.",
    ),
    shows_balance(WALLETS.get(
        "/wallets/{id}/balance",
        "getWalletBalance",
        Scope::AccountsRead,
    ))
    .about(
        "Shows a wallet's balance",
        "Shows the wallet's balance, held amount and available amount, now or at a time \
             in the past.",
    ),
    lists_movements(WALLETS.get(
        "/wallets/{id}/transactions",
        "listWalletMovements",
        Scope::AccountsRead,
    ))
    .about(
        "Lists a wallet's movements",
        "Lists the debits and credits of a wallet, newest first, optionally of a \
             period.",
    ),
    lists_movements(ACCOUNTS.get(
        "/accounts/{id}/transactions",
        "listMovements",
        Scope::AccountsRead,
    ))
    .about(
        "Lists an account's movements",
        "Lists the debits and credits of an account, newest first, optionally of a \
             period.",
    ),
];

async fn list(call: Arc<Call>) -> Result<Response, Problem> {
    let (id, kind): (EntityId, Kind) = (call.id()?, kind(&call));
    let query = call.query()?;
    let limits = &call.gateway.limits;
    let limit = query.limit(limits.page_default, limits.page_max)?;
    let (from, to) = (query.time("from")?, query.time("to")?);
    let period = Period {
        from: from.unwrap_or(Period::ALWAYS.from),
        to: to.unwrap_or(Period::ALWAYS.to),
    };
    let list = List::at("/{kind}/{id}/transactions")
        .and(Some(&id.to_string()))
        .and(query.get("from"))
        .and(query.get("to"));
    let before = list.after(&query)?;
    let before = before.map(mark);
    let core = &call.gateway.core;
    let page = core.movements(id, kind, period, before, limit).await?;
    let page = page.ok_or_else(|| no_such(kind))?;
    let next = page.next.map(|next| list.cursor(place(next)));
    let movements: Vec<MovementBody> = page.entries.into_iter().map(MovementBody::from).collect();
    Ok(response::json(
        StatusCode::OK,
        &PageBody::new(movements, next),
    ))
}

/// Returns the bytes of a cursor: the record, and the number of its movements that were shown.
fn place(mark: Mark) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&mark.record.to_be_bytes());
    bytes[8..].copy_from_slice(&mark.shown.to_be_bytes());
    bytes
}

fn mark(bytes: [u8; 12]) -> Mark {
    let (mut record, mut shown) = ([0; 8], [0; 4]);
    record.copy_from_slice(&bytes[..8]);
    shown.copy_from_slice(&bytes[8..]);
    Mark {
        record: u64::from_be_bytes(record),
        shown: u32::from_be_bytes(shown),
    }
}

async fn balance(call: Arc<Call>) -> Result<Response, Problem> {
    let (id, kind): (EntityId, Kind) = (call.id()?, kind(&call));
    let at = call.query()?.time("at")?;
    let core = &call.gateway.core;
    if at.is_some_and(|at| at > core.now()) {
        return Err(Problem::malformed("at", "must not be in the future"));
    }
    let (currency, now) = core
        .balances(id, kind)
        .await?
        .ok_or_else(|| no_such(kind))?;
    let balances = match at {
        None => now,
        Some(at) => balances_at(&call, id, kind, at).await?,
    };
    let body = BalanceBody::new(id, currency, &balances);
    let mut response = response::json(StatusCode::OK, &body);
    if at.is_none() {
        response::tag(&mut response, balances.version);
    }
    Ok(response)
}

async fn balances_at(
    call: &Call,
    id: EntityId,
    kind: Kind,
    at: Timestamp,
) -> Result<Balances, Problem> {
    let standing = call.gateway.core.balance_at(id, kind, at).await?;
    let balances = standing.and_then(|standing| {
        Some(Balances {
            balance: i64::try_from(standing.balance).ok()?,
            held: standing.held,
            overdraft: standing.overdraft,
            version: standing.version,
        })
    });
    balances.ok_or_else(|| {
        Problem::not_found("the account, wallet or merchant was opened after this time")
    })
}

/// Returns the kind of entity that the request's path names.
fn kind(call: &Call) -> Kind {
    call.route.subject.kind().unwrap_or(Kind::Account)
}

/// Returns the problem that no entity of this kind has the id.
fn no_such(kind: Kind) -> Problem {
    Problem::not_found(format!("no {} has this id", kind.name()))
}
