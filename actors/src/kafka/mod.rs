//! Kafka: the journal's events go out in transactions together with the cursor that says how far
//! they are, so that a reader of committed messages sees each once.

mod bridge;
mod cursor;
mod options;
mod producer;
mod publisher;
mod replay;
mod topics;

pub use bridge::{Bridge, Stop};
pub use options::KafkaOptions;
pub use publisher::Halt;
pub use replay::replay_to;
