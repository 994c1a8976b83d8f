//! Kafka: the journal's events go out in transactions together with the cursor that says how far
//! they are, so that a reader of committed messages sees each once. Messages come in through
//! consumers, each on a thread of its own; what they can't handle becomes a dead letter.
#![allow(
    clippy::disallowed_methods,
    reason = "brokers are waited for by the machine's own clock; no record's time comes from here"
)]

mod bridge;
mod consumer;
mod cursor;
mod dead_letters;
mod dead_topics;
mod fault;
mod intake;
mod lane;
mod membership;
mod options;
mod preparing;
mod producer;
mod publisher;
mod reach;
mod replay;
mod topics;

pub use bridge::{Bridge, Stop};
pub use dead_letters::KafkaDeadLetters;
pub use intake::{Intake, IntakeOptions};
pub use lane::Retries;
pub use options::KafkaOptions;
pub use publisher::Halt;
pub use replay::replay_to;
