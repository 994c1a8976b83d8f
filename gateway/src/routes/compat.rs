//! Requests as the source documents write them: thin aliases of Florin's own.

use std::sync::Arc;

use bytes::Buf;
use futures_util::Stream;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use super::{accounts, cards, transfers};
use crate::body;
use crate::call::Call;
use crate::codes::ProblemCode;
use crate::dto::{AliasOpenAccountRequest, AliasTransferRequest, KeyOnlyRequest};
use crate::problem::Problem;

/// The routes.
pub fn routes() -> BoxedFilter<(Response,)> {
    let transfer = warp::path!("accounts" / "transfer")
        .and(warp::post())
        .and(super::call())
        .and(warp::body::stream())
        .then(|call: Arc<Call>, body| async move {
            let outcome = transfer(&call, body).await;
            call.respond(outcome)
        });
    let open_account = warp::path!("account")
        .and(warp::post())
        .and(super::call())
        .and(warp::body::stream())
        .then(|call: Arc<Call>, body| async move {
            let outcome = open_account(&call, body).await;
            call.respond(outcome)
        });
    let delete_account = warp::path!("account")
        .and(warp::delete())
        .and(super::call())
        .and(warp::body::stream())
        .then(|call: Arc<Call>, body| async move {
            let outcome = delete_account(&call, body).await;
            call.respond(outcome)
        });
    let open_card = warp::path!("card")
        .and(warp::post())
        .and(super::call())
        .and(warp::body::stream())
        .then(|call: Arc<Call>, body| async move {
            let outcome = cards::open(&call, body).await;
            call.respond(outcome)
        });
    transfer
        .or(open_account)
        .unify()
        .or(delete_account)
        .unify()
        .or(open_card)
        .unify()
        .boxed()
}

async fn transfer<B: Buf>(
    call: &Call,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Problem> {
    let request: AliasTransferRequest = body::read(call, body).await?;
    transfers::submit(call, request.into()).await
}

async fn open_account<B: Buf>(
    call: &Call,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Problem> {
    let request: AliasOpenAccountRequest = body::read(call, body).await?;
    accounts::submit_opening(call, request.into()).await
}

async fn delete_account<B: Buf>(
    call: &Call,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Problem> {
    let query = call.query()?;
    let account = query
        .get("id")
        .ok_or_else(|| Problem::malformed("id", "is missing"))?;
    let account = account
        .parse()
        .map_err(|_| Problem::of_field(ProblemCode::InvalidId, "id", "is not a UUID"))?;
    let request: KeyOnlyRequest = body::read(call, body).await?;
    accounts::submit_deletion(call, account, request).await
}
