//! The cursor: how far an identity has published, in a compacted topic of its own, written in the
//! same transactions as the events.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};

use super::fault::Fault;
use super::options::KafkaOptions;

/// How long reading it may bring nothing new.
const SILENCE: Duration = Duration::from_secs(30);
/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(5);
/// How long between two requests that came too early.
const LOOK: Duration = Duration::from_millis(50);
/// How far before the end it is looked for first; each further look goes so many times further.
const TAIL: i64 = 1_000;
const FURTHER: i64 = 20;

/// How far an identity has published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// The journal, in hexadecimal.
    pub(super) journal_id: String,
    /// Counts the instances that had this identity: one that sees a higher one is no longer it.
    pub(super) epoch: u64,
    /// The last record whose events were published.
    pub(super) sequence: u64,
    /// The chain's link at that record, in hexadecimal; none before the first.
    pub(super) link: Option<String>,
}

/// How far a cursor is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// To the end, past whatever is open: to be relied on once the identity's own transactions are
    /// ended, after its producer has started.
    End,
    /// To what nobody can change any more.
    Stable,
}

/// Reads the identity's last committed cursor; `None` if it has never published.
pub(super) fn read(options: &KafkaOptions, until: Until) -> Result<Option<Cursor>, Fault> {
    let value = value(options, options.transactional_id.as_bytes(), until)?;
    let cursor = value
        .map(|value| serde_json::from_slice(&value))
        .transpose();
    let topic = options.cursor_topic();
    cursor.map_err(|error| Fault::Broken(format!("{topic} holds no cursor: {error}")))
}

/// The last committed value of a key in the identity's cursor topic.
pub(super) fn value(
    options: &KafkaOptions,
    key: &[u8],
    until: Until,
) -> Result<Option<Vec<u8>>, Fault> {
    let topic = options.cursor_topic();
    let reader: BaseConsumer = options.reader(true).create()?;
    // A reader of committed messages is told the last stable offset instead of the end.
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

/// Where the topic begins and ends; a broker may hear a moment late that it leads it.
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

/// A key's last value between two offsets.
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
            // The end of what is stable; what ends a transaction takes offsets too.
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
