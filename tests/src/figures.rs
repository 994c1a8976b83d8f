//! Measurements of Florin with a real broker: the rate at which events are published, the delay
//! until another consumer has them, and their cost for HTTP clients. Each figure is measured in the
//! same run as the one that it is compared with. The broker, the clients and Florin share the
//! machine's cores.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{Value, json};

use crate::broker::{Broker, Names};
use crate::executable;
use crate::http::Client;
use crate::poll::eventually;
use crate::server::Server;
use crate::topic::Received;
use crate::traffic::drained;

/// Number of accounts that money moves between.
const ACCOUNTS: usize = 300;
/// Number of concurrent clients.
const CLIENTS: usize = 16;
/// Number of transfers in a batch of the backlog, and of events that each transfer makes.
const ITEMS: usize = 20;
const EVENTS_EACH: usize = 3;
/// Number of transfers whose delay to a consumer is measured, and the pause between two.
const TIMED: usize = 300;
const TIMED_EVERY: Duration = Duration::from_millis(20);
/// Number of partitions that Florin creates by default.
const PARTITIONS: i32 = 3;

/// Performs all measurements and prints them.
///
/// # Panics
/// Panics if a step fails.
pub fn run(events: usize, rounds: usize, window: Duration) {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let build = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    println!("load average before: {}; a {build} build", load.trim());
    let broker = Broker::own();
    published(&broker, events, rounds);
    delay(&broker);
    cost(&broker, rounds, window);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load average after: {}", load.trim());
}

fn florin(broker: &Broker, names: &Names) -> Server {
    Server::of(executable::florin(), names.variables(broker))
}

/// Opens accounts from several clients at once, because each answer waits for the disk.
fn accounts(client: &Client) -> Vec<String> {
    let opened = Mutex::new(Vec::new());
    at_once(client, ACCOUNTS, |client, _| {
        let id = client.account_of(1_000_000);
        opened.lock().expect("whole").push(id);
    });
    opened.into_inner().expect("whole")
}

/// Calls `ask` this many times from several clients. Each call gets its own number.
fn at_once(client: &Client, times: usize, ask: impl Fn(&Client, u64) + Sync) {
    let next = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let client = Client::new(client.address());
                loop {
                    let turn = next.fetch_add(1, Ordering::Relaxed);
                    if turn >= times as u64 {
                        return;
                    }
                    ask(&client, turn);
                }
            });
        }
    });
}

fn any<'a>(all: &'a [String], random: &mut SmallRng) -> &'a str {
    &all[random.random_range(0..all.len())]
}

fn transfer(accounts: &[String], random: &mut SmallRng) -> Value {
    let (from, to) = loop {
        let (from, to) = (any(accounts, random), any(accounts, random));
        if from != to {
            break (from, to);
        }
    };
    json!({"from": from, "to": to, "amount": 1})
}

/// Measures alternately the publication of a backlog through transactions, and the same messages
/// sent by a plain producer.
fn published(broker: &Broker, events: usize, rounds: usize) {
    let mut server = Server::start();
    let accounts = accounts(&server);
    let batches = events.div_ceil(ITEMS * EVENTS_EACH);
    at_once(&server, batches, |client, turn| {
        let mut random = SmallRng::seed_from_u64(turn);
        let items = (0..ITEMS).map(|_| transfer(&accounts, &mut random));
        let items = items.collect::<Vec<_>>();
        let batch = json!({"atomic": false, "transfers": items});
        client.post("/transfers/batch", &batch).ok();
    });
    assert_eq!(server.stop().code(), Some(0), "{}", server.log());
    let mut ratios = Vec::new();
    // A broker that just started still compiles its code, so the first measurement seems slow. The
    // first round is not counted.
    for round in 0..=rounds {
        let names = Names::new("figures");
        let mut variables = names.variables(broker);
        // A new transactional id makes Florin publish everything again.
        variables.push(("FLORIN__KAFKA__TRANSACTIONAL_ID".into(), names.of("id")));
        let mut florin = Server::copied(&server.data_dir(), variables);
        let seconds = until_drained(&florin);
        assert_eq!(florin.stop().code(), Some(0), "{}", florin.log());
        let messages = broker.read_all(&names.topics());
        let by_florin = messages.len() as f64 / seconds;
        let by_bare = bare(broker, messages);
        let name = if round == 0 {
            "warm-up".to_owned()
        } else {
            ratios.push(by_florin / by_bare);
            format!("round {round}")
        };
        println!(
            "{name}: {by_florin:.0} events/s through transactions, {by_bare:.0} by a bare \
             acks=all producer: {:.2}",
            by_florin / by_bare
        );
    }
    println!(
        "events out, of a bare producer: {:.2} (median)",
        median(&mut ratios)
    );
}

/// Returns the seconds from the start of the publication until everything is published.
fn until_drained(client: &Client) -> f64 {
    let mut began = None;
    eventually("the backlog is published", || {
        let health = client.get("/health").ok();
        if health["bus"]["state"] == "connected" {
            began.get_or_insert_with(Instant::now);
        }
        (began.is_some() && health["outbox"]["records"] == 0).then_some(())
    });
    began.expect("connected").elapsed().as_secs_f64()
}

/// Returns the messages per second of a producer without transactions, to its own topics.
fn bare(broker: &Broker, mut messages: Vec<Received>) -> f64 {
    let names = Names::new("bare");
    messages.sort_by_key(|message| message.header("ce_sequence").parse::<u64>().ok());
    let mut topics: Vec<String> = messages.iter().map(|one| one.topic.clone()).collect();
    topics.sort_unstable();
    topics.dedup();
    let topics: HashMap<String, String> = topics
        .into_iter()
        .map(|topic| (topic.clone(), names.of(&topic)))
        .collect();
    create(broker, topics.values());
    let mut config = broker.client();
    config.set("enable.idempotence", "true").set("acks", "all");
    config
        .set("compression.type", "snappy")
        .set("linger.ms", "5");
    config.set("partitioner", "murmur2_random");
    config.set("queue.buffering.max.messages", "1000000");
    let producer: BaseProducer = config.create().expect("a producer");
    let began = Instant::now();
    for message in &messages {
        let headers = message.headers.iter();
        let headers = headers.fold(OwnedHeaders::new(), |all, (key, value)| {
            all.insert(Header {
                key,
                value: Some(value),
            })
        });
        let mut record = BaseRecord::<[u8], [u8]>::to(&topics[&message.topic])
            .key(message.key.as_deref().unwrap_or_default())
            .payload(message.value.as_deref().unwrap_or_default())
            .headers(headers);
        loop {
            match producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    producer.poll(Duration::from_millis(1));
                }
                Err((error, _)) => panic!("{error}"),
            }
        }
        producer.poll(Duration::ZERO);
    }
    while producer.in_flight_count() > 0 {
        producer.poll(Duration::from_millis(1));
    }
    messages.len() as f64 / began.elapsed().as_secs_f64()
}

fn create<'a>(broker: &Broker, topics: impl Iterator<Item = &'a String>) {
    let admin: AdminClient<DefaultClientContext> = broker.client().create().expect("a client");
    let new = topics.map(|topic| NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1)));
    let new: Vec<NewTopic<'_>> = new.collect();
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.build().expect("a runtime");
    let made = runtime.block_on(admin.create_topics(&new, &AdminOptions::new()));
    for result in made.expect("brokers answer") {
        result.expect("it is made");
    }
}

/// Measures the delay from the HTTP answer until another consumer of committed messages has the
/// event.
fn delay(broker: &Broker) {
    let names = Names::new("delay");
    let server = florin(broker, &names);
    let accounts = accounts(&server);
    drained(&server);
    let consumer = at_the_end(broker, &names.of("transaction-events"));
    let (seen, over) = (Mutex::new(HashMap::new()), AtomicBool::new(false));
    let mut answered = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let Some(Ok(message)) = consumer.poll(Duration::from_millis(50)) else {
                    continue;
                };
                let now = Instant::now();
                let value: Value =
                    serde_json::from_slice(message.payload().unwrap_or_default()).expect("JSON");
                let id = value["transactionId"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
                seen.lock().expect("whole").entry(id).or_insert(now);
            }
        });
        let mut random = SmallRng::seed_from_u64(2);
        for _ in 0..TIMED {
            let made = server
                .post("/transfers", &transfer(&accounts, &mut random))
                .created();
            let id = made["operation_id"].as_str().expect("an id").to_owned();
            answered.push((id, Instant::now()));
            thread::park_timeout(TIMED_EVERY);
        }
        eventually("the consumer has all", || {
            let seen = seen.lock().expect("whole");
            answered
                .iter()
                .all(|(id, _)| seen.contains_key(id))
                .then_some(())
        });
        over.store(true, Ordering::Relaxed);
    });
    let seen = seen.into_inner().expect("whole");
    let delays = answered
        .iter()
        .map(|(id, at)| seen[id].saturating_duration_since(*at));
    let mut delays: Vec<f64> = delays.map(|delay| delay.as_secs_f64() * 1e3).collect();
    delays.sort_by(f64::total_cmp);
    println!(
        "from the answer to a foreign read_committed consumer, {TIMED} transfers, one each {} ms: \
         median {:.1} ms, p99 {:.1} ms",
        TIMED_EVERY.as_millis(),
        delays[delays.len() / 2],
        delays[delays.len() * 99 / 100]
    );
}

/// Creates a consumer of committed messages that starts at the end of the topic.
fn at_the_end(broker: &Broker, topic: &str) -> BaseConsumer {
    let mut config = broker.client();
    config
        .set("group.id", "florin-figures")
        .set("isolation.level", "read_committed");
    config.set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let mut partitions = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        let limit = Duration::from_secs(10);
        let (_, end) = consumer
            .fetch_watermarks(topic, partition, limit)
            .expect("a leader");
        partitions
            .add_partition_offset(topic, partition, Offset::Offset(end))
            .expect("an offset");
    }
    consumer.assign(&partitions).expect("partitions");
    consumer
}

/// Measures alternately the transfers per second over HTTP with and without the bridge to Kafka,
/// and the processor time per transfer: Florin's and the broker's, until everything is published.
fn cost(broker: &Broker, rounds: usize, window: Duration) {
    let names = Names::new("cost");
    let with = florin(broker, &names);
    let without = Server::start();
    let (with_accounts, without_accounts) = (accounts(&with), accounts(&without));
    // Both servers are warmed up first.
    loaded(&with, &with_accounts, window / 4);
    loaded(&without, &without_accounts, window / 4);
    let (mut slower, mut dearer) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let on = || {
            drained(&with);
            let before = (cpu(&with), broker_cpu(broker));
            let (count, rate) = loaded(&with, &with_accounts, window);
            drained(&with);
            let used = (cpu(&with) - before.0, broker_cpu(broker) - before.1);
            (rate, used.0 / count, used.1 / count)
        };
        let off = || {
            drained(&with);
            let before = cpu(&without);
            let (count, rate) = loaded(&without, &without_accounts, window);
            (rate, (cpu(&without) - before) / count)
        };
        let ((rate, own, of_broker), (rate_without, own_without)) = if round % 2 == 0 {
            let on = on();
            (on, off())
        } else {
            let off = off();
            (on(), off)
        };
        slower.push(1.0 - rate / rate_without);
        dearer.push(own / own_without - 1.0);
        println!(
            "round {}: {rate:.0} transfers/s with the bridge ({own:.1} µs of processor time each, \
             the broker {of_broker:.1}), {rate_without:.0} without ({own_without:.1} µs)",
            round + 1
        );
    }
    println!(
        "cost of the bridge to HTTP: {:.0} % fewer transfers/s, the broker on the same cores \
         (median); Florin's own processor time a transfer {:.0} % more (median)",
        median(&mut slower) * 100.0,
        median(&mut dearer) * 100.0
    );
}

/// Returns the processor time that a server's process has used, in microseconds.
fn cpu(server: &Server) -> f64 {
    processor_time(server.pid().as_raw_nonzero().get() as u32)
}

fn broker_cpu(broker: &Broker) -> f64 {
    processor_time(broker.pid(1).expect("a running broker"))
}

/// Returns the processor time of a process in microseconds: the user and system time in `/proc`,
/// which counts ticks of 10 ms.
fn processor_time(pid: u32) -> f64 {
    let line = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a running process");
    // The process name, in brackets, may contain any character.
    let (_, fields) = line.rsplit_once(')').expect("a name");
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks = ticks.map(|ticks| ticks.parse::<f64>().expect("a number"));
    ticks.sum::<f64>() * 10_000.0
}

/// Makes transfers from several clients for this time. Returns their number and their rate per
/// second.
fn loaded(client: &Client, accounts: &[String], window: Duration) -> (f64, f64) {
    let (done, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let began = Instant::now();
    thread::scope(|scope| {
        for seed in 0..CLIENTS {
            let client = Client::new(client.address());
            let (done, over) = (&done, &over);
            scope.spawn(move || {
                let mut random = SmallRng::seed_from_u64(seed as u64);
                while !over.load(Ordering::Relaxed) {
                    client
                        .post("/transfers", &transfer(accounts, &mut random))
                        .created();
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        thread::park_timeout(window);
        over.store(true, Ordering::Relaxed);
    });
    let done = done.load(Ordering::Relaxed) as f64;
    (done, done / began.elapsed().as_secs_f64())
}

fn median(all: &mut [f64]) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
