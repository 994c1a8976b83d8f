//! Dead letters as operators see them.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use florin_actors::bus::{DeadLetter, DeadLetterId, Failure, Redriven};
use florin_actors::messages::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::values::Time;

/// A message that its consumer could not handle.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetter)]
pub struct DeadLetterBody {
    /// Its name.
    #[schema(example = "deposit-requests.dlq:0:17")]
    id: String,
    /// The topic that it came from.
    #[schema(example = "deposit-requests")]
    topic: String,
    /// Its partition there.
    partition: i32,
    /// Its offset there.
    offset: i64,
    /// When it was written there; null where that is not known.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    timestamp: Option<Time>,
    /// Its key; null without one.
    #[schema(required)]
    key: Option<String>,
    /// How large its value is.
    value_bytes: usize,
    /// The group whose consumer failed.
    #[schema(example = "ledger-service")]
    group: String,
    /// Why, as a stable word.
    #[schema(example = "malformed")]
    reason: String,
    /// Why, in a sentence.
    error: String,
    /// How often it was tried before it became a dead letter.
    attempts: u32,
    /// When it did.
    #[schema(value_type = String, format = DateTime)]
    failed_at: Time,
    /// How often it was redriven.
    redrives: u32,
    /// When it was last; null if it never was.
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

/// A dead letter with all that came.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WholeDeadLetter)]
pub struct WholeDeadLetterBody {
    #[serde(flatten)]
    letter: DeadLetterBody,
    /// Its value as text; null without one, or where it is none.
    #[schema(required)]
    value: Option<String>,
    /// Its value in base64; null where it is text.
    #[schema(required)]
    value_base64: Option<String>,
    /// Its headers, in order.
    headers: Vec<HeaderBody>,
}

/// A message's header.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MessageHeader)]
pub struct HeaderBody {
    /// Its name.
    name: String,
    /// Its value; what is no text in it is replaced.
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

/// What became of a redrive.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Redriven)]
pub struct RedrivenBody {
    /// The dead letter.
    id: String,
    /// `handled`: it waits no longer; `failed`: its consumer failed again.
    #[schema(example = "handled")]
    status: &'static str,
    /// Why it failed, as a stable word; null where it didn't.
    #[schema(required)]
    reason: Option<Cow<'static, str>>,
    /// Why it failed, in a sentence; null where it didn't.
    #[schema(required)]
    error: Option<String>,
}

impl RedrivenBody {
    /// How a redrive ended.
    pub fn new(id: &DeadLetterId, redriven: Redriven) -> Self {
        let (status, failure) = match redriven {
            Redriven::Handled => ("handled", None),
            Redriven::Failed(
                Failure::Transient { reason, detail } | Failure::Poison { reason, detail },
            ) => ("failed", Some((reason, detail))),
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
