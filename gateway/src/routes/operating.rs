//! Health and metrics. They answer also when nothing else does.

use std::sync::Arc;

use tokio::task::spawn_blocking;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::header::CONTENT_TYPE;
use warp::http::{HeaderValue, StatusCode};
use warp::reply::Response;

use crate::answer;
use crate::call::Call;
use crate::codes::ProblemCode;
use crate::dto::{HealthBody, LiveBody, ReadyBody};
use crate::events::Waiting;
use crate::problem::Problem;

/// The content type of OpenMetrics.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The routes.
pub fn routes() -> BoxedFilter<(Response,)> {
    let live = warp::path!("health" / "live")
        .map(|| answer::json(StatusCode::OK, &LiveBody { status: "ok" }));
    let ready = warp::path!("health" / "ready")
        .and(super::call())
        .map(|call: Arc<Call>| call.respond(ready(&call)));
    let health = warp::path!("health")
        .and(super::call())
        .then(|call: Arc<Call>| async move {
            let outcome = super::beside(&call, health(Arc::clone(&call))).await;
            call.respond(outcome)
        });
    let metrics = warp::path!("metrics")
        .and(super::call())
        .then(|call: Arc<Call>| async move {
            let outcome = super::beside(&call, metrics(Arc::clone(&call))).await;
            call.respond(outcome)
        });
    warp::get()
        .and(
            live.or(ready)
                .unify()
                .or(health)
                .unify()
                .or(metrics)
                .unify(),
        )
        .boxed()
}

fn ready(call: &Call) -> Result<Response, Problem> {
    if call.gateway.is_stopping() || !call.gateway.core.health().ready {
        return Err(Problem::new(
            ProblemCode::ShuttingDown,
            "the server takes no commands",
        ));
    }
    Ok(answer::json(StatusCode::OK, &ReadyBody { status: "ready" }))
}

async fn health(call: Arc<Call>) -> Result<Response, Problem> {
    let core = &call.gateway.core;
    let health = core.health();
    // Before the first record there is no frame, and while the disk can't be read no answer.
    let head = core.link(health.journal_durable).await.ok().flatten();
    let events = &call.gateway.events;
    let waiting = waiting(&call).await;
    Ok(answer::json(
        StatusCode::OK,
        &HealthBody::new(
            &health,
            head,
            (events.telemetry(), waiting),
            call.gateway.services.names(),
        ),
    ))
}

/// What waits to be published; the disk is read beside.
async fn waiting(call: &Call) -> Waiting {
    let events = Arc::clone(&call.gateway.events);
    let now = call.gateway.core.now();
    let look = move || events.waiting(now);
    // It fails only where the process ends.
    spawn_blocking(look).await.unwrap_or_default()
}

async fn metrics(call: Arc<Call>) -> Result<Response, Problem> {
    let waiting = waiting(&call).await;
    let core = &call.gateway.core;
    let page = call.gateway.metrics.encode(core, waiting).await;
    let mut response = Response::new(page.into());
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS));
    Ok(response)
}
