//! Reaching the brokers, and telling in words why they can't be reached: the client library says
//! that apart from the call that fails by it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;

use super::fault::Fault;
use super::options::KafkaOptions;

/// How long brokers that don't answer are asked.
const LIMIT: Duration = Duration::from_secs(10);
/// How long between two looks at what the library says.
const LOOK: Duration = Duration::from_secs(1);

/// What the library said last of its connections.
#[derive(Debug, Default)]
pub(super) struct Noticed(Mutex<Option<(RDKafkaErrorCode, String)>>);

impl Noticed {
    /// What is wrong; `otherwise` where nothing was said.
    pub(super) fn reason(&self, otherwise: &KafkaError) -> String {
        let noticed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match noticed.as_ref() {
            Some((_, reason)) => reason.clone(),
            None => otherwise.to_string(),
        }
    }

    /// Whether the brokers refuse this client: waiting doesn't help.
    fn is_refused(&self) -> bool {
        let noticed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noticed.as_ref().is_some_and(|(code, _)| is_refusal(*code))
    }
}

fn is_refusal(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::Authentication
            | RDKafkaErrorCode::SaslAuthenticationFailed
            | RDKafkaErrorCode::SSL
    )
}

impl ClientContext for Noticed {
    fn log(&self, level: RDKafkaLogLevel, what: &str, message: &str) {
        tracing::debug!(?level, what, message, "kafka client");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka client");
        let code = error
            .rdkafka_error_code()
            .unwrap_or(RDKafkaErrorCode::Unknown);
        if code == RDKafkaErrorCode::AllBrokersDown {
            // Why they are was said before.
            return;
        }
        let mut noticed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What follows a refusal, as the end of the connection, says less.
        if noticed
            .as_ref()
            .is_none_or(|(known, _)| !is_refusal(*known))
            || is_refusal(code)
        {
            *noticed = Some((code, reason.to_owned()));
        }
    }
}

impl ConsumerContext for Noticed {}

/// What the brokers know of topics, once they answer; asks for as long as `go_on` says so.
pub(super) fn metadata(
    options: &KafkaOptions,
    go_on: impl Fn() -> bool,
) -> Result<Metadata, Fault> {
    let config = options.reader(false);
    let client = BaseConsumer::from_config_and_context(&config, Noticed::default())?;
    let deadline = Instant::now() + LIMIT;
    loop {
        let error = match client.fetch_metadata(None, LOOK) {
            Ok(metadata) => return Ok(metadata),
            Err(error) => error,
        };
        // The context hears what is polled.
        while client.poll(Duration::ZERO).is_some() {}
        let noticed = client.context();
        if noticed.is_refused() || Instant::now() > deadline || !go_on() {
            return Err(Fault::Broken(noticed.reason(&error)));
        }
    }
}
