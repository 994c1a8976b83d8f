//! The cursor: how far a transactional id has published. It is stored in its own compacted topic,
//! in the same transactions as the events.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};

use crate::kafka::fault::Fault;
use crate::kafka::options::KafkaOptions;

/// The maximum time between two messages while the topic is read.
const SILENCE: Duration = Duration::from_secs(30);
/// The timeout of one request.
const REQUEST: Duration = Duration::from_secs(5);
/// The pause between two requests while the topic is not ready.
const LOOK: Duration = Duration::from_millis(50);
/// The number of offsets before the end at which the search for the last value begins. Each further
/// search goes back `FURTHER` times as far.
const TAIL: i64 = 1_000;
const FURTHER: i64 = 20;

/// The position up to which a transactional id has published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PublishCursor {
    /// The journal's identity, in hexadecimal.
    pub(super) journal_id: String,
    /// The number of instances that have claimed the transactional id. An instance that finds a
    /// higher epoch than its own has lost the id.
    pub(super) epoch: u64,
    /// The sequence of the last record whose events were published.
    pub(super) sequence: u64,
    /// The chain link at that record, in hexadecimal; `None` before the first record.
    pub(super) link: Option<String>,
}

/// The end up to which the cursor topic is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// To the end of the topic, including transactions that are still open. Only reliable after the
    /// producer of this id has started, which ends the id's open transactions.
    End,
    /// To the last stable offset.
    Stable,
}

/// Reads the last committed cursor of the transactional id; `None` if it has never published.
pub(super) fn read(options: &KafkaOptions, until: Until) -> Result<Option<PublishCursor>, Fault> {
    let value = value(options, options.transactional_id.as_bytes(), until)?;
    let cursor = value
        .map(|value| serde_json::from_slice(&value))
        .transpose();
    let topic = options.cursor_topic();
    cursor.map_err(|error| Fault::Broken(format!("{topic} holds no cursor: {error}")))
}

/// Returns the last committed value of a key in the cursor topic.
pub(super) fn value(
    options: &KafkaOptions,
    key: &[u8],
    until: Until,
) -> Result<Option<Vec<u8>>, Fault> {
    let topic = options.cursor_topic();
    let reader: BaseConsumer = options.reader(true).create()?;
    // For a reader of committed messages, the broker reports the last stable offset as the end.
    let (low, high) = match until {
        Until::Stable => watermarks(&reader, &topic)?,
        Until::End => watermarks(&options.reader(false).create()?, &topic)?,
    };
    let mut tail = TAIL;
    loop {
        let from = low.max(high.saturating_sub(tail));
        let value = last(&reader, &topic, key, from, high)?;
        if value.is_some() || from <= low {
            return Ok(value);
        }
        tail = tail.saturating_mul(FURTHER);
    }
}

/// Returns the first and the end offset of the topic. Retries because a broker may learn with a
/// delay that it is the leader.
fn watermarks(reader: &BaseConsumer, topic: &str) -> Result<(i64, i64), Fault> {
    let deadline = Instant::now() + REQUEST;
    loop {
        let error = match reader.fetch_watermarks(topic, 0, REQUEST) {
            Ok(watermarks) => return Ok(watermarks),
            Err(error) => error,
        };
        let is_early = matches!(
            error.rdkafka_error_code(),
            Some(
                RDKafkaErrorCode::NotLeaderForPartition
                    | RDKafkaErrorCode::LeaderNotAvailable
                    | RDKafkaErrorCode::UnknownTopicOrPartition
            )
        );
        if !is_early || Instant::now() > deadline {
            return Err(error.into());
        }
        std::thread::sleep(LOOK);
    }
}

/// Returns the last value of a key between two offsets.
fn last(
    reader: &BaseConsumer,
    topic: &str,
    key: &[u8],
    from: i64,
    high: i64,
) -> Result<Option<Vec<u8>>, Fault> {
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition_offset(topic, 0, Offset::Offset(from))?;
    reader.assign(&partitions)?;
    let mut deadline = Instant::now() + SILENCE;
    let mut last = None;
    let mut position = from;
    while position < high {
        if Instant::now() > deadline {
            return Err(Fault::Broken("the cursor can't be read to its end".into()));
        }
        match reader.poll(Duration::from_millis(100)) {
            None => {}
            // All stable messages were read. The position may be past the last message, because
            // transaction markers take offsets too.
            Some(Err(KafkaError::PartitionEOF(_))) => {
                let now = reader.position()?;
                let now = now.find_partition(topic, 0);
                if let Some(Offset::Offset(now)) = now.map(|partition| partition.offset()) {
                    position = position.max(now);
                }
            }
            Some(Err(error)) => return Err(error.into()),
            Some(Ok(message)) => {
                deadline = Instant::now() + SILENCE;
                position = message.offset() + 1;
                if message.key() == Some(key) {
                    last = message.payload().map(<[u8]>::to_vec);
                }
            }
        }
    }
    Ok(last)
}
