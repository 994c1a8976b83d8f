//! Operations: what became of a command.

use std::sync::Arc;

use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::StatusCode;
use warp::reply::Response;

use super::OperationSegment;
use crate::answer;
use crate::call::Call;
use crate::dto::OperationBody;
use crate::problem::Problem;

/// The routes.
pub fn routes() -> BoxedFilter<(Response,)> {
    warp::path!("operations" / OperationSegment)
        .and(warp::get())
        .and(super::call())
        .then(|id, call: Arc<Call>| async move {
            let outcome = show(id, &call).await;
            call.respond(outcome)
        })
        .boxed()
}

async fn show(id: OperationSegment, call: &Call) -> Result<Response, Problem> {
    let id = id.id()?;
    call.query()?;
    let operation = call.gateway.core.operation(id).await?;
    let operation = operation.ok_or_else(|| Problem::not_found("no operation has this id"))?;
    Ok(answer::json(
        StatusCode::OK,
        &OperationBody::new(id, &operation),
    ))
}
