//! Personal data: erased on request, while everything else about an account stays.

use std::sync::Arc;

use bytes::Buf;
use florin_actors::messages::{Command, EraseAccount};
use futures_util::Stream;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use super::EntitySegment;
use crate::call::Call;
use crate::dto::KeyOnlyRequest;
use crate::problem::Problem;
use crate::{body, command};

/// The routes.
pub fn routes() -> BoxedFilter<(Response,)> {
    warp::path!("accounts" / EntitySegment / "personal-data")
        .and(warp::delete())
        .and(super::call())
        .and(warp::body::stream())
        .then(|id, call: Arc<Call>, body| async move {
            let outcome = erase(id, &call, body).await;
            call.respond(outcome)
        })
        .boxed()
}

async fn erase<B: Buf>(
    id: EntitySegment,
    call: &Call,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Problem> {
    let account = id.id()?;
    let request: KeyOnlyRequest = body::read(call, body).await?;
    let erase = Command::EraseAccount(EraseAccount { account });
    command::run(call, erase, request.idempotency_key).await
}
