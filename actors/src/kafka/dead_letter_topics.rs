//! The form of dead letters in Kafka: the original message, with additional headers that describe
//! the failure.

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Header, OwnedHeaders};

use super::fault::Fault;
use super::options::{KafkaOptions, MESSAGE_BYTES_MAX};
use super::producer::Producer;
use crate::blocking::wait;
use crate::bus::{DEAD_LETTERS_SUFFIX, DeadLetter, DeadLetterId, Message};
use crate::words::Timestamp;

/// The topic that records how often each dead letter was redriven, and whether a redrive succeeded.
pub(super) const REDRIVES: &str = "florin.redrives";

const TOPIC: &str = "x-florin-original-topic";
const PARTITION: &str = "x-florin-original-partition";
const OFFSET: &str = "x-florin-original-offset";
const INCARNATION: &str = "x-florin-original-incarnation";
const TIMESTAMP: &str = "x-florin-original-timestamp";
const GROUP: &str = "x-florin-group";
const REASON: &str = "x-florin-reason";
const ERROR: &str = "x-florin-error";
const ATTEMPTS: &str = "x-florin-attempts";
const FAILED_AT: &str = "x-florin-failed-at";
/// The additional headers, in their order. They are always the last headers, because the original
/// message may have headers with the same names.
const NAMES: [&str; 10] = [
    TOPIC,
    PARTITION,
    OFFSET,
    INCARNATION,
    TIMESTAMP,
    GROUP,
    REASON,
    ERROR,
    ATTEMPTS,
    FAILED_AT,
];

/// A message to be written as a dead letter.
pub(super) struct DeadLetterMessage<'a> {
    pub(super) message: &'a Message,
    pub(super) group: &'a str,
    pub(super) reason: &'a str,
    pub(super) error: &'a str,
    pub(super) attempts: u32,
    pub(super) failed_at: Timestamp,
}

impl DeadLetterMessage<'_> {
    /// Adds the dead letter to the open transaction.
    pub(super) fn send(&self, producer: &Producer) -> Result<(), Fault> {
        let message = self.message;
        let topic = format!("{}{DEAD_LETTERS_SUFFIX}", message.topic);
        let mut headers = OwnedHeaders::new_with_capacity(message.headers.len() + NAMES.len());
        for (key, value) in &message.headers {
            let value = Some(value.as_slice());
            headers = headers.insert(Header { key, value });
        }
        for (key, value) in NAMES.iter().zip(self.header_values()) {
            let value = Some(value.as_bytes());
            headers = headers.insert(Header { key, value });
        }
        let (key, value) = (message.key.as_deref(), message.value.as_deref());
        producer.forward(&topic, key, value, headers)
    }

    fn header_values(&self) -> [String; 10] {
        let message = self.message;
        let time = message
            .timestamp_millis
            .and_then(|millis| Timestamp::try_from(millis.checked_mul(1_000)?).ok());
        [
            message.topic.to_string(),
            message.partition.to_string(),
            message.offset.to_string(),
            message.incarnation.to_string(),
            time.map_or_else(String::new, |time| time.to_string()),
            self.group.to_owned(),
            self.reason.to_owned(),
            self.error.to_owned(),
            self.attempts.to_string(),
            self.failed_at.to_string(),
        ]
    }
}

/// Parses a dead letter; `None` if the message is not one.
pub(super) fn letter(mut message: Message) -> Option<DeadLetter> {
    let id = DeadLetterId {
        topic: message.topic.to_string(),
        partition: message.partition,
        offset: message.offset,
    };
    let begin = message.headers.len().checked_sub(NAMES.len())?;
    let told = message.headers.split_off(begin);
    let mut told = NAMES.iter().zip(told).map(|(name, (known, value))| {
        let value = (known == *name).then_some(value)?;
        String::from_utf8(value).ok()
    });
    let mut next = || told.next().flatten();
    message.topic = next()?.into();
    message.partition = next()?.parse().ok()?;
    message.offset = next()?.parse().ok()?;
    message.incarnation = next()?.parse().ok()?;
    let time = next()?.parse::<Timestamp>().ok();
    message.timestamp_millis = time.map(|time| time.as_micros() / 1_000);
    Some(DeadLetter {
        id,
        group: next()?,
        reason: next()?,
        error: next()?,
        attempts: next()?.parse().ok()?,
        failed_at: next()?.parse().ok()?,
        message,
        redrives: 0,
        redriven_at: None,
    })
}

/// Creates the dead-letter topics of `topics` and the topic of redrives, if they don't exist. Dead
/// letters have no retention limit: they are kept until they are deleted on purpose.
pub(super) fn ensure(options: &KafkaOptions, topics: &[String]) -> Result<(), Fault> {
    let admin: AdminClient<DefaultClientContext> = options.admin().create()?;
    let replication = || TopicReplication::Fixed(options.replication);
    let names: Vec<String> = topics
        .iter()
        .map(|topic| format!("{topic}{DEAD_LETTERS_SUFFIX}"))
        .collect();
    let letters = names.iter().map(|name| {
        NewTopic::new(name, options.partitions_of(name), replication())
            .set("retention.ms", "-1")
            .set("max.message.bytes", MESSAGE_BYTES_MAX)
    });
    let redrives = NewTopic::new(REDRIVES, 1, replication()).set("cleanup.policy", "compact");
    let new: Vec<NewTopic<'_>> = letters.chain([redrives]).collect();
    let made = wait(admin.create_topics(&new, &AdminOptions::new()))?;
    for result in made {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => {
                return Err(Fault::Broken(format!(
                    "the topic {name} can't be created: {code}"
                )));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_letter_is_the_message_as_it_came() {
        let message = Message {
            topic: "deposit-requests".into(),
            partition: 2,
            offset: 17,
            incarnation: crate::words::Incarnation::of("cluster", "topic"),
            settled_before: 0,
            timestamp_millis: Some(1_700_000_000_123),
            key: Some(b"k".to_vec()),
            headers: vec![
                (GROUP.to_owned(), b"a lie".to_vec()),
                ("binary".to_owned(), vec![0xff]),
            ],
            value: Some(b"not json".to_vec()),
        };
        let written = DeadLetterMessage {
            message: &message,
            group: "ledger-service",
            reason: "malformed",
            error: "expected ident at line 1 column 2",
            attempts: 1,
            failed_at: "2026-11-21T18:00:00.000001Z".parse().unwrap(),
        };
        let mut came = message.clone();
        let told = NAMES.iter().zip(written.header_values());
        let told = told.map(|(name, value)| ((*name).to_owned(), value.into_bytes()));
        came.headers.extend(told);
        (came.topic, came.partition, came.offset) = ("deposit-requests.dlq".into(), 0, 5);
        let read = letter(came.clone()).unwrap();
        assert_eq!(read.message, message);
        assert_eq!(read.id.to_string(), "deposit-requests.dlq:0:5");
        assert_eq!((read.group.as_str(), read.attempts), ("ledger-service", 1));
        assert_eq!(read.failed_at, written.failed_at);
        came.headers.pop();
        assert_eq!(letter(came), None);
    }
}
