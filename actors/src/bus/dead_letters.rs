//! Dead letters: messages that a consumer could not handle. They are kept until a redrive succeeds.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;

use super::delivery::Failure;
use super::message::Message;
use crate::words::Timestamp;

/// The suffix of a topic's name that gives the name of its dead-letter topic.
pub const DEAD_LETTERS_SUFFIX: &str = ".dlq";

/// The id of a dead letter: its place. The external form is `topic:partition:offset`, which needs
/// no escaping in a URL because a topic's name has no colon.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeadLetterId {
    /// The dead-letter topic, for example `deposit-requests.dlq`.
    pub topic: String,
    /// The partition of the topic; 0 on the embedded bus.
    pub partition: i32,
    /// The offset in the partition.
    pub offset: i64,
}

impl DeadLetterId {
    /// Returns the topic of the original message.
    pub fn source_topic(&self) -> &str {
        let source = self.topic.strip_suffix(DEAD_LETTERS_SUFFIX);
        source.unwrap_or(&self.topic)
    }
}

impl fmt::Display for DeadLetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.topic, self.partition, self.offset)
    }
}

/// The error for a text that is not a dead letter's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not `topic.dlq:partition:offset`")]
pub struct DeadLetterIdError;

impl FromStr for DeadLetterId {
    type Err = DeadLetterIdError;

    fn from_str(text: &str) -> Result<Self, DeadLetterIdError> {
        let mut parts = text.rsplitn(3, ':');
        let offset: i64 = number(parts.next())?;
        let partition: i32 = number(parts.next())?;
        let topic = parts.next().ok_or(DeadLetterIdError)?;
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let source = topic.strip_suffix(DEAD_LETTERS_SUFFIX).unwrap_or_default();
        if source.is_empty() || topic.len() > 249 || !topic.bytes().all(fits) {
            return Err(DeadLetterIdError);
        }
        Ok(Self {
            topic: topic.to_owned(),
            partition,
            offset,
        })
    }
}

/// Parses a number without sign and leading zeros, so that an id has exactly one text form.
fn number<T: FromStr>(text: Option<&str>) -> Result<T, DeadLetterIdError> {
    let text = text.ok_or(DeadLetterIdError)?;
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain || (text.len() > 1 && text.starts_with('0')) {
        return Err(DeadLetterIdError);
    }
    text.parse().map_err(|_| DeadLetterIdError)
}

/// A message that its consumer could not handle.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// The id of the dead letter.
    pub id: DeadLetterId,
    /// The original message, with its original topic, partition, offset and time.
    pub message: Message,
    /// The group of the consumer that failed.
    pub group: String,
    /// The reason, as a stable word such as `malformed`.
    pub reason: String,
    /// The reason, as a sentence.
    pub error: String,
    /// The number of attempts before the message became a dead letter.
    pub attempts: u32,
    /// The time at which the message became a dead letter.
    pub failed_at: Timestamp,
    /// The number of redrives.
    pub redrives: u32,
    /// The time of the last redrive.
    pub redriven_at: Option<Timestamp>,
}

/// The result of a redrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redriven {
    /// The consumer handled the message, so the dead letter no longer waits.
    Handled,
    /// The consumer failed again, so the dead letter still waits.
    Failed(Failure),
}

/// The reason why dead letters can't be read, or why one can't be redriven.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeadLettersError {
    /// No waiting dead letter has the id.
    #[error("no waiting dead letter has this id")]
    NotFound,
    /// The dead letter was redriven as often as the settings allow.
    #[error("it was already redriven {0} times, and `kafka.redrives_max` allows no more")]
    TooOften(u32),
    /// The dead letter's consumer doesn't run in this process.
    #[error("the group {0} has no consumer in this process")]
    NoConsumer(String),
    /// A redrive of the dead letter is already in progress.
    #[error("another redrive of it is running")]
    Busy,
    /// The brokers or the disk are not available.
    #[error("{0}")]
    Unavailable(String),
}

/// The future result of a query or redrive.
pub type Asked<T> = Pin<Box<dyn Future<Output = Result<T, DeadLettersError>> + Send>>;

/// The dead letters of a bus.
pub trait DeadLetters: Send + Sync {
    /// Returns up to `limit` waiting dead letters in the order of their ids. They are restricted to
    /// one source topic and to ids after `after`, if given.
    fn list(
        &self,
        source_topic: Option<&str>,
        after: Option<&DeadLetterId>,
        limit: usize,
    ) -> Asked<Vec<DeadLetter>>;

    /// Returns the dead letter with the id.
    ///
    /// # Errors
    /// Returns `NotFound` if there is no such dead letter, or if a redrive has handled it.
    fn get(&self, id: &DeadLetterId) -> Asked<DeadLetter>;

    /// Hands the message to its consumer once more, directly and not through its topic. Returns the
    /// result when the effect is durable.
    fn redrive(&self, id: &DeadLetterId) -> Asked<Redriven>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_text() {
        let id = DeadLetterId {
            topic: "deposit-requests.dlq".into(),
            partition: 2,
            offset: 17,
        };
        assert_eq!(id.to_string(), "deposit-requests.dlq:2:17");
        assert_eq!(id.to_string().parse(), Ok(id.clone()));
        assert_eq!(id.source_topic(), "deposit-requests");
        for text in [
            "",
            "a.dlq",
            "a.dlq:1",
            "a:1:2",
            ".dlq:1:2",
            "a.dlq:01:2",
            "a.dlq:-1:2",
            "a.dlq:+1:2",
            "a.dlq::2",
            "a/b.dlq:1:2",
            "a.dlq:1:99999999999999999999",
        ] {
            assert_eq!(
                text.parse::<DeadLetterId>(),
                Err(DeadLetterIdError),
                "{text}"
            );
        }
    }
}
