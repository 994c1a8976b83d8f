//! The journal's events: what went out, and what waits.

use std::sync::Arc;

use florin_actors::bus::{EventType, HistoryError, Place, Selection};
use florin_actors::messages::EntityId;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::StatusCode;
use warp::reply::Response;

use crate::answer;
use crate::call::Call;
use crate::codes::ProblemCode;
use crate::cursor::Scope;
use crate::dto::{EventBody, PageBody};
use crate::problem::Problem;
use crate::query::Query;

/// The routes.
pub fn routes() -> BoxedFilter<(Response,)> {
    warp::path!("admin" / "events")
        .and(warp::get())
        .and(super::call())
        .then(|call: Arc<Call>| async move {
            let outcome = list(&call).await;
            call.respond(outcome)
        })
        .boxed()
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
    selection.types = types(query.get("type"))?;
    if let Some(text) = query.get("key") {
        let key: EntityId = text.parse().map_err(|error| {
            Problem::of_field(ProblemCode::InvalidId, "key", format!("{error}"))
        })?;
        selection.key = Some(key);
    }
    selection.correlation = query.get("correlation_id").map(str::to_owned);
    Ok(selection)
}

/// Types by either name: the documents may have one name for two types.
fn types(named: Option<&str>) -> Result<Vec<EventType>, Problem> {
    let Some(named) = named else {
        return Ok(Vec::new());
    };
    let is_named = |known: &EventType| {
        [known.cloud(), known.short(), known.document()].contains(&named)
    };
    let types: Vec<EventType> = EventType::ALL.iter().copied().filter(is_named).collect();
    if types.is_empty() {
        let detail = "is no type of event; /schemas/ lists them";
        return Err(Problem::malformed("type", detail));
    }
    Ok(types)
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
