//! A small reader of topics that knows nothing of Florin. It reads all messages from the beginning
//! to the end, either as a consumer of committed messages or as one of all messages.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::{Offset, TopicPartitionList};

use crate::broker::Broker;
use crate::poll;

/// The longest time of one request to a broker.
const REQUEST: Duration = Duration::from_secs(10);

/// The isolation level of a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Only messages of committed transactions are read.
    Committed,
    /// Messages of open and aborted transactions are read too.
    Uncommitted,
}

/// A message that was read from a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset in the partition.
    pub offset: i64,
    /// Its timestamp, in milliseconds since 1970.
    pub timestamp_millis: Option<i64>,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its headers, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its value.
    pub value: Option<Vec<u8>>,
}

impl Received {
    /// Returns the text of a header.
    ///
    /// # Panics
    /// Panics if there isn't exactly one, or if it isn't a text.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let mut all = self.headers.iter().filter(|(known, _)| known == name);
        let (_, value) = all.next().unwrap_or_else(|| panic!("no {name}: {self:?}"));
        assert!(all.next().is_none(), "{name} twice: {self:?}");
        std::str::from_utf8(value).expect("a text")
    }

    /// Returns the text of the key.
    ///
    /// # Panics
    /// Panics if there is no key, or if it isn't a text.
    #[track_caller]
    pub fn key(&self) -> &str {
        std::str::from_utf8(self.key.as_deref().expect("a key")).expect("a text")
    }

    /// Returns the value as JSON.
    ///
    /// # Panics
    /// Panics if it isn't JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(self.value.as_deref().expect("a value")).expect("JSON")
    }
}

impl Broker {
    /// Returns everything in a topic, by partition and offset. A topic that doesn't exist is empty.
    ///
    /// # Panics
    /// Panics if the end can't be reached, for example while a transaction is open.
    #[track_caller]
    pub fn read(&self, topic: &str, isolation: Isolation) -> Vec<Received> {
        read(&self.client(), topic, isolation)
    }

    /// Returns everything that was committed to these topics.
    ///
    /// # Panics
    /// Panics if an end can't be reached.
    #[track_caller]
    pub fn read_all(&self, topics: &[String]) -> Vec<Received> {
        let all = topics.iter();
        all.flat_map(|topic| self.read(topic, Isolation::Committed))
            .collect()
    }
}

/// Returns everything in a topic, read by a client made from `client`.
///
/// # Panics
/// Panics if the end can't be reached.
#[track_caller]
pub fn read(client: &ClientConfig, topic: &str, isolation: Isolation) -> Vec<Received> {
    let consumer = |isolation: Isolation| -> BaseConsumer {
        let mut config = client.clone();
        config.set("group.id", "florin-tests-reader");
        config.set("enable.auto.commit", "false");
        config.set("enable.partition.eof", "true");
        let level = match isolation {
            Isolation::Committed => "read_committed",
            Isolation::Uncommitted => "read_uncommitted",
        };
        config.set("isolation.level", level);
        config.create().expect("a consumer")
    };
    // A reader of committed messages gets the last stable offset instead of the end, so the ends
    // are asked for without isolation.
    let ahead = consumer(Isolation::Uncommitted);
    let metadata = ahead.fetch_metadata(Some(topic), REQUEST).expect("brokers");
    let known = metadata.topics().iter().find(|known| known.name() == topic);
    let partitions = known.map_or(0, |known| known.partitions().len());
    let mut ends = BTreeMap::new();
    let mut from = TopicPartitionList::new();
    for partition in 0..i32::try_from(partitions).expect("few") {
        let ends_of = || ahead.fetch_watermarks(topic, partition, REQUEST).ok();
        let (low, high) = poll::eventually("a leader", ends_of);
        if low < high {
            ends.insert(partition, high);
            from.add_partition_offset(topic, partition, Offset::Offset(low))
                .expect("an offset");
        }
    }
    let reader = consumer(isolation);
    reader.assign(&from).expect("partitions");
    let mut all = Vec::new();
    let deadline = Instant::now() + poll::PATIENCE;
    while !ends.is_empty() {
        assert!(
            Instant::now() < deadline,
            "{topic} can't be read to its ends {ends:?}"
        );
        match reader.poll(Duration::from_millis(100)) {
            None => {}
            // The markers that end transactions take offsets too. Only the position counts them.
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                let now = reader.position().expect("a position");
                let now = now.find_partition(topic, partition);
                if let Some(Offset::Offset(now)) = now.map(|found| found.offset()) {
                    ends.retain(|known, end| *known != partition || now < *end);
                }
            }
            // Errors occur while brokers come and go. The deadline bounds the wait.
            Some(Err(_)) => {}
            Some(Ok(message)) => {
                let headers = message.headers().into_iter().flat_map(|all| all.iter());
                let headers = headers.map(|header| {
                    let value = header.value.unwrap_or_default().to_vec();
                    (header.key.to_owned(), value)
                });
                ends.retain(|known, end| {
                    *known != message.partition() || message.offset() + 1 < *end
                });
                all.push(Received {
                    topic: topic.to_owned(),
                    partition: message.partition(),
                    offset: message.offset(),
                    timestamp_millis: message.timestamp().to_millis(),
                    key: message.key().map(<[u8]>::to_vec),
                    headers: headers.collect(),
                    value: message.payload().map(<[u8]>::to_vec),
                });
            }
        }
    }
    all.sort_by_key(|message| (message.partition, message.offset));
    all
}
