//! What ends a pending transfer, and what undoes one that was made.

use std::sync::Arc;

use bytes::Buf;
use florin_actors::messages::{Command, Post, Reverse, Void};
use futures_util::Stream;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use super::EntitySegment;
use crate::call::Call;
use crate::dto::{KeyOnlyRequest, PostRequest};
use crate::problem::Problem;
use crate::{body, command};

/// The routes.
pub fn routes() -> BoxedFilter<(Response,)> {
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
    post.or(void).unify().or(reverse).unify().boxed()
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
