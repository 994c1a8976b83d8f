//! How Kafka is reached, and what clients of it are made with.

use std::time::Duration;

use rdkafka::ClientConfig;

use crate::bus::Bindings;

/// The largest message: a dead letter may be as large as any that a topic can be set to take.
pub(super) const MESSAGE_BYTES_MAX: &str = "104857600";
/// How long a member of a group may take between two looks for messages.
const POLL_INTERVAL_MAX: Duration = Duration::from_secs(300);

/// What the bridge to Kafka starts with; each is a setting.
#[derive(Debug, Clone)]
pub struct KafkaOptions {
    /// `host:port` with commas between.
    pub brokers: String,
    /// What secures the connection, by librdkafka's names.
    pub security: Vec<(&'static str, String)>,
    /// Which events go where.
    pub bindings: Bindings,
    /// Partitions of topics that are made.
    pub partitions: i32,
    /// Replicas of topics that are made.
    pub replication: i32,
    /// How long their messages are kept.
    pub retention: Duration,
    /// `none`, `snappy`, `lz4` or `zstd`.
    pub compression: &'static str,
    /// The transactional id; nobody else's.
    pub transactional_id: String,
    /// Events of a transaction at most.
    pub transaction_events_max: usize,
    /// How long the broker lets a transaction last.
    pub transaction_timeout: Duration,
    /// How long a consumer may be silent.
    pub session_timeout: Duration,
}

impl KafkaOptions {
    /// What every client has.
    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        config.set("client.id", "florin");
        // The default waits up to 10 s for a broker that is back already.
        config.set("reconnect.backoff.max.ms", "1000");
        config.set("socket.keepalive.enable", "true");
        for (name, value) in &self.security {
            config.set(*name, value);
        }
        config
    }

    /// A producer of transactions.
    pub(super) fn producer(&self) -> ClientConfig {
        let mut config = self.client();
        let timeout = self.transaction_timeout.as_millis();
        config.set("transactional.id", &self.transactional_id);
        config.set("transaction.timeout.ms", timeout.to_string());
        // Below the transaction's: a message that is late must fail before the broker gives up.
        config.set("message.timeout.ms", (timeout * 4 / 5).to_string());
        config.set("enable.idempotence", "true");
        config.set("acks", "all");
        config.set("compression.type", self.compression);
        config.set("linger.ms", "2");
        // Where Java's clients would put a key.
        config.set("partitioner", "murmur2_random");
        config.set("queue.buffering.max.messages", "1000000");
        // What was delivered is told by the count of what is on its way.
        config.set("delivery.report.only.error", "true");
        // Dead letters are as large as what others wrote; topics have bounds of their own.
        config.set("message.max.bytes", MESSAGE_BYTES_MAX);
        config
    }

    /// A producer without transactions.
    pub(super) fn plain_producer(&self) -> ClientConfig {
        let mut config = self.client();
        config.set("enable.idempotence", "true");
        config.set("acks", "all");
        config.set("message.timeout.ms", "5000");
        config.set("partitioner", "murmur2_random");
        config
    }

    /// What the producer of a group's dead letters starts with.
    pub(super) fn of_dead_letters(&self, group: &str) -> Self {
        Self {
            transactional_id: format!("{}.{group}.dlq", self.transactional_id),
            ..self.clone()
        }
    }

    /// A member of a consumer group; it commits by itself.
    pub(super) fn group(&self, group: &str) -> ClientConfig {
        let mut config = self.client();
        let session = self.session_timeout;
        config.set("group.id", group);
        config.set("isolation.level", "read_committed");
        config.set("enable.auto.commit", "false");
        config.set("enable.auto.offset.store", "false");
        config.set("auto.offset.reset", "earliest");
        config.set("session.timeout.ms", session.as_millis().to_string());
        let poll = session.max(POLL_INTERVAL_MAX).as_millis();
        config.set("max.poll.interval.ms", poll.to_string());
        // What waits in memory, of each partition.
        config.set("queued.max.messages.kbytes", "16384");
        // Ends of partitions, for the lag.
        config.set("statistics.interval.ms", "1000");
        config
    }

    /// A consumer that is told its partitions.
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
        // It needs a name, though it joins no group.
        config.set("group.id", format!("{}-reader", self.transactional_id));
        config
    }

    /// A client that asks for and makes topics.
    pub(super) fn admin(&self) -> ClientConfig {
        self.client()
    }

    /// The topic that holds how far this identity has published: one partition, so that no other's
    /// open transaction holds it back.
    pub(super) fn cursor_topic(&self) -> String {
        format!("{}.cursor", self.transactional_id)
    }
}
