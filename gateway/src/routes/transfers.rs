//! Transfers: made at once or pending, posted, voided, reversed, and looked up.

use std::sync::Arc;

use bytes::Buf;
use florin_actors::messages::{Command, Hold, Post, Reverse, Transfer, Void};
use futures_util::Stream;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::StatusCode;
use warp::reply::Response;

use super::EntitySegment;
use crate::call::Call;
use crate::dto::{KeyOnlyRequest, PostRequest, TransferBody, TransferRequest};
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
    let post = warp::path!("transfers" / EntitySegment / "post")
        .and(warp::post())
        .and(super::call())
        .and(warp::body::stream())
        .then(|id, call: Arc<Call>, body| async move {
            let outcome = post(id, &call, body).await;
            call.respond(outcome)
        });
    let void = warp::path!("transfers" / EntitySegment / "void")
        .and(warp::post())
        .and(super::call())
        .and(warp::body::stream())
        .then(|id, call: Arc<Call>, body| async move {
            let outcome = void(id, &call, body).await;
            call.respond(outcome)
        });
    let reverse = warp::path!("transfers" / EntitySegment / "reverse")
        .and(warp::post())
        .and(super::call())
        .and(warp::body::stream())
        .then(|id, call: Arc<Call>, body| async move {
            let outcome = reverse(id, &call, body).await;
            call.respond(outcome)
        });
    let show = warp::path!("transfers" / EntitySegment)
        .and(warp::get())
        .and(super::call())
        .then(|id, call: Arc<Call>| async move {
            let outcome = show(id, &call).await;
            call.respond(outcome)
        });
    transfer
        .or(post)
        .unify()
        .or(void)
        .unify()
        .or(reverse)
        .unify()
        .or(show)
        .unify()
        .boxed()
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
    let key = request.idempotency_key.clone();
    command::run(call, of_request(request)?, key).await
}

/// The command of a transfer's request.
fn of_request(request: TransferRequest) -> Result<Command, Problem> {
    let pending = pending(&request, str::to_owned)?;
    let transfer = Transfer::from(request);
    Ok(match pending {
        None => Command::Transfer(transfer),
        Some(expires_in_seconds) => Command::Hold(Box::new(Hold {
            transfer,
            expires_in_seconds,
        })),
    })
}

/// Whether a request is for a pending transfer, and after how many seconds that expires; `path` is
/// the whole path of one of its fields.
pub(super) fn pending(
    request: &TransferRequest,
    path: impl Fn(&str) -> String,
) -> Result<Option<Option<u32>>, Problem> {
    let expires_in_seconds = request.expires_in_seconds.map(|seconds| seconds.0);
    match (request.pending, expires_in_seconds) {
        (Some(true), expires_in_seconds) => Ok(Some(expires_in_seconds)),
        (_, None) => Ok(None),
        (_, Some(_)) => {
            let field = path("expires_in_seconds");
            Err(Problem::malformed(field, "is for pending transfers only"))
        }
    }
}

async fn post<B: Buf>(
    id: EntitySegment,
    call: &Call,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Problem> {
    let transfer = id.id()?;
    let request: PostRequest = body::read(call, body).await?;
    let post = Post {
        transfer,
        amount: request.amount.map(|amount| amount.0),
        is_final: request.is_final.unwrap_or(true),
    };
    command::run(call, Command::Post(post), request.idempotency_key).await
}

async fn void<B: Buf>(
    id: EntitySegment,
    call: &Call,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Problem> {
    let transfer = id.id()?;
    let request: KeyOnlyRequest = body::read(call, body).await?;
    let void = Command::Void(Void { transfer });
    command::run(call, void, request.idempotency_key).await
}

async fn reverse<B: Buf>(
    id: EntitySegment,
    call: &Call,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Problem> {
    let transfer = id.id()?;
    let request: KeyOnlyRequest = body::read(call, body).await?;
    let reverse = Command::Reverse(Reverse { transfer });
    command::run(call, reverse, request.idempotency_key).await
}

async fn show(id: EntitySegment, call: &Call) -> Result<Response, Problem> {
    let id = id.id()?;
    call.query()?;
    let transfer = call.gateway.core.transfer(id).await?;
    let transfer = transfer.ok_or_else(|| Problem::not_found("no transfer has this id"))?;
    Ok(answer::json(StatusCode::OK, &TransferBody::from(transfer)))
}
