//! The bus: the delivery of events to consumers, and of messages to the core.

mod bindings;
mod consumer;
mod continuity;
mod dead_letters;
mod delivery;
mod embedded;
mod history;
mod message;
mod replay;
mod telemetry;

pub use crate::base::Outbox;
pub use bindings::{Bindings, BindingsError};
pub(crate) use consumer::consumer_of;
pub use consumer::{Consumer, Handling, Reads};
pub use continuity::{Begin, Continuity, KnownLog, Position, Print, ReplayPart, Seen};
pub(crate) use continuity::{JOURNAL, REPLAY, REPLAY_PART, REPLAY_WHOLE, begin};
pub use dead_letters::{
    Asked, DEAD_LETTERS_SUFFIX, DeadLetter, DeadLetterId, DeadLetterIdError, DeadLetters,
    DeadLettersError, Redriven,
};
pub use delivery::{Decision, DeliveryPolicy, Failure, Reason};
pub use embedded::{BusStore, EmbeddedBus};
pub use history::{EventPage, EventPlace, HistoryError, RECORDS_LOOKED_MAX, Selection, look};
pub use message::{Headers, Message};
pub use replay::{
    OpenTarget, Order, Progress, Replay, ReplayError, ReplayState, ReplayTarget, Replayed, Replays,
    TargetFault,
};
pub use telemetry::{BusState, Counted, LATENCY_BOUNDS, Telemetry};

#[cfg(test)]
pub(crate) use embedded::tests as embedded_tests;
