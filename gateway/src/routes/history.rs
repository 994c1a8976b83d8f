//! What accounts and wallets had and moved, now and at any time before.

use std::sync::Arc;

use florin_actors::messages::{Balances, EntityId, Kind, Timestamp};
use florin_actors::views::{Mark, Period};
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::StatusCode;
use warp::reply::Response;

use super::EntitySegment;
use crate::answer;
use crate::call::Call;
use crate::cursor::Scope;
use crate::dto::{BalanceBody, MovementBody, PageBody};
use crate::problem::Problem;

/// The routes.
pub fn routes() -> BoxedFilter<(Response,)> {
    let of_account = warp::path!("accounts" / EntitySegment / "transactions");
    let of_wallet = warp::path!("wallets" / EntitySegment / "transactions");
    let list = of_account.or(of_wallet).unify().and(super::call()).then(
        |id, call: Arc<Call>| async move {
            let outcome = super::beside(&call, list(id, Arc::clone(&call))).await;
            call.respond(outcome)
        },
    );
    let of_account = warp::path!("accounts" / EntitySegment / "balance");
    let of_wallet = warp::path!("wallets" / EntitySegment / "balance");
    let balance = of_account.or(of_wallet).unify().and(super::call()).then(
        |id, call: Arc<Call>| async move {
            let outcome = balance(id, &call).await;
            call.respond(outcome)
        },
    );
    warp::get().and(balance.or(list).unify()).boxed()
}

async fn list(id: EntitySegment, call: Arc<Call>) -> Result<Response, Problem> {
    let (id, kind) = (id.id()?, kind(&call));
    let query = call.query()?;
    let limits = &call.gateway.limits;
    let limit = query.limit(limits.page_default, limits.page_max)?;
    let (from, to) = (query.time("from")?, query.time("to")?);
    let period = Period {
        from: from.unwrap_or(Period::ALWAYS.from),
        to: to.unwrap_or(Period::ALWAYS.to),
    };
    let scope = Scope::list("/{kind}/{id}/transactions")
        .and(Some(&id.to_string()))
        .and(query.get("from"))
        .and(query.get("to"));
    let before = query
        .get("cursor")
        .map(|cursor| scope.place(cursor))
        .transpose()?;
    let before = before.map(mark);
    let core = &call.gateway.core;
    let page = core.movements(id, kind, period, before, limit).await?;
    let page = page.ok_or_else(|| no_such(kind))?;
    let next = page.next.map(|next| scope.cursor(place(next)));
    let movements: Vec<MovementBody> = page.entries.into_iter().map(MovementBody::from).collect();
    Ok(answer::json(
        StatusCode::OK,
        &PageBody::new(movements, next),
    ))
}

/// A cursor's bytes: the record, and how many of its movements were shown.
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

async fn balance(id: EntitySegment, call: &Call) -> Result<Response, Problem> {
    let (id, kind) = (id.id()?, kind(call));
    let at = call.query()?.time("at")?;
    let core = &call.gateway.core;
    if at.is_some_and(|at| at > core.now()) {
        return Err(Problem::malformed("at", "has not come yet"));
    }
    let (currency, now) = core
        .balances(id, kind)
        .await?
        .ok_or_else(|| no_such(kind))?;
    let balances = match at {
        None => now,
        Some(at) => balances_at(call, id, kind, at).await?,
    };
    let body = BalanceBody::new(id, currency, &balances);
    let mut response = answer::json(StatusCode::OK, &body);
    if at.is_none() {
        answer::tag(&mut response, balances.version);
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
    balances.ok_or_else(|| Problem::not_found("it was opened later"))
}

/// The kind that the request's path names.
fn kind(call: &Call) -> Kind {
    call.endpoint.kind().unwrap_or(Kind::Account)
}

/// Nobody has this id.
fn no_such(kind: Kind) -> Problem {
    Problem::not_found(match kind {
        Kind::Wallet => "no wallet has this id",
        _ => "no account has this id",
    })
}
