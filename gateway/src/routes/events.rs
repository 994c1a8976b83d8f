//! The journal's events: what went out, what waits, and what goes out again.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Buf;
use florin_actors::bus::{
    EventType, HistoryError, Order, Place, Replay, ReplayError, Replays, Selection,
};
use florin_actors::messages::{EntityId, IdError, OperationId, Timestamp};
use futures_util::Stream;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::StatusCode;
use warp::http::header::LOCATION;
use warp::reply::Response;

use super::OperationSegment;
use crate::call::Call;
use crate::codes::ProblemCode;
use crate::cursor::Scope;
use crate::dto::{EventBody, PageBody, ReplayBody, ReplayRequest};
use crate::problem::Problem;
use crate::query::Query;
use crate::{answer, body};

/// The routes.
pub fn routes() -> BoxedFilter<(Response,)> {
    let events = warp::path!("admin" / "events")
        .and(warp::get())
        .and(super::call())
        .then(|call: Arc<Call>| async move {
            let outcome = list(&call).await;
            call.respond(outcome)
        });
    let begin = warp::path!("admin" / "replay")
        .and(warp::post())
        .and(super::call())
        .and(warp::body::stream())
        .then(|call: Arc<Call>, body| async move {
            let outcome = begin(&call, body).await;
            call.respond(outcome)
        });
    let show = warp::path!("admin" / "replay" / OperationSegment)
        .and(warp::get())
        .and(super::call())
        .then(|id, call: Arc<Call>| async move {
            let outcome = show(id, &call).await;
            call.respond(outcome)
        });
    let stop = warp::path!("admin" / "replay" / OperationSegment / "stop")
        .and(warp::post())
        .and(super::call())
        .then(|id, call: Arc<Call>| async move {
            let outcome = turn(id, &call, Replays::stop).await;
            call.respond(outcome)
        });
    let resume = warp::path!("admin" / "replay" / OperationSegment / "resume")
        .and(warp::post())
        .and(super::call())
        .then(|id, call: Arc<Call>| async move {
            let outcome = turn(id, &call, Replays::resume).await;
            call.respond(outcome)
        });
    events
        .or(begin)
        .unify()
        .or(show)
        .unify()
        .or(stop)
        .unify()
        .or(resume)
        .unify()
        .boxed()
}

async fn begin<B: Buf>(
    call: &Call,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Problem> {
    call.query()?;
    let request: ReplayRequest = body::read(call, body).await?;
    let order = order(call, request)?;
    let core = &call.gateway.core;
    let (id, now) = (core.new_id(), core.now());
    let begun = blocking(call, move |replays| replays.begin(id, order, now)).await?;
    let mut response = answer::json(StatusCode::ACCEPTED, &ReplayBody::from(begun));
    answer::insert(&mut response, LOCATION, &format!("/admin/replay/{id}"));
    Ok(response)
}

/// What a request asks for.
fn order(call: &Call, request: ReplayRequest) -> Result<Order, Problem> {
    let time = |field: &'static str, text: Option<String>| {
        let read = |text: String| {
            let time = text.parse::<Timestamp>();
            time.map_err(|error| Problem::malformed(field, error.to_string()))
        };
        text.map(read).transpose()
    };
    let mut selection = Selection {
        from: request.from.unwrap_or_default(),
        to: request.to,
        from_time: time("from_time", request.from_time)?,
        to_time: time("to_time", request.to_time)?,
        correlation: request.correlation_id,
        ..Selection::default()
    };
    for (place, named) in request.types.iter().flatten().enumerate() {
        let field = || format!("types[{place}]");
        selection
            .types
            .extend(types(named).ok_or_else(|| no_type(field()))?);
    }
    selection.key = request.key.as_deref().map(key).transpose()?;
    let known = call.gateway.event_log.bindings().all_topics();
    let topics = request.topics.unwrap_or_default();
    for (place, topic) in topics.iter().enumerate() {
        if !known.contains(&topic.as_str()) {
            let field = format!("topics[{place}]");
            return Err(Problem::malformed(field, "is no topic that events go to"));
        }
    }
    Ok(Order {
        selection,
        topics,
        dry_run: request.dry_run.unwrap_or_default(),
    })
}

async fn show(id: OperationSegment, call: &Call) -> Result<Response, Problem> {
    let id = id.id()?;
    call.query()?;
    let get = move |replays: &Replays| replays.get(id).ok_or(ReplayError::Unknown);
    let replay = blocking(call, get).await?;
    Ok(answer::json(StatusCode::OK, &ReplayBody::from(replay)))
}

async fn turn(
    id: OperationSegment,
    call: &Call,
    turn: fn(&Replays, OperationId) -> Result<Replay, ReplayError>,
) -> Result<Response, Problem> {
    let id = id.id()?;
    call.query()?;
    let turned = blocking(call, move |replays| turn(replays, id)).await?;
    Ok(answer::json(StatusCode::OK, &ReplayBody::from(turned)))
}

/// Runs what may wait for the file of replays where it holds nobody up.
async fn blocking(
    call: &Call,
    work: impl FnOnce(&Replays) -> Result<Replay, ReplayError> + Send + 'static,
) -> Result<Replay, Problem> {
    let gateway = Arc::clone(&call.gateway);
    let done = call
        .gateway
        .beside
        .spawn_blocking(move || work(&gateway.replays));
    let stopping = |_| Problem::new(ProblemCode::ShuttingDown, "the server is stopping");
    done.await
        .map_err(stopping)?
        .map_err(|error| refused(&error))
}

fn refused(error: &ReplayError) -> Problem {
    let code = match error {
        ReplayError::Unknown => ProblemCode::NotFound,
        ReplayError::Busy(_) | ReplayError::Ended | ReplayError::NoTarget => {
            ProblemCode::ReplayRefused
        }
        ReplayError::File(_) => ProblemCode::DiskLow,
    };
    Problem::new(code, error.to_string())
}

async fn list(call: &Call) -> Result<Response, Problem> {
    let query = call.query()?;
    let limits = &call.gateway.limits;
    let limit = query.limit(limits.page_default, limits.page_max)?;
    let mut selection = selection(&query)?;
    let unpublished = query.flag("unpublished")?;
    let published = call.gateway.event_log.published();
    if unpublished {
        selection.from = selection.from.max(published.saturating_add(1));
    }
    let scope = ["from", "type", "key", "correlation_id", "unpublished"]
        .iter()
        .fold(Scope::list("/admin/events"), |scope, name| {
            scope.and(query.get(name))
        });
    let place = query.get("cursor").map(|cursor| scope.place(cursor));
    let place = place.transpose()?.map(place_of);
    // What went out since the last part is no longer asked for.
    let place = place.map(|place| {
        let first = Place {
            sequence: selection.from,
            index: 0,
        };
        if unpublished { place.max(first) } else { place }
    });
    let gateway = Arc::clone(&call.gateway);
    let looked = call.gateway.beside.spawn_blocking(move || {
        let part = gateway.event_log.look(&selection, place, limit)?;
        let bindings = gateway.event_log.bindings();
        let events = part.events.into_iter().map(|event| {
            let topics = bindings.topics(event.event_type);
            EventBody::new(event, topics, published)
        });
        let next = (!part.is_end).then_some(part.next);
        Ok((events.collect::<Vec<_>>(), next))
    });
    let stopping = |_| Problem::new(ProblemCode::ShuttingDown, "the server is stopping");
    let (events, next) = looked.await.map_err(stopping)?.map_err(unreadable)?;
    let next = next.map(|place| scope.cursor(bytes_of(place)));
    Ok(answer::json(StatusCode::OK, &PageBody::new(events, next)))
}

/// The events that a query asks for.
fn selection(query: &Query) -> Result<Selection, Problem> {
    let mut selection = Selection::default();
    if let Some(text) = query.get("from") {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(sequence) if is_number => selection.from = sequence,
            _ if is_number => return Err(Problem::malformed("from", "is no record's sequence")),
            _ => selection.from_time = query.time("from")?,
        }
    }
    if let Some(named) = query.get("type") {
        selection.types = types(named).ok_or_else(|| no_type("type"))?;
    }
    selection.key = query.get("key").map(key).transpose()?;
    selection.correlation = query.get("correlation_id").map(str::to_owned);
    Ok(selection)
}

fn key(text: &str) -> Result<EntityId, Problem> {
    text.parse().map_err(|error: IdError| {
        Problem::of_field(ProblemCode::InvalidId, "key", error.to_string())
    })
}

/// The types of a name; the documents may have one name for several.
fn types(named: &str) -> Option<Vec<EventType>> {
    let is_named =
        |known: &EventType| [known.cloud(), known.short(), known.document()].contains(&named);
    let types: Vec<EventType> = EventType::ALL.iter().copied().filter(is_named).collect();
    (!types.is_empty()).then_some(types)
}

fn no_type(field: impl Into<Cow<'static, str>>) -> Problem {
    Problem::malformed(field, "is no type of event; /schemas/ lists them")
}

fn unreadable(error: HistoryError) -> Problem {
    tracing::error!(%error, "the journal's events can't be read");
    Problem::new(ProblemCode::JournalDamaged, error.to_string())
}

fn bytes_of(place: Place) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&place.sequence.to_be_bytes());
    bytes[8..].copy_from_slice(&place.index.to_be_bytes());
    bytes
}

fn place_of(bytes: [u8; 12]) -> Place {
    let [s0, s1, s2, s3, s4, s5, s6, s7, i0, i1, i2, i3] = bytes;
    Place {
        sequence: u64::from_be_bytes([s0, s1, s2, s3, s4, s5, s6, s7]),
        index: u32::from_be_bytes([i0, i1, i2, i3]),
    }
}
