//! Deposits and withdrawals, for accounts, wallets and merchants.

pub mod bodies;

use std::sync::Arc;

use florin_actors::messages::{Command, Currency, Deposit, EntityId, Kind, Withdraw};
use warp::reply::Response;

use self::bodies::{MoneyBody, MoneyRequest};
use super::command;
use super::operations::bodies::ACCEPTED;
use crate::http::{Problem, RequestBody};
use crate::node::Service;
use crate::routing::refusals::*;
use crate::routing::{self, Call, Resource, Route, Row, Scope, Subject, Tag, change, changed};

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

/// Completes the row of a route that deposits money into an entity.
pub(super) const fn deposits(row: Row) -> Route {
    row.to(|call, body| Box::pin(deposit(call, body)))
        .purpose(change::<MoneyRequest>())
        .answers(const { &[changed::<MoneyBody>(), ACCEPTED] })
        .problems(&[COMMAND, OF_ENTITY, CREDIT])
}

/// Completes the row of a route that withdraws money from an entity.
pub(super) const fn withdraws(row: Row) -> Route {
    row.to(|call, body| Box::pin(withdraw(call, body)))
        .purpose(change::<MoneyRequest>())
        .answers(const { &[changed::<MoneyBody>(), ACCEPTED] })
        .problems(&[COMMAND, OF_ENTITY, DEBIT])
}

/// The routes.
pub const ROUTES: &[Route] = &[
    deposits(ACCOUNTS.post("/accounts/{id}/deposit", "deposit", Scope::MoneyMove)).about(
        "Deposits money into an account",
        "Credits the account with money from outside. The other side of the posting \
             is the external account of the currency.",
    ),
    withdraws(ACCOUNTS.post("/accounts/{id}/withdraw", "withdraw", Scope::MoneyMove)).about(
        "Withdraws money from an account",
        "Debits the account; the money leaves Florin. The request is refused if the amount \
             is larger than the available amount.",
    ),
    deposits(WALLETS.post("/wallets/{id}/deposit", "depositToWallet", Scope::MoneyMove)).about(
        "Deposits money into a wallet",
        "Credits the wallet with money from outside. The wallet's `max_balance` \
             applies.",
    ),
    withdraws(WALLETS.post(
        "/wallets/{id}/withdraw",
        "withdrawFromWallet",
        Scope::MoneyMove,
    ))
    .about(
        "Withdraws money from a wallet",
        "Debits the wallet; the money leaves Florin. The wallet's limits per transaction and \
             per day apply.",
    ),
    ACCOUNTS
        .post(
            "/accounts/{id}/async-deposit",
            "asyncDeposit",
            Scope::MoneyMove,
        )
        .to(|call, body| Box::pin(accept(call, body)))
        .about(
            "Accepts a deposit that is executed afterwards",
            "Accepts a deposit and answers 202 as soon as the command is durable; it is \
             executed afterwards, exactly once. The operation shows its outcome.",
        )
        .purpose(change::<MoneyRequest>())
        .answers(&[ACCEPTED, changed::<MoneyBody>()])
        .problems(&[COMMAND, OF_ENTITY, CREDIT]),
];

async fn accept(call: Arc<Call>, body: RequestBody) -> Result<Response, Problem> {
    let to: EntityId = call.id()?;
    let request: MoneyRequest = routing::read(&call, body).await?;
    let key = request.idempotency_key.clone();
    let deposit = Command::Deposit(to_entity(&call, to, request)?);
    command::accept(&call, deposit, key, None).await
}

fn to_entity(call: &Call, to: EntityId, request: MoneyRequest) -> Result<Deposit, Problem> {
    Ok(Deposit {
        to,
        amount: request.amount.0,
        currency: currency(call, &request)?,
        reference: request.reference.map(|reference| reference.0),
        metadata: request.metadata.unwrap_or_default().0,
    })
}

fn currency(call: &Call, request: &MoneyRequest) -> Result<Option<Currency>, Problem> {
    let limits = &call.gateway.limits;
    limits.currency(request.currency.as_ref(), || "currency".to_owned())
}

async fn deposit(call: Arc<Call>, body: RequestBody) -> Result<Response, Problem> {
    let to: EntityId = call.id()?;
    let request: MoneyRequest = routing::read(&call, body).await?;
    let key = request.idempotency_key.clone();
    let deposit = Command::Deposit(to_entity(&call, to, request)?);
    command::run(&call, deposit, key).await
}

async fn withdraw(call: Arc<Call>, body: RequestBody) -> Result<Response, Problem> {
    let from: EntityId = call.id()?;
    let request: MoneyRequest = routing::read(&call, body).await?;
    let withdrawal = Withdraw {
        from,
        amount: request.amount.0,
        currency: currency(&call, &request)?,
        reference: request.reference.map(|reference| reference.0),
        metadata: request.metadata.unwrap_or_default().0,
    };
    command::run(
        &call,
        Command::Withdraw(withdrawal),
        request.idempotency_key,
    )
    .await
}
