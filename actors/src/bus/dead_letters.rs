//! Dead letters: messages that a consumer could not handle, kept until they were handled after all.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;

use super::consumer::Failure;
use super::message::Message;
use crate::messages::Timestamp;

/// What a topic's dead letters are in: the topic with this behind it.
pub const DEAD_LETTERS_SUFFIX: &str = ".dlq";

/// Names a dead letter: where it lies. Outside it is `topic:partition:offset`, which needs no escape
/// in a URL, as a topic's name has no colon.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeadLetterId {
    /// The topic of dead letters, as `deposit-requests.dlq`.
    pub topic: String,
    /// Its partition; 0 on the embedded bus.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
}

impl DeadLetterId {
    /// The topic that the message came from.
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

/// A text that names no dead letter.
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

/// A number without a sign, and in its one form: an id has one text.
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
    /// Its name.
    pub id: DeadLetterId,
    /// The message as it came: topic, partition, offset and time are the original ones.
    pub message: Message,
    /// The group whose consumer failed.
    pub group: String,
    /// Why, as a stable word: `malformed`.
    pub reason: String,
    /// Why, in a sentence.
    pub error: String,
    /// How often it was tried before it became a dead letter.
    pub attempts: u32,
    /// When it did.
    pub failed_at: Timestamp,
    /// How often it was handed to its consumer again.
    pub redrives: u32,
    /// When it was last.
    pub redriven_at: Option<Timestamp>,
}

/// How a redrive ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redriven {
    /// Its consumer handled it: it waits no longer.
    Handled,
    /// Its consumer failed again: it still waits.
    Failed(Failure),
}

/// Why dead letters can't be had, or one not be redriven.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeadLettersError {
    /// No such letter waits.
    #[error("there is no dead letter of that id that waits")]
    NotFound,
    /// It was redriven as often as the settings allow.
    #[error("it was redriven {0} times already, which is the most (`kafka.redrives_max`)")]
    TooOften(u32),
    /// Its consumer doesn't run in this process.
    #[error("the group {0} has no consumer in this process")]
    NoConsumer(String),
    /// It is under way already.
    #[error("it is being redriven")]
    Busy,
    /// The brokers, or the disk, can't be asked.
    #[error("{0}")]
    Unavailable(String),
}

/// What is asked of dead letters, once it is known.
pub type Asked<T> = Pin<Box<dyn Future<Output = Result<T, DeadLettersError>> + Send>>;

/// The dead letters of a bus.
pub trait DeadLetters: Send + Sync {
    /// Those that wait, in the order of their ids, up to `limit`: of one source topic where
    /// given, behind the letter `after` where given.
    fn list(
        &self,
        source_topic: Option<&str>,
        after: Option<&DeadLetterId>,
        limit: usize,
    ) -> Asked<Vec<DeadLetter>>;

    /// The one of that id.
    ///
    /// # Errors
    /// `NotFound`, also where it was handled by a redrive.
    fn get(&self, id: &DeadLetterId) -> Asked<DeadLetter>;

    /// Hands it to its consumer once more, beside the messages of its topic and not through it,
    /// and tells how that ended once the effect is durable.
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
