//! Operations: what became of commands, now or as it happens.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use florin_actors::messages::OperationId;
use futures_util::{Stream, StreamExt as _, stream};
use hyper::upgrade::OnUpgrade;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::StatusCode;
use warp::reply::{Reply as _, Response};
use warp::sse::Event;

use super::OperationSegment;
use crate::answer;
use crate::call::Call;
use crate::cursor::Scope;
use crate::dto::{OperationBody, PageBody};
use crate::problem::Problem;
use crate::websocket::{self, Message, Opening};

/// When to look again at an operation that was told decided and doesn't show it.
const LOOK: Duration = Duration::from_secs(1);
/// How often a stream of events without any shows that it lives.
const ALIVE: Duration = Duration::from_secs(15);
/// Where a client that comes back left off.
const LAST_EVENT_ID: &str = "last-event-id";

/// The routes.
pub fn routes() -> BoxedFilter<(Response,)> {
    let show = warp::path!("operations" / OperationSegment)
        .and(super::call())
        .then(|id, call: Arc<Call>| async move {
            let outcome = show(id, &call).await;
            call.respond(outcome)
        });
    let list = warp::path!("operations")
        .and(super::call())
        .then(|call: Arc<Call>| async move {
            let outcome = list(&call).await;
            call.respond(outcome)
        });
    let events = warp::path!("operations" / OperationSegment / "events")
        .and(super::call())
        .then(|id, call: Arc<Call>| async move {
            let outcome = events(id, Arc::clone(&call)).await;
            call.respond(outcome)
        });
    let talk = warp::path!("operations" / OperationSegment / "ws")
        .and(super::call())
        .and(warp::ext::optional())
        .then(|id, call: Arc<Call>, upgrade| async move {
            let outcome = talk(id, Arc::clone(&call), upgrade).await;
            let is_refused = outcome.is_err();
            let mut response = call.respond(outcome);
            if is_refused {
                websocket::name_version(&mut response);
            }
            response
        });
    let routes = show.or(list).unify().or(events).unify();
    let routes = routes.or(talk).unify();
    warp::get().and(routes).boxed()
}

async fn show(id: OperationSegment, call: &Call) -> Result<Response, Problem> {
    let id = id.id()?;
    call.query()?;
    Ok(answer::json(StatusCode::OK, &read(id, call).await?))
}

async fn read(id: OperationId, call: &Call) -> Result<OperationBody, Problem> {
    let operation = call.gateway.core.operation(id).await?;
    let operation = operation.ok_or_else(|| Problem::not_found("no operation has this id"))?;
    Ok(OperationBody::new(id, &operation))
}

async fn list(call: &Call) -> Result<Response, Problem> {
    let query = call.query()?;
    let limits = &call.gateway.limits;
    let limit = query.limit(limits.page_default, limits.page_max)?;
    if query.get("status") != Some("pending") {
        return Err(Problem::malformed("status", "must be pending"));
    }
    let scope = Scope::list("/operations").and(query.get("status"));
    let after = query
        .get("cursor")
        .map(|cursor| scope.place(cursor))
        .transpose()?;
    let after = after.map(OperationId::from_bytes);
    let page = call.gateway.core.pending(after, limit).await?;
    let next = page.next.map(|id| scope.cursor(id.to_bytes()));
    let operations = page.entries.iter();
    let operations = operations.map(|operation| OperationBody::new(operation.id(), operation));
    let page = PageBody::new(operations.collect(), next);
    Ok(answer::json(StatusCode::OK, &page))
}

/// The state now, and, if that isn't the last one, the last one when it comes.
async fn events(id: OperationSegment, call: Arc<Call>) -> Result<Response, Problem> {
    let id = id.id()?;
    call.query()?;
    let now = read(id, &call).await?;
    let seen = call.headers.get(LAST_EVENT_ID);
    let seen = seen.and_then(|seen| seen.to_str().ok()).unwrap_or_default();
    if seen == now.status() {
        if !now.is_pending() {
            // It was told all: a client must not come back for more.
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
        // A body of texts and numbers always becomes JSON.
        Ok::<_, Infallible>(event.json_data(&operation).unwrap_or_default())
    });
    warp::sse::reply(alive.stream(events)).into_response()
}

/// The same over a WebSocket.
async fn talk(
    id: OperationSegment,
    call: Arc<Call>,
    upgrade: Option<OnUpgrade>,
) -> Result<Response, Problem> {
    let id = id.id()?;
    call.query()?;
    let opening = Opening::read(&call.headers, upgrade.is_some())?;
    let now = read(id, &call).await?;
    let messages = changes(id, call, Some(now)).map(|operation| Message {
        // A body of texts and numbers always becomes JSON.
        text: serde_json::to_string(&operation).unwrap_or_default(),
        is_last: !operation.is_pending(),
    });
    Ok(opening.answer(messages))
}

/// The states of an operation: `now`, if it is to be told, and the last one.
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

/// The operation once it is decided; `None` when the server stops first.
async fn decided(id: OperationId, call: &Call) -> Option<OperationBody> {
    loop {
        // Many may listen for long: each is woken once, by what it waits for or by the stop.
        tokio::select! {
            biased;
            () = call.gateway.stopped() => return None,
            () = call.gateway.core.settled(id) => {}
        }
        let operation = read(id, call).await.ok()?;
        if !operation.is_pending() {
            return Some(operation);
        }
        tokio::time::sleep(LOOK).await;
    }
}
