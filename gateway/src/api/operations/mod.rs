//! Operations: the outcome of commands, now or as soon as it is known.

pub mod bodies;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use florin_actors::messages::OperationId;
use futures_util::{Stream, StreamExt as _, stream};
use warp::http::{HeaderName, HeaderValue, StatusCode};
use warp::reply::{Reply as _, Response};
use warp::sse::Event;

use self::bodies::{OperationBody, OperationStatus};
use crate::http::cursor::List;
use crate::http::websocket::{self, Message, Opening};
use crate::http::{PageBody, Problem, response};
use crate::routing::refusals::*;
use crate::routing::{
    Answer, Call, Filter, Purpose, Resource, Route, Scope, Subject, Tag, listed, listing, shown,
};

const OPERATIONS: Resource = Resource {
    tag: Tag::Operations,
    // Each process has its own journal, so it has its own operations.
    owner: None,
    subject: Subject::Operation,
};
const PENDING_ONLY: Filter = Filter::one_of(
    "status",
    || vec![OperationStatus::Pending.name()],
    "The status; only pending operations can be listed.",
)
.required();
/// The pause before an operation is read again, if it was reported as decided and does not show it
/// yet.
const LOOK: Duration = Duration::from_secs(1);
/// The interval at which a stream without events sends a keep-alive comment.
const ALIVE: Duration = Duration::from_secs(15);
/// The header that tells nginx whether to buffer an answer.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// The header in which a client that reconnects names the last event that it received.
const LAST_EVENT_ID: &str = "last-event-id";

/// The routes.
pub const ROUTES: &[Route] = &[
    OPERATIONS
        .get("/operations/{id}", "getOperation", Scope::TransfersRead)
        .to(|call, _| Box::pin(show(call)))
        .about(
            "Shows an operation",
            "Shows an operation: `pending`, `completed` with its result, or `failed` \
             with the reason. An id that answers 404 after a restart never took effect \
             and never will.",
        )
        .answers(&[shown::<OperationBody>()])
        .problems(&[READ, BY_ID, UNAVAILABLE]),
    OPERATIONS
        .get("/operations", "listOperations", Scope::TransfersRead)
        .to(|call, _| Box::pin(list(call)))
        .about(
            "Lists pending operations",
            "Lists the operations that were accepted and are not decided yet, oldest first.",
        )
        .purpose(listing(&[PENDING_ONLY]))
        .answers(&[listed::<OperationBody>()])
        .problems(&[LIST, UNAVAILABLE]),
    OPERATIONS
        .get(
            "/operations/{id}/events",
            "followOperation",
            Scope::TransfersRead,
        )
        .to(|call, _| Box::pin(follow(call)))
        .about(
            "Follows an operation by Server-Sent Events",
            "Sends the operation's present state as a Server-Sent Event named \
             `operation`, and its final state as soon as it is known; then the stream ends. A \
             client that reconnects sends `Last-Event-ID`.",
        )
        .purpose(Purpose::Follow)
        .answers(&[
            Answer {
                content_types: &["text/event-stream"],
                ..Answer::bare(
                    200,
                    "A stream of events named `operation`; the data of each is an operation as \
             `GET /operations/{id}` shows it",
                )
            },
            Answer::bare(
                204,
                "`Last-Event-ID` names the final state: no event follows",
            ),
        ])
        .problems(&[READ, BY_ID, UNAVAILABLE]),
    OPERATIONS
        .get("/operations/{id}/ws", "talkOperation", Scope::TransfersRead)
        .to(|call, _| Box::pin(talk(call)))
        .about(
            "Follows an operation by WebSocket",
            "Opens a WebSocket that sends the operation's present state as a text \
             message, and its final state as soon as it is known; then it closes with 1000. After a \
             close with 1001, the client should connect again.",
        )
        .answers(&[Answer::bare(
            101,
            "A WebSocket; each text message is an operation as `GET /operations/{id}` \
             shows it",
        )])
        .problems(&[READ, BY_ID, UNAVAILABLE]),
];

async fn show(call: Arc<Call>) -> Result<Response, Problem> {
    let id: OperationId = call.id()?;
    call.query()?;
    Ok(response::json(StatusCode::OK, &read(id, &call).await?))
}

async fn read(id: OperationId, call: &Call) -> Result<OperationBody, Problem> {
    let operation = call.gateway.core.operation(id).await?;
    let operation = operation.ok_or_else(|| Problem::not_found("no operation has this id"))?;
    Ok(OperationBody::new(id, &operation))
}

async fn list(call: Arc<Call>) -> Result<Response, Problem> {
    let query = call.query()?;
    let limits = &call.gateway.limits;
    let limit = query.limit(limits.page_default, limits.page_max)?;
    if query.get("status") != Some(OperationStatus::Pending.name()) {
        return Err(Problem::malformed("status", "must be pending"));
    }
    let list = List::at("/operations").and(query.get("status"));
    let after = list.after(&query)?;
    let after = after.map(OperationId::from_bytes);
    let page = call.gateway.core.pending(after, limit).await?;
    let next = page.next.map(|id| list.cursor(id.to_bytes()));
    let operations = page.entries.iter();
    let operations = operations.map(|operation| OperationBody::new(operation.id(), operation));
    let page = PageBody::new(operations.collect(), next);
    Ok(response::json(StatusCode::OK, &page))
}

/// Streams the operation's current state, and then its final state when it is reached, if that is
/// not yet the current one.
async fn follow(call: Arc<Call>) -> Result<Response, Problem> {
    let id: OperationId = call.id()?;
    call.query()?;
    let now = read(id, &call).await?;
    let seen = call.headers.get(LAST_EVENT_ID);
    let seen = seen.and_then(|seen| seen.to_str().ok()).unwrap_or_default();
    if seen == now.status() {
        if !now.is_pending() {
            // The client has received the final state. This status tells it not to reconnect.
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        return Ok(streamed(changes(id, call, None)));
    }
    Ok(streamed(changes(id, call, Some(now))))
}

fn streamed(operations: impl Stream<Item = OperationBody> + Send + Sync + 'static) -> Response {
    let alive = warp::sse::keep_alive().interval(ALIVE);
    let events = operations.map(|operation| {
        let event = Event::default().event("operation").id(operation.status());
        // The body contains only strings and numbers, so serialization can't fail.
        Ok::<_, Infallible>(event.json_data(&operation).unwrap_or_default())
    });
    let mut response = warp::sse::reply(alive.stream(events)).into_response();
    // Without this header, nginx would hold the events back until they fill a buffer.
    let no = HeaderValue::from_static("no");
    response.headers_mut().insert(ACCEL_BUFFERING, no);
    response
}

/// Sends the same states as [`follow`] over a WebSocket.
async fn talk(call: Arc<Call>) -> Result<Response, Problem> {
    let opened = open(&call).await;
    let is_refused = opened.is_err();
    let mut response = call.respond(opened);
    if is_refused {
        websocket::name_version(&mut response);
    }
    Ok(response)
}

async fn open(call: &Arc<Call>) -> Result<Response, Problem> {
    let id: OperationId = call.id()?;
    call.query()?;
    let opening = Opening::read(&call.headers, call.can_upgrade)?;
    let now = read(id, call).await?;
    let messages = changes(id, Arc::clone(call), Some(now)).map(|operation| Message {
        // The body contains only strings and numbers, so serialization can't fail.
        text: serde_json::to_string(&operation).unwrap_or_default(),
        is_last: !operation.is_pending(),
    });
    Ok(opening.answer(messages))
}

/// Returns the states of an operation: `now`, if it is given, and the final state, if `now` is not
/// it.
fn changes(
    id: OperationId,
    call: Arc<Call>,
    now: Option<OperationBody>,
) -> impl Stream<Item = OperationBody> + Send {
    let is_over = now.as_ref().is_some_and(|now| !now.is_pending());
    stream::unfold((now, is_over), move |(now, is_over)| {
        let call = Arc::clone(&call);
        async move {
            let next = match now {
                Some(now) => now,
                None if is_over => return None,
                None => decided(id, &call).await?,
            };
            let is_over = !next.is_pending();
            Some((next, (None, is_over)))
        }
    })
}

/// Waits until the operation is decided, and returns it. Returns `None` if the server stops first,
/// or if the operation can't be read.
async fn decided(id: OperationId, call: &Call) -> Option<OperationBody> {
    loop {
        // Many clients may wait for a long time, so each is woken only once: by the decision or by
        // the stop.
        tokio::select! {
            biased;
            () = call.gateway.stopped() => return None,
            () = call.gateway.core.wait_for_operation(id) => {}
        }
        let operation = read(id, call).await.ok()?;
        if !operation.is_pending() {
            return Some(operation);
        }
        tokio::time::sleep(LOOK).await;
    }
}
