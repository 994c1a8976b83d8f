//! The ways in which requests name events.

use std::borrow::Cow;

use florin_actors::events::EventType;
use florin_actors::messages::{EntityId, IdError};

use crate::http::{Problem, ProblemCode};

/// Returns the entity that a key names.
pub fn key(text: &str) -> Result<EntityId, Problem> {
    text.parse().map_err(|error: IdError| {
        Problem::of_field(ProblemCode::InvalidId, "key", error.to_string())
    })
}

/// Returns the types that have this name. The source documents may use one name for several types.
pub fn types(named: &str) -> Option<Vec<EventType>> {
    let is_named =
        |known: &EventType| [known.cloud(), known.short(), known.document()].contains(&named);
    let types: Vec<EventType> = EventType::ALL.iter().copied().filter(is_named).collect();
    (!types.is_empty()).then_some(types)
}

/// Returns the problem that a field names no type of event.
pub fn no_type(field: impl Into<Cow<'static, str>>) -> Problem {
    Problem::malformed(
        field,
        "is not an event type; /schemas/ lists the event types",
    )
}
