//! The options for the connection to Kafka, and the client configurations made from them.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::bus::Bindings;

/// The maximum message size. It equals the highest limit that a topic can have, because a dead
/// letter may be as large as any message.
pub(super) const MESSAGE_BYTES_MAX: &str = "104857600";
/// The interval at which consumers refresh their topics' metadata, for example to find new
/// partitions.
const METADATA_MILLIS: &str = "10000";
/// The maximum time between two polls by a member of a group.
const POLL_INTERVAL_MAX: Duration = Duration::from_secs(300);

/// The setting that says where to resume a partition if the journal's positions don't decide alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartFrom {
    /// Use the journal's own positions. A partition is not read if they can't tell where to resume.
    Own,
    /// Use the group's committed offset if there is one, whatever the journal knows; otherwise as
    /// `Own`.
    Group,
    /// Use the journal's own positions; if they can't tell, start with the oldest message.
    Earliest,
}

/// Configures a client to log the ids of its topics.
pub(super) fn log_topic_ids(config: &mut ClientConfig) {
    config.set("debug", "topic");
    config.set_log_level(RDKafkaLogLevel::Debug);
}

/// The options of the bridge to Kafka. Each one corresponds to a setting.
#[derive(Debug, Clone)]
pub struct KafkaOptions {
    /// The brokers as `host:port`, separated by commas.
    pub brokers: String,
    /// The security options of the connection, with librdkafka's names.
    pub security: Vec<(&'static str, String)>,
    /// The topics of each event type.
    pub bindings: Bindings,
    /// The number of partitions of new topics.
    pub partitions: i32,
    /// The replication factor of new topics.
    pub replication: i32,
    /// The retention of messages in new topics.
    pub retention: Duration,
    /// The compression: `none`, `snappy`, `lz4` or `zstd`.
    pub compression: &'static str,
    /// The transactional id. No other instance may use it.
    pub transactional_id: String,
    /// True if publishing continues from the node's own mark if the cursor topic has lost the
    /// cursor; otherwise publishing stops.
    pub continues_from_mark: bool,
    /// The maximum number of events in a transaction.
    pub transaction_events_max: usize,
    /// The broker's timeout for a transaction.
    pub transaction_timeout: Duration,
    /// The time without a heartbeat after which a consumer is removed from its group.
    pub session_timeout: Duration,
    /// The setting that says where a partition of a command topic is resumed.
    pub start_from: StartFrom,
    /// The numbers of partitions of single topics that differ from `partitions`.
    pub topic_partitions: BTreeMap<String, i32>,
}

impl KafkaOptions {
    /// Returns the configuration that all clients share.
    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        config.set("client.id", "florin");
        // The default waits up to 10 s although the broker may be back already.
        config.set("reconnect.backoff.max.ms", "1000");
        config.set("socket.keepalive.enable", "true");
        for (name, value) in &self.security {
            config.set(*name, value);
        }
        config
    }

    /// Returns the number of partitions with which a topic is created.
    pub(super) fn partitions_of(&self, topic: &str) -> i32 {
        let own = self.topic_partitions.get(topic).copied();
        own.unwrap_or(self.partitions)
    }

    /// Returns the configuration of a transactional producer.
    pub(super) fn producer(&self) -> ClientConfig {
        let mut config = self.client();
        let timeout = self.transaction_timeout.as_millis();
        config.set("transactional.id", &self.transactional_id);
        config.set("transaction.timeout.ms", timeout.to_string());
        // This is below the transaction timeout: a late message must fail before the broker aborts
        // the transaction.
        config.set("message.timeout.ms", (timeout * 4 / 5).to_string());
        config.set("enable.idempotence", "true");
        config.set("acks", "all");
        config.set("compression.type", self.compression);
        config.set("linger.ms", "2");
        // Java clients assign keys to partitions in the same way.
        config.set("partitioner", "murmur2_random");
        config.set("queue.buffering.max.messages", "1000000");
        // Successful delivery is detected by the in-flight count reaching zero.
        config.set("delivery.report.only.error", "true");
        // Dead letters may be as large as any message of other producers. Each topic has its own
        // limit.
        config.set("message.max.bytes", MESSAGE_BYTES_MAX);
        config
    }

    /// Returns the configuration of a producer without transactions.
    pub(super) fn plain_producer(&self) -> ClientConfig {
        let mut config = self.client();
        config.set("enable.idempotence", "true");
        config.set("acks", "all");
        config.set("message.timeout.ms", "5000");
        config.set("partitioner", "murmur2_random");
        config
    }

    /// Returns the options for the producer of a group's dead letters.
    pub(super) fn of_dead_letters(&self, group: &str) -> Self {
        Self {
            transactional_id: format!("{}.{group}.dlq", self.transactional_id),
            ..self.clone()
        }
    }

    /// Returns the configuration of a group member. Offsets are committed explicitly.
    pub(super) fn group(&self, group: &str) -> ClientConfig {
        let mut config = self.client();
        let session = self.session_timeout;
        config.set("group.id", group);
        config.set("isolation.level", "read_committed");
        config.set("enable.auto.commit", "false");
        config.set("enable.auto.offset.store", "false");
        // If an offset is out of the topic's range, the session ends and the next one decides where
        // to resume.
        config.set("auto.offset.reset", "error");
        // The end of a partition is reported, because transaction markers take offsets too.
        config.set("enable.partition.eof", "true");
        // New partitions are found within this interval.
        config.set("topic.metadata.refresh.interval.ms", METADATA_MILLIS);
        log_topic_ids(&mut config);
        config.set("session.timeout.ms", session.as_millis().to_string());
        let poll = session.max(POLL_INTERVAL_MAX).as_millis();
        config.set("max.poll.interval.ms", poll.to_string());
        // The limit of prefetched messages per partition.
        config.set("queued.max.messages.kbytes", "16384");
        // The statistics contain the ends of partitions, for the lag.
        config.set("statistics.interval.ms", "1000");
        config
    }

    /// Returns the configuration of a consumer that assigns partitions itself. `committed`
    /// restricts it to committed messages.
    pub(super) fn reader(&self, committed: bool) -> ClientConfig {
        let mut config = self.client();
        let isolation = if committed {
            "read_committed"
        } else {
            "read_uncommitted"
        };
        config.set("isolation.level", isolation);
        config.set("enable.auto.commit", "false");
        config.set("enable.partition.eof", "true");
        // The library requires a group id, although the consumer joins no group.
        config.set("group.id", format!("{}-reader", self.transactional_id));
        config
    }

    /// Returns the configuration of a client that lists and creates topics.
    pub(super) fn admin(&self) -> ClientConfig {
        self.client()
    }

    /// Returns the topic that contains the cursor of this transactional id. Each id has its own
    /// topic with one partition, so that open transactions of other producers can't hold back its
    /// readers.
    pub(super) fn cursor_topic(&self) -> String {
        format!("{}.cursor", self.transactional_id)
    }
}
