//! Deposits and withdrawals, of accounts and wallets alike.

use std::sync::Arc;

use bytes::Buf;
use florin_actors::messages::{Command, Deposit, Withdraw};
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
    warp::post().and(deposit.or(withdraw).unify()).boxed()
}

async fn deposit<B: Buf>(
    id: EntitySegment,
    call: &Call,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Problem> {
    let to = id.id()?;
    let request: MoneyRequest = body::read(call, body).await?;
    let deposit = Deposit {
        to,
        amount: request.amount.0,
        currency: request.currency.map(|currency| currency.0),
        reference: request.reference.map(|reference| reference.0),
        metadata: request.metadata.unwrap_or_default().0,
    };
    command::run(call, Command::Deposit(deposit), request.idempotency_key).await
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
        currency: request.currency.map(|currency| currency.0),
        reference: request.reference.map(|reference| reference.0),
        metadata: request.metadata.unwrap_or_default().0,
    };
    command::run(call, Command::Withdraw(withdrawal), request.idempotency_key).await
}
