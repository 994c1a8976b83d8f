//! Health and metrics. They are served even on connections past the limit.

mod bodies;

use std::sync::Arc;

use tokio::task::spawn_blocking;
use warp::http::header::{CONTENT_TYPE, VARY};
use warp::http::{HeaderValue, StatusCode};
use warp::reply::Response;

use self::bodies::{HealthBody, LiveBody, ReadyBody, ReasonBody};
use super::beside::beside;
use crate::http::ProblemCode::{ServiceUnavailable, ShuttingDown};
use crate::http::{Problem, ProblemCode, response};
use crate::metrics::Format;
use crate::node::Waiting;
use crate::routing::{Call, Purpose, Resource, Route, Scope, Subject, Tag, page, shown};

const OPERATING: Resource = Resource {
    tag: Tag::Health,
    owner: None,
    subject: Subject::Any,
};

/// The routes.
pub const ROUTES: &[Route] = &[
    OPERATING
        .get("/health", "getHealth", Scope::AdminRead)
        .to(|call, _| beside(call, health))
        .about(
            "Shows the state of the node",
            "Shows the state of the node: journal, views, events, disk and clock. \
             `degraded` is answered with 200 too, and `reasons` lists the causes.",
        )
        .purpose(Purpose::Page)
        .vital()
        .answers(&[shown::<HealthBody>()])
        .problems(&[&[ShuttingDown]]),
    OPERATING
        .get("/health/live", "getLive", Scope::Public)
        .to(|call, _| Box::pin(live(call)))
        .about(
            "Says whether the process is alive",
            "Answers 200 as long as the process is running.",
        )
        .purpose(Purpose::Page)
        .vital()
        .answers(&[shown::<LiveBody>()]),
    OPERATING
        .get("/health/ready", "getReady", Scope::Public)
        .to(|call, _| Box::pin(ready(call)))
        .about(
            "Says whether the node accepts commands",
            "Answers 200 while the node accepts commands, and 503 with the reasons \
             otherwise.",
        )
        .purpose(Purpose::Page)
        .vital()
        .answers(&[shown::<ReadyBody>()])
        .problems(&[&[ShuttingDown, ServiceUnavailable]]),
    OPERATING
        .get("/metrics", "getMetrics", Scope::AdminRead)
        .to(|call, _| beside(call, metrics))
        .about(
            "Shows the metrics for Prometheus",
            "Shows all metrics: in the OpenMetrics format if the request has `Accept: \
             application/openmetrics-text`, otherwise in the Prometheus text format.",
        )
        .purpose(Purpose::Page)
        .vital()
        .answers(&[page(&["text/plain", "application/openmetrics-text"])])
        .problems(&[&[ShuttingDown]]),
];

async fn live(_call: Arc<Call>) -> Result<Response, Problem> {
    Ok(response::json(StatusCode::OK, &LiveBody { status: "ok" }))
}

async fn ready(call: Arc<Call>) -> Result<Response, Problem> {
    if call.gateway.is_stopping() {
        return Err(Problem::new(
            ProblemCode::ShuttingDown,
            "the server is shutting down and takes no new commands",
        ));
    }
    let reasons = reasons(&call).into_iter();
    let stopping: Vec<_> = reasons
        .filter(|reason| reason.stops_commands)
        .map(|reason| format!("{}: {}", reason.code, reason.detail))
        .collect();
    if !stopping.is_empty() {
        return Err(Problem::new(
            ProblemCode::ServiceUnavailable,
            stopping.join("; "),
        ));
    }
    Ok(response::json(
        StatusCode::OK,
        &ReadyBody { status: "ready" },
    ))
}

/// Returns everything that is wrong with the node.
fn reasons(call: &Call) -> Vec<ReasonBody> {
    let core = &call.gateway.core;
    let state = call.gateway.events.telemetry().state();
    bodies::reasons(&core.health(), &state, core.conditions())
}

async fn health(call: Arc<Call>) -> Result<Response, Problem> {
    let core = &call.gateway.core;
    let health = core.health();
    // There is no head before the first record, and none if the disk can't be read.
    let head = core.link(health.journal_durable).await.ok().flatten();
    let events = &call.gateway.events;
    let waiting = waiting(&call).await;
    Ok(response::json(
        StatusCode::OK,
        &HealthBody::new(
            &health,
            head,
            (events.telemetry(), waiting),
            call.gateway.services.names(),
            reasons(&call),
        ),
    ))
}

/// Returns the records that wait to be published. The disk is read on a thread where blocking is
/// allowed.
async fn waiting(call: &Call) -> Waiting {
    let events = Arc::clone(&call.gateway.events);
    let now = call.gateway.core.now();
    let look = move || events.waiting(now);
    // This fails only when the process ends.
    spawn_blocking(look).await.unwrap_or_default()
}

async fn metrics(call: Arc<Call>) -> Result<Response, Problem> {
    let waiting = waiting(&call).await;
    let core = &call.gateway.core;
    let format = Format::wanted(&call.headers);
    let page = call.gateway.metrics.encode(core, waiting, format).await;
    let mut response = Response::new(page.into());
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_static(format.content_type());
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(VARY, HeaderValue::from_static("accept"));
    Ok(response)
}
