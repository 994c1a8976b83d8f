//! What goes wrong between Florin and the brokers.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Why a transaction, or the session that it belongs to, ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// Another producer has this identity, or the broker gave up waiting for this one.
    #[error("fenced: {0}")]
    Fenced(String),
    /// To be tried again with a new producer.
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
