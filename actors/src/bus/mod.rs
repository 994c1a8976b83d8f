//! Events: what leaves Florin because of a record, and what comes in. Events are a pure function of
//! a record ([`events_of`]), made where they are published and stored nowhere else.

mod bindings;
mod consumer;
mod dead_letters;
mod embedded;
mod embedded_feed;
mod embedded_store;
mod event;
mod event_type;
mod history;
mod mapping;
mod message;
mod outbox;
mod replay;
mod schemas;
mod telemetry;
mod upcast;
mod values;

pub use bindings::{Bindings, BindingsError};
pub(crate) use consumer::consumer_of;
pub use consumer::{Consumer, Failure, Handling, Reads};
pub use dead_letters::{
    Asked, DEAD_LETTERS_SUFFIX, DeadLetter, DeadLetterId, DeadLetterIdError, DeadLetters,
    DeadLettersError, Redriven,
};
pub use embedded::{EmbeddedBus, EmbeddedOptions};
pub use embedded_store::BusStore;
pub use event::{BusEvent, EventId};
pub use event_type::EventType;
pub use history::{HistoryError, Part, Place, RECORDS_LOOKED_MAX, Selection, look};
pub use mapping::events_of;
pub use message::{Headers, Message};
pub use outbox::Outbox;
pub use replay::{
    OpenTarget, Order, Progress, Replay, ReplayError, ReplayState, ReplayTarget, Replayed, Replays,
    TargetFault,
};
#[cfg(test)]
pub(crate) use schemas::check;
pub use schemas::{schema, schemas};
pub use telemetry::{BusState, Counted, LATENCY_BOUNDS, Telemetry};
pub use upcast::{Unreadable, read};
pub use values::Value;

#[cfg(test)]
mod embedded_tests;
