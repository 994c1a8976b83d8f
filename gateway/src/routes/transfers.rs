//! Transfers: made, and looked up.

use std::sync::Arc;

use bytes::Buf;
use florin_actors::messages::{Command, Transfer};
use florin_actors::runtime::Operation;
use futures_util::Stream;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::StatusCode;
use warp::reply::Response;

use super::OperationSegment;
use crate::call::Call;
use crate::dto::{TransferBody, TransferRequest};
use crate::problem::Problem;
use crate::{answer, body, command};

/// The routes.
pub fn routes() -> BoxedFilter<(Response,)> {
    let transfer = warp::path!("transfers")
        .and(warp::post())
        .and(super::call())
        .and(warp::body::stream())
        .then(|call: Arc<Call>, body| async move {
            let outcome = transfer(&call, body).await;
            call.respond(outcome)
        });
    let show = warp::path!("transfers" / OperationSegment)
        .and(warp::get())
        .and(super::call())
        .then(|id, call: Arc<Call>| async move {
            let outcome = show(id, &call).await;
            call.respond(outcome)
        });
    transfer.or(show).unify().boxed()
}

async fn transfer<B: Buf>(
    call: &Call,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Problem> {
    let request: TransferRequest = body::read(call, body).await?;
    submit(call, request).await
}

/// Makes a transfer, however its request was written.
pub(super) async fn submit(call: &Call, request: TransferRequest) -> Result<Response, Problem> {
    let transfer = Transfer {
        from: request.from.0,
        to: request.to.0,
        amount: request.amount.0,
        currency: request.currency.map(|currency| currency.0),
        reference: request.reference.map(|reference| reference.0),
        metadata: request.metadata.unwrap_or_default().0,
    };
    command::run(call, Command::Transfer(transfer), request.idempotency_key).await
}

async fn show(id: OperationSegment, call: &Call) -> Result<Response, Problem> {
    let id = id.id()?;
    call.query()?;
    let transfer = match call.gateway.core.operation(id).await? {
        Some(Operation::Decided(decided)) => TransferBody::of(decided.record),
        Some(Operation::Pending { .. }) | None => None,
    };
    let transfer = transfer.ok_or_else(|| Problem::not_found("no transfer has this id"))?;
    Ok(answer::json(StatusCode::OK, &transfer))
}
