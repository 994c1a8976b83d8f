//! Requests as the source documents write them: thin aliases of Florin's own.

use std::sync::Arc;

use bytes::Buf;
use futures_util::Stream;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use super::transfers;
use crate::body;
use crate::call::Call;
use crate::dto::AliasTransferRequest;
use crate::problem::Problem;

/// The routes.
pub fn routes() -> BoxedFilter<(Response,)> {
    warp::path!("accounts" / "transfer")
        .and(warp::post())
        .and(super::call())
        .and(warp::body::stream())
        .then(|call: Arc<Call>, body| async move {
            let outcome = transfer(&call, body).await;
            call.respond(outcome)
        })
        .boxed()
}

async fn transfer<B: Buf>(
    call: &Call,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Problem> {
    let request: AliasTransferRequest = body::read(call, body).await?;
    transfers::submit(call, request.into()).await
}
