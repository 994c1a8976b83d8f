//! Kafka: the journal's events are published in transactions that also contain the cursor, so that
//! a reader of committed messages sees each event exactly once. Messages are read by consumers,
//! each on its own thread; messages that they can't handle become dead letters.
//!
//! `publish` and `consume` use the files beside them, and not each other.
#![allow(
    clippy::disallowed_methods,
    reason = "brokers are waited for by the machine's own clock; no record's time comes from here"
)]

mod consume;
mod dead_letter_topics;
mod dead_letters;
mod fault;
mod message;
mod options;
mod producer;
mod publish;
mod reach;
mod stop;
mod topics;

pub use consume::{Intake, IntakeOptions};
pub use dead_letters::KafkaDeadLetters;
pub use options::{KafkaOptions, StartFrom};
pub use publish::{Bridge, Halt, PUBLISHED_FILE, replay_to};
pub use stop::Stop;
