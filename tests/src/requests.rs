//! Requests from producers that know nothing of Florin, and Florin's answers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use serde_json::{Value, json};

use crate::broker::{Broker, Names};
use crate::executable;
use crate::poll::eventually;
use crate::server::Server;
use crate::topic::Received;

/// The number of messages that the brokers refused.
#[derive(Default)]
struct Refused(AtomicUsize);

impl ClientContext for Refused {}

impl ProducerContext for Refused {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        self.0
            .fetch_add(usize::from(result.is_err()), Ordering::AcqRel);
    }
}

/// A plain producer of requests.
#[allow(missing_debug_implementations, reason = "the client has none")]
pub struct Producer {
    inner: BaseProducer<Refused>,
    names: Names,
}

impl Producer {
    /// Creates a producer that writes to the test's own topics.
    ///
    /// # Panics
    /// Panics if it can't be created.
    pub fn new(broker: &Broker, names: &Names) -> Self {
        let mut config = broker.client();
        config.set("acks", "all");
        config.set("enable.idempotence", "true");
        config.set("partitioner", "murmur2_random");
        config.set("message.max.bytes", "20000000");
        config.set("queue.buffering.max.messages", "2000000");
        Self {
            inner: config.create_with_context(Refused::default()).unwrap(),
            names: names.clone(),
        }
    }

    /// Queues a message for the test's own topic of that name.
    ///
    /// # Panics
    /// Panics if the producer refuses it.
    pub fn put(&self, topic: &str, key: &str, value: Option<&[u8]>, headers: &[(&str, &str)]) {
        let topic = self.names.of(topic);
        let mut all = OwnedHeaders::new();
        for (key, value) in headers {
            let value = Some(*value);
            all = all.insert(Header { key, value });
        }
        let mut record = BaseRecord::<str, [u8]>::to(&topic).key(key).headers(all);
        record.payload = value;
        while let Err((error, back)) = self.inner.send(record) {
            let full = rdkafka::types::RDKafkaErrorCode::QueueFull;
            assert_eq!(error.rdkafka_error_code(), Some(full), "{error}");
            self.inner.poll(Duration::from_millis(10));
            record = back;
        }
        self.inner.poll(Duration::ZERO);
    }

    /// Queues a request with the id of its entity as the message key.
    pub fn request(&self, topic: &str, request: &Value) {
        let key = request["account_id"].as_str();
        let key = key
            .or(request["from_account_id"].as_str())
            .unwrap_or("none");
        self.put(topic, key, Some(request.to_string().as_bytes()), &[]);
    }

    /// Waits until the brokers have accepted all messages.
    ///
    /// # Panics
    /// Panics if a message was refused.
    #[track_caller]
    pub fn flush(&self) {
        assert_eq!(self.refused(), 0, "messages were refused");
    }

    /// Waits until the brokers have accepted or refused all messages, and returns the number of
    /// refused ones.
    ///
    /// # Panics
    /// Panics if that takes longer than 60 seconds.
    pub fn refused(&self) -> usize {
        self.inner.flush(Duration::from_secs(60)).unwrap();
        self.inner.context().0.swap(0, Ordering::AcqRel)
    }
}

/// Returns an operation id that a foreign producer would choose.
pub fn foreign_id(number: u64) -> String {
    format!("{number:08x}-aaaa-4aaa-8aaa-{:012x}", std::process::id())
}

/// Returns a deposit or withdrawal request in the form of the documents.
pub fn movement(account: &str, amount: i64, number: u64) -> Value {
    json!({
        "operation_id": foreign_id(number), "account_id": account, "amount": amount,
        "timestamp": "2025-01-01T00:00:00Z", "idempotency_key": format!("key-{number}"),
    })
}

/// Returns a transfer request in the form of the documents.
pub fn transfer(from: &str, to: &str, amount: i64, number: u64) -> Value {
    json!({
        "operation_id": foreign_id(number), "from_account_id": from, "to_account_id": to,
        "amount": amount, "timestamp": "2025-01-01T00:00:00Z",
        "idempotency_key": format!("key-{number}"),
    })
}

/// Waits for this many messages on some of the test's own topics, and returns them by operation.
///
/// # Panics
/// Panics if other messages arrive.
#[track_caller]
pub fn answers(
    broker: &Broker,
    names: &Names,
    topics: &[&str],
    count: usize,
) -> BTreeMap<String, Received> {
    let topics: Vec<String> = topics.iter().map(|topic| names.of(topic)).collect();
    let all = eventually(&format!("{count} answers"), || {
        let all = broker.read_all(&topics);
        (all.len() >= count).then_some(all)
    });
    assert_eq!(all.len(), count, "{all:?}");
    let by_operation: BTreeMap<String, Received> = all
        .into_iter()
        .map(|one| (one.json()["operation_id"].as_str().unwrap().to_owned(), one))
        .collect();
    assert_eq!(by_operation.len(), count, "each operation is answered once");
    by_operation
}

/// Waits until an account has that balance.
///
/// # Panics
/// Panics if the account doesn't reach it.
#[track_caller]
pub fn has(server: &Server, account: &str, balance: i64) {
    eventually(&format!("a balance of {balance}"), || {
        (server.balance(account) == balance).then_some(())
    });
}

/// Waits until all of the group's messages are handled and their offsets are committed.
///
/// # Panics
/// Panics if they aren't.
#[track_caller]
pub fn caught_up(broker: &Broker, names: &Names, topic: &str) {
    let (topic, group) = (names.of(topic), names.of("ledger-service"));
    let mut config = broker.client();
    config.set("group.id", &group);
    let reader: rdkafka::consumer::BaseConsumer = config.create().unwrap();
    eventually("the group has everything", || {
        use rdkafka::consumer::Consumer as _;
        let limit = Duration::from_secs(5);
        let mut places = rdkafka::TopicPartitionList::new();
        places.add_partition_range(&topic, 0, 2);
        let committed = reader.committed_offsets(places, limit).ok()?;
        committed
            .elements()
            .iter()
            .all(|element| {
                let ends = reader.fetch_watermarks(&topic, element.partition(), limit);
                let (_, end) = ends.unwrap_or((0, i64::MAX));
                end == 0 || element.offset().to_raw() == Some(end)
            })
            .then_some(())
    });
}

/// Measures and prints how fast commands are consumed: this many deposits to a thousand accounts
/// wait in their topic before Florin starts.
///
/// # Panics
/// Panics if a step fails.
pub fn figure(count: u64) {
    let (broker, names) = (Broker::own(), Names::new("figure"));
    let variables = |commands: &str| {
        let mut variables = names.variables(&broker);
        let group = names.of("ledger-service");
        let settings = [
            ("kafka.group_id", group.as_str()),
            ("kafka.commands", commands),
        ];
        variables.extend(Server::variables(&settings));
        variables
    };
    let mut server = Server::of(executable::florin(), variables("off"));
    let accounts: Vec<String> = (0..1_000).map(|_| server.account()).collect();
    let producer = Producer::new(&broker, &names);
    for number in 0..count {
        let account = &accounts[number as usize % accounts.len()];
        producer.request("deposit-requests", &movement(account, 1, number));
    }
    producer.flush();
    server.stop();
    server.set("FLORIN__KAFKA__COMMANDS", "on");
    server.start_again();
    let taken = || {
        let page = server.get("/metrics").text();
        let mut lines = page.lines();
        let counted = lines.find_map(|line| {
            let rest = line.strip_prefix("florin_events_consumed_total{")?;
            let of_topic = rest.contains("deposit-requests");
            of_topic.then(|| rest.rsplit(' ').next()?.parse::<u64>().ok())?
        });
        counted.unwrap_or_default()
    };
    let first = eventually("the first ones", || {
        Some(taken()).filter(|taken| *taken > 0)
    });
    let began = Instant::now();
    eventually("all of them", || (taken() >= count).then_some(()));
    let seconds = began.elapsed().as_secs_f64();
    let rate = (count - first) as f64 / seconds;
    println!("{count} deposits from Kafka: {rate:.0} commands a second, done and durable");
    let sum: i64 = accounts.iter().map(|account| server.balance(account)).sum();
    assert_eq!(sum, count as i64);
}
