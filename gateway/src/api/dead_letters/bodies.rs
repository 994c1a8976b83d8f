//! Dead letters as the API shows them to operators.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use florin_actors::bus::{DeadLetter, DeadLetterId, Failure, Redriven};
use florin_actors::messages::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::values::Time;

/// A message that its consumer could not handle.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetter)]
pub struct DeadLetterBody {
    /// The id of the dead letter: topic, partition and offset.
    #[schema(example = "deposit-requests.dlq:0:17")]
    id: String,
    /// The topic that the message came from.
    #[schema(example = "deposit-requests")]
    topic: String,
    /// The message's partition in its topic.
    partition: i32,
    /// The message's offset in its partition.
    offset: i64,
    /// The time when the message was written to its topic; null if it is not known.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    timestamp: Option<Time>,
    /// The message's key; null if it has none.
    #[schema(required, example = "0197a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b")]
    key: Option<String>,
    /// The size of the message's value in bytes.
    value_bytes: usize,
    /// The consumer group that could not handle the message.
    #[schema(example = "ledger-service")]
    group: String,
    /// The reason as a stable word.
    #[schema(example = "malformed")]
    reason: String,
    /// The reason in a sentence.
    #[schema(example = "unknown field `amuont`")]
    error: String,
    /// The number of attempts before the message became a dead letter.
    attempts: u32,
    /// The time when the message became a dead letter.
    #[schema(value_type = String, format = DateTime)]
    failed_at: Time,
    /// The number of redrives.
    redrives: u32,
    /// The time of the last redrive; null if there was none.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    redriven_at: Option<Time>,
}

impl From<&DeadLetter> for DeadLetterBody {
    fn from(letter: &DeadLetter) -> Self {
        let message = &letter.message;
        let written = message
            .timestamp_millis
            .and_then(|millis| Timestamp::try_from(millis.checked_mul(1_000)?).ok());
        Self {
            id: letter.id.to_string(),
            topic: message.topic.to_string(),
            partition: message.partition,
            offset: message.offset,
            timestamp: written.map(Time),
            key: message.key.as_deref().map(text),
            value_bytes: message.value.as_ref().map_or(0, Vec::len),
            group: letter.group.clone(),
            reason: letter.reason.clone(),
            error: letter.error.clone(),
            attempts: letter.attempts,
            failed_at: Time(letter.failed_at),
            redrives: letter.redrives,
            redriven_at: letter.redriven_at.map(Time),
        }
    }
}

/// A dead letter with the value and the headers of its message.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WholeDeadLetter)]
pub struct WholeDeadLetterBody {
    #[serde(flatten)]
    letter: DeadLetterBody,
    /// The message's value as text; null if there is no value or it is not UTF-8.
    #[schema(required, example = "{}")]
    value: Option<String>,
    /// The message's value in base64; null if there is no value or it is UTF-8.
    #[schema(required, example = "/w==")]
    value_base64: Option<String>,
    /// The message's headers, in their order.
    headers: Vec<HeaderBody>,
}

/// A message's header.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MessageHeader)]
pub struct HeaderBody {
    /// The name of the header.
    #[schema(example = "ce_type")]
    name: String,
    /// The value of the header. Bytes that are not UTF-8 are replaced.
    #[schema(example = "florin.deposit.requested.v1")]
    value: String,
}

impl From<&DeadLetter> for WholeDeadLetterBody {
    fn from(letter: &DeadLetter) -> Self {
        let value = letter.message.value.as_deref();
        let readable = value.map(std::str::from_utf8);
        let headers = letter.message.headers.iter();
        Self {
            letter: letter.into(),
            value: readable.and_then(Result::ok).map(str::to_owned),
            value_base64: match (value, readable) {
                (Some(value), Some(Err(_))) => Some(STANDARD.encode(value)),
                _ => None,
            },
            headers: headers
                .map(|(name, value)| HeaderBody {
                    name: name.clone(),
                    value: text(value),
                })
                .collect(),
        }
    }
}

/// The result of a redrive.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Redriven)]
pub struct RedrivenBody {
    /// The id of the dead letter.
    #[schema(example = "deposit-requests.dlq:0:17")]
    id: String,
    /// `handled`: the message was handled and is no longer a dead letter. `failed`: its consumer
    /// failed again.
    #[schema(example = "handled")]
    status: &'static str,
    /// The reason why it failed, as a stable word; null if it did not fail.
    #[schema(required, example = "malformed")]
    reason: Option<Cow<'static, str>>,
    /// The reason why it failed, in a sentence; null if it did not fail.
    #[schema(required, example = "unknown field `amuont`")]
    error: Option<String>,
}

impl RedrivenBody {
    /// Creates the body from the outcome of a redrive.
    pub fn new(id: &DeadLetterId, redriven: Redriven) -> Self {
        let (status, failure) = match redriven {
            Redriven::Handled => ("handled", None),
            Redriven::Failed(Failure { reason, detail }) => {
                ("failed", Some((reason.code(), detail)))
            }
        };
        let (reason, error) = failure.unzip();
        Self {
            id: id.to_string(),
            status,
            reason: reason.map(Cow::Borrowed),
            error,
        }
    }
}

fn text(bytes: impl AsRef<[u8]>) -> String {
    String::from_utf8_lossy(bytes.as_ref()).into_owned()
}
