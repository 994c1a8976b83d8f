//! Deposits and withdrawals, of accounts and wallets alike.

use std::sync::Arc;

use bytes::Buf;
use florin_actors::messages::{Command, Currency, Deposit, EntityId, Withdraw};
use futures_util::Stream;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use super::EntitySegment;
use crate::call::Call;
use crate::dto::MoneyRequest;
use crate::problem::Problem;
use crate::{body, command};

/// The routes.
pub fn routes() -> BoxedFilter<(Response,)> {
    let to_account = warp::path!("accounts" / EntitySegment / "deposit");
    let to_wallet = warp::path!("wallets" / EntitySegment / "deposit");
    let deposit = to_account
        .or(to_wallet)
        .unify()
        .and(super::call())
        .and(warp::body::stream())
        .then(|id, call: Arc<Call>, body| async move {
            let outcome = deposit(id, &call, body).await;
            call.respond(outcome)
        });
    let from_account = warp::path!("accounts" / EntitySegment / "withdraw");
    let from_wallet = warp::path!("wallets" / EntitySegment / "withdraw");
    let withdraw = from_account
        .or(from_wallet)
        .unify()
        .and(super::call())
        .and(warp::body::stream())
        .then(|id, call: Arc<Call>, body| async move {
            let outcome = withdraw(id, &call, body).await;
            call.respond(outcome)
        });
    let accept = warp::path!("accounts" / EntitySegment / "async-deposit")
        .and(super::call())
        .and(warp::body::stream())
        .then(|id, call: Arc<Call>, body| async move {
            let outcome = accept(id, &call, body).await;
            call.respond(outcome)
        });
    let routes = deposit.or(withdraw).unify().or(accept).unify();
    warp::post().and(routes).boxed()
}

async fn accept<B: Buf>(
    id: EntitySegment,
    call: &Call,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Problem> {
    let to = id.id()?;
    let request: MoneyRequest = body::read(call, body).await?;
    let key = request.idempotency_key.clone();
    let deposit = Command::Deposit(to_entity(call, to, request)?);
    command::accept(call, deposit, key, None).await
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

async fn deposit<B: Buf>(
    id: EntitySegment,
    call: &Call,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Problem> {
    let to = id.id()?;
    let request: MoneyRequest = body::read(call, body).await?;
    let key = request.idempotency_key.clone();
    let deposit = Command::Deposit(to_entity(call, to, request)?);
    command::run(call, deposit, key).await
}

async fn withdraw<B: Buf>(
    id: EntitySegment,
    call: &Call,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Problem> {
    let from = id.id()?;
    let request: MoneyRequest = body::read(call, body).await?;
    let withdrawal = Withdraw {
        from,
        amount: request.amount.0,
        currency: currency(call, &request)?,
        reference: request.reference.map(|reference| reference.0),
        metadata: request.metadata.unwrap_or_default().0,
    };
    command::run(call, Command::Withdraw(withdrawal), request.idempotency_key).await
}
