//! Connection checks. The client library reports the reason why brokers can't be reached separately
//! from the call that fails; this module combines both.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;

use super::fault::Fault;
use super::options::KafkaOptions;

/// The time after which unresponsive brokers are given up.
const LIMIT: Duration = Duration::from_secs(10);
/// The timeout of one request, after which the library's reports are checked.
const LOOK: Duration = Duration::from_secs(1);

/// The last connection error that the library reported.
#[derive(Debug, Default)]
pub(super) struct Noticed(Mutex<Option<(RDKafkaErrorCode, String)>>);

impl Noticed {
    /// Returns the reported reason, or `otherwise` if nothing was reported.
    pub(super) fn reason(&self, otherwise: &KafkaError) -> String {
        let noticed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match noticed.as_ref() {
            Some((_, reason)) => reason.clone(),
            None => otherwise.to_string(),
        }
    }

    /// Returns whether the brokers refuse this client, so that waiting doesn't help.
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
            // The reason was reported before.
            return;
        }
        let mut noticed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Errors that follow a refusal, such as a closed connection, are less precise and don't
        // replace it.
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

/// Returns the metadata of all topics. Retries until the brokers answer, the time limit is reached,
/// or `go_on` returns false.
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
        // The context receives the errors only while the client is polled.
        while client.poll(Duration::ZERO).is_some() {}
        let noticed = client.context();
        if noticed.is_refused() || Instant::now() > deadline || !go_on() {
            return Err(Fault::Broken(noticed.reason(&error)));
        }
    }
}
