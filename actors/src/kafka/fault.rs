//! Faults between Florin and the brokers.

use std::fmt;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// A message that exceeds the maximum message size of its topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TooLarge {
    pub(super) topic: String,
    /// The sequence of the event's record, if a header contains it.
    pub(super) sequence: Option<u64>,
    /// The size of key and value in bytes, before compression.
    pub(super) bytes: usize,
    /// The topic's `max.message.bytes`, if known.
    pub(super) limit: Option<usize>,
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, bytes, .. } = self;
        match self.sequence {
            Some(sequence) => write!(f, "an event of record {sequence}, {bytes} bytes,")?,
            None => write!(f, "a message of {bytes} bytes")?,
        }
        write!(
            f,
            " is larger than the topic {topic} allows (max.message.bytes"
        )?;
        match self.limit {
            Some(limit) => write!(f, ", now {limit})"),
            None => write!(f, ")"),
        }
    }
}

/// The reason why a transaction, or the session to which it belongs, ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// Another producer has taken over the transactional id, or the broker has fenced this one
    /// because it was too slow.
    #[error("fenced: {0}")]
    Fenced(String),
    /// A message exceeds the maximum message size of its topic. An operator must raise the limit.
    #[error("{0}; publishing waits until the limit is raised")]
    TooLarge(TooLarge),
    /// A temporary fault. A new producer tries again.
    #[error("{0}")]
    Broken(String),
}

impl From<KafkaError> for Fault {
    fn from(error: KafkaError) -> Self {
        let code = match &error {
            KafkaError::Transaction(error) => error.code(),
            other => other
                .rdkafka_error_code()
                .unwrap_or(RDKafkaErrorCode::Unknown),
        };
        match code {
            RDKafkaErrorCode::Fenced
            | RDKafkaErrorCode::ProducerFenced
            | RDKafkaErrorCode::InvalidProducerEpoch => Self::Fenced(error.to_string()),
            _ => Self::Broken(error.to_string()),
        }
    }
}
