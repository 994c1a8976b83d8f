//! The cursor: how far an identity has published, in a compacted topic of its own, written in the
//! same transactions as the events.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};

use super::options::KafkaOptions;
use super::producer::Fault;

/// How long reading it may take.
const LIMIT: Duration = Duration::from_secs(30);
/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(5);

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

/// Reads the identity's last committed cursor; `None` if it has never published. To be relied on
/// only once the identity's own transactions are ended: after its producer has started.
pub(super) fn read(options: &KafkaOptions) -> Result<Option<Cursor>, Fault> {
    let topic = options.cursor_topic();
    let ahead: BaseConsumer = options.reader(false).create()?;
    // A reader of committed messages is told the last stable offset instead of the end.
    let (low, high) = ahead.fetch_watermarks(&topic, 0, REQUEST)?;
    drop(ahead);
    if low >= high {
        return Ok(None);
    }
    let reader: BaseConsumer = options.reader(true).create()?;
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition_offset(&topic, 0, Offset::Offset(low))?;
    reader.assign(&partitions)?;
    let deadline = Instant::now() + LIMIT;
    let mut last = None;
    let mut position = low;
    while position < high {
        if Instant::now() > deadline {
            return Err(Fault::Broken("the cursor can't be read to its end".into()));
        }
        match reader.poll(Duration::from_millis(100)) {
            None => {}
            // The end of what is stable; what ends a transaction takes offsets too.
            Some(Err(KafkaError::PartitionEOF(_))) => {
                let now = reader.position()?;
                let now = now.find_partition(&topic, 0);
                if let Some(Offset::Offset(now)) = now.map(|partition| partition.offset()) {
                    position = position.max(now);
                }
            }
            Some(Err(error)) => return Err(error.into()),
            Some(Ok(message)) => {
                position = message.offset() + 1;
                if message.key() == Some(options.transactional_id.as_bytes()) {
                    last = message.payload().map(<[u8]>::to_vec);
                }
            }
        }
    }
    let cursor = last.map(|value| serde_json::from_slice(&value)).transpose();
    cursor.map_err(|error| Fault::Broken(format!("{topic} holds no cursor: {error}")))
}
