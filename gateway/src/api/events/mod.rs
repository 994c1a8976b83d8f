//! The events of the journal.

mod bodies;
pub(super) mod selection;

use std::sync::Arc;

use florin_actors::bus::{EventPlace, HistoryError, Selection};
use warp::http::StatusCode;
use warp::reply::Response;

use self::bodies::EventBody;
use self::selection::{key, no_type, types};
use crate::http::cursor::List;
use crate::http::{PageBody, Problem, ProblemCode, Query, response};
use crate::node::Service;
use crate::routing::refusals::*;
use crate::routing::{Call, Filter, Resource, Route, Scope, Subject, Tag, listed, listing};

const EVENTS: Resource = Resource {
    tag: Tag::Events,
    owner: Some(Service::Core),
    subject: Subject::Any,
};
const FILTERS: &[Filter] = &[
    Filter::sequence(
        "from",
        "Only events of the record with this sequence and of later records.",
    ),
    Filter::time(
        "from_time",
        "Only events of records made at this time or later.",
    ),
    Filter::text(
        "type",
        "Only events of this type. Each of the type's names can be given.",
        "florin.account.created.v1",
    ),
    Filter::id("key", "Only events with this key: the id of an entity."),
    Filter::text(
        "correlation_id",
        "Only events of commands with this correlation id.",
        "checkout-77",
    ),
    Filter::one_of(
        "unpublished",
        || vec!["true", "false"],
        "`true`: only events that are not published yet.",
    ),
];

/// The routes.
pub const ROUTES: &[Route] = &[EVENTS
    .get("/admin/events", "listEvents", Scope::EventsRead)
    .to(|call, _| Box::pin(list(call)))
    .about(
        "Lists events",
        "Lists the events of the journal in its order. A page may have fewer \
             entries than `limit` and still have a next page: `has_more` decides.",
    )
    .purpose(listing(FILTERS))
    .answers(&[listed::<EventBody>()])
    .problems(&[LIST, HISTORY_OF_EVENTS])];

async fn list(call: Arc<Call>) -> Result<Response, Problem> {
    let query = call.query()?;
    let limits = &call.gateway.limits;
    let limit = query.limit(limits.page_default, limits.page_max)?;
    let mut selection = selection(&query)?;
    let unpublished = query.flag("unpublished")?;
    let published = call.gateway.event_log.published();
    if unpublished {
        selection.from = selection.from.max(published.saturating_add(1));
    }
    let filters = call.route.purpose.filters().iter();
    let list = filters.fold(List::at("/admin/events"), |list, filter| {
        list.and(query.get(filter.name))
    });
    let place = list.after(&query)?.map(place_of);
    // Events that were published since the previous page no longer match, so the list skips them.
    let place = place.map(|place| {
        let first = EventPlace {
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
    let next = next.map(|place| list.cursor(bytes_of(place)));
    Ok(response::json(StatusCode::OK, &PageBody::new(events, next)))
}

/// Returns the selection of events that a query asks for.
fn selection(query: &Query) -> Result<Selection, Problem> {
    let mut selection = Selection::default();
    if let Some(text) = query.get("from") {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        let sequence = text.parse().ok().filter(|_| is_number);
        selection.from = sequence.ok_or_else(|| {
            let detail = "must be the sequence of a record; for a time, use from_time";
            Problem::malformed("from", detail)
        })?;
    }
    selection.from_time = query.time("from_time")?;
    if let Some(named) = query.get("type") {
        selection.types = types(named).ok_or_else(|| no_type("type"))?;
    }
    selection.key = query.get("key").map(key).transpose()?;
    selection.correlation = query.get("correlation_id").map(str::to_owned);
    Ok(selection)
}

fn unreadable(error: HistoryError) -> Problem {
    tracing::error!(%error, "the journal's events can't be read");
    let code = if error.is_damage() {
        ProblemCode::JournalDamaged
    } else {
        ProblemCode::ServiceUnavailable
    };
    Problem::new(code, error.to_string())
}

fn bytes_of(place: EventPlace) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&place.sequence.to_be_bytes());
    bytes[8..].copy_from_slice(&place.index.to_be_bytes());
    bytes
}

fn place_of(bytes: [u8; 12]) -> EventPlace {
    let [s0, s1, s2, s3, s4, s5, s6, s7, i0, i1, i2, i3] = bytes;
    EventPlace {
        sequence: u64::from_be_bytes([s0, s1, s2, s3, s4, s5, s6, s7]),
        index: u32::from_be_bytes([i0, i1, i2, i3]),
    }
}
