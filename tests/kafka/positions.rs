//! The positions at which command topics are read. The journal's own positions decide, whatever
//! happens to the group's offsets, the topic, or its messages. No committed offset passes a message
//! that has neither effect, answer nor dead letter.

use florin_tests::broker::{Broker, Names};
use florin_tests::executable;
use florin_tests::health::{reason, wait_for_no_reason, wait_for_reason};
use florin_tests::poll::eventually;
use florin_tests::server::Server;
use florin_tests::topic::Isolation;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::json;
use std::time::Duration;

use florin_tests::requests::{Producer, caught_up, has, movement};

use crate::support::grouped as florin;

const DEPOSITS: &str = "deposit-requests";

/// Only a thousand keys are remembered, so a message that is read again after a thousand others
/// would be executed again.
const FEW_KEYS: &[(&str, &str)] = &[
    ("idempotency.keys_max", "1000"),
    ("views.index_segment_entries", "1000"),
];

#[track_caller]
fn tool(broker: &Broker, name: &str, arguments: &[&str]) -> String {
    let output = broker.tool(name, arguments);
    assert!(output.status.success(), "{name} {arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Sends deposits of 1, each with its own key.
fn deposit(producer: &Producer, account: &str, numbers: std::ops::Range<u64>) {
    for number in numbers {
        producer.request(DEPOSITS, &movement(account, 1, number));
    }
    producer.flush();
}

fn delete_topic(broker: &Broker, topic: &str) {
    tool(broker, "kafka-topics", &["--delete", "--topic", topic]);
}

/// Creates a topic. A topic of the same name may still be in deletion, so it tries again.
#[track_caller]
fn make_topic(broker: &Broker, topic: &str, partitions: &str) {
    let make = ["--create", "--topic", topic, "--partitions", partitions];
    eventually("the topic is made", || {
        broker
            .tool("kafka-topics", &make)
            .status
            .success()
            .then_some(())
    });
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn group_offsets_that_are_gone_move_no_money_twice() {
    let (broker, names) = (Broker::shared(), Names::new("offsets-gone"));
    let mut server = florin(broker, &names, FEW_KEYS);
    let ada = server.account();
    let producer = Producer::new(broker, &names);
    deposit(&producer, &ada, 0..4_000);
    has(&server, &ada, 4_000);
    caught_up(broker, &names, DEPOSITS);
    assert_eq!(server.stop().code(), Some(0), "{}", server.log());
    let group = names.of("ledger-service");
    let delete = ["--delete", "--group", &group];
    tool(broker, "kafka-consumer-groups", &delete);
    server.start_again();
    deposit(&producer, &ada, 4_000..4_001);
    has(&server, &ada, 4_001);
    caught_up(broker, &names, DEPOSITS);
    assert_eq!(server.balance(&ada), 4_001);
    // The same holds under another group, as after a change of KAFKA_GROUP_ID.
    assert_eq!(server.stop().code(), Some(0), "{}", server.log());
    server.set("FLORIN__KAFKA__GROUP_ID", &names.of("another-service"));
    server.set("KAFKA_GROUP_ID", &names.of("another-service"));
    server.start_again();
    deposit(&producer, &ada, 4_001..4_002);
    has(&server, &ada, 4_002);
    server.verified();
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn a_restored_backup_reads_again_what_it_lacks_and_nothing_else() {
    let (broker, names) = (Broker::shared(), Names::new("restored-in"));
    let own = names.of("txn");
    let mut settings = FEW_KEYS.to_vec();
    settings.push(("kafka.transactional_id", own.as_str()));
    let mut server = florin(broker, &names, &settings);
    let ada = server.account();
    let producer = Producer::new(broker, &names);
    deposit(&producer, &ada, 0..3_000);
    has(&server, &ada, 3_000);
    caught_up(broker, &names, DEPOSITS);
    let place = tempfile::tempdir().unwrap();
    let (copy, restored) = (place.path().join("backup"), place.path().join("restored"));
    let port = server.client().address().port().to_string();
    let (copy, restored) = (copy.to_str().unwrap(), restored.to_str().unwrap());
    let data_dir = server.data_dir();
    let data_dir = data_dir.to_str().unwrap();
    let backup = [
        "backup",
        "--to",
        copy,
        "--port",
        &port,
        "--data-dir",
        data_dir,
    ];
    let made = executable::run(&backup, &[]);
    assert_eq!(made.code(), Some(0), "{}", made.output());
    deposit(&producer, &ada, 3_000..3_100);
    has(&server, &ada, 3_100);
    caught_up(broker, &names, DEPOSITS);
    assert_eq!(server.stop().code(), Some(0), "{}", server.log());
    let done = executable::run(&["restore", "--from", copy, "--data-dir", restored], &[]);
    assert_eq!(done.code(), Some(0), "{}", done.output());
    // The restored server gets its own transactional id, as documented.
    let other = names.of("txn-after");
    let mut settings = FEW_KEYS.to_vec();
    settings.push(("kafka.transactional_id", other.as_str()));
    let group = names.of("ledger-service");
    settings.push(("kafka.group_id", group.as_str()));
    let variables = crate::support::variables(broker, &names, &settings);
    let mut server = Server::copied(restored.as_ref(), variables);
    has(&server, &ada, 3_100);
    deposit(&producer, &ada, 3_100..3_101);
    has(&server, &ada, 3_101);
    server.logs("the group's offset is not used");
    server.verified();
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn a_topic_made_anew_is_read_from_its_beginning_while_running_and_after_a_start() {
    let (broker, names) = (Broker::shared(), Names::new("anew"));
    let mut server = florin(broker, &names, &[("kafka.commands", "on")]);
    let ada = server.account();
    let producer = Producer::new(broker, &names);
    let bare = json!({"account_id": ada, "amount": 1, "timestamp": "2025-01-01T00:00:00Z"});
    let send = |count: i64| {
        // Each call has a new producer, because an idempotent producer remembers the topic's
        // earlier life.
        let producer = Producer::new(broker, &names);
        for _ in 0..count {
            producer.request(DEPOSITS, &bare);
        }
        producer.flush();
    };
    send(20);
    has(&server, &ada, 20);
    caught_up(broker, &names, DEPOSITS);
    let topic = names.of(DEPOSITS);
    // The topic is recreated while the server runs. The new offsets go up to and past those that
    // were read.
    delete_topic(broker, &topic);
    make_topic(broker, &topic, "3");
    send(30);
    has(&server, &ada, 50);
    caught_up(broker, &names, DEPOSITS);
    // The topic is recreated while the server is stopped.
    assert_eq!(server.stop().code(), Some(0), "{}", server.log());
    delete_topic(broker, &topic);
    make_topic(broker, &topic, "3");
    send(40);
    server.start_again();
    has(&server, &ada, 90);
    drop(producer);
    server.verified();
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn a_dead_letter_that_cannot_be_written_holds_its_partition_and_is_written_later() {
    let (broker, names) = (Broker::shared(), Names::new("unburied"));
    let mut server = florin(broker, &names, &[("kafka.transaction_timeout_ms", "5000")]);
    let ada = server.account();
    let producer = Producer::new(broker, &names);
    let dlq = names.of("deposit-requests.dlq");
    let limit = |bytes: &str| {
        let set = format!("max.message.bytes={bytes}");
        let alter = [
            "--alter",
            "--entity-type",
            "topics",
            "--entity-name",
            &dlq,
            "--add-config",
        ];
        tool(
            broker,
            "kafka-configs",
            &[&alter[..], &[set.as_str()]].concat(),
        );
    };
    // The consumer creates the topic of dead letters before it starts to read.
    let consumes = format!("topics=\"{}", names.of(DEPOSITS));
    server.logs(&consumes);
    // The limit is smaller than any dead letter. It must be larger than the marker with which the
    // broker ends a transaction: without its marker the transaction would stay open for ever.
    limit("300");
    // The broker applies the setting with a delay. Poison that is sent before becomes a dead
    // letter.
    producer.put(DEPOSITS, "poison", Some(&[b'x'; 500]), &[]);
    producer.flush();
    let told = eventually("it can't be written", || {
        producer.put(DEPOSITS, "poison", Some(&[b'x'; 500]), &[]);
        reason(&server, "dead_letter_not_written")
    });
    assert!(told["detail"].as_str().unwrap().contains(&dlq), "{told}");
    producer.flush();
    let sent = broker.read(&names.of(DEPOSITS), Isolation::Committed).len();
    // The other partitions continue.
    for key in 0..12 {
        let request = movement(&ada, 1, key).to_string();
        let key = format!("other-{key}");
        producer.put(DEPOSITS, &key, Some(request.as_bytes()), &[]);
    }
    producer.flush();
    eventually("other partitions go on", || {
        (server.balance(&ada) > 0).then_some(())
    });
    // A stop in between commits no offset past the poison.
    assert_eq!(server.stop().code(), Some(0), "{}", server.log());
    let buried = broker.read(&dlq, Isolation::Committed).len();
    assert!(buried < sent, "{buried} of {sent}");
    server.start_again();
    wait_for_reason(&server, "dead_letter_not_written");
    limit("1000000");
    let letters = eventually("all dead letters", || {
        let letters = broker.read(&dlq, Isolation::Committed);
        (letters.len() >= sent).then_some(letters)
    });
    assert_eq!(letters.len(), sent);
    wait_for_no_reason(&server, "dead_letter_not_written");
    has(&server, &ada, 12);
    server.verified();
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn a_deleted_topic_of_dead_letters_is_made_anew_and_loses_none() {
    let (broker, names) = (Broker::shared(), Names::new("dlq-deleted"));
    let mut server = florin(broker, &names, &[("kafka.transaction_timeout_ms", "5000")]);
    let ada = server.account();
    let producer = Producer::new(broker, &names);
    let dlq = names.of("deposit-requests.dlq");
    producer.put(DEPOSITS, &ada, Some(b"poison"), &[]);
    producer.flush();
    eventually("the first dead letter", || {
        (broker.read(&dlq, Isolation::Committed).len() == 1).then_some(())
    });
    delete_topic(broker, &dlq);
    producer.put(DEPOSITS, &ada, Some(b"poison again"), &[]);
    producer.request(DEPOSITS, &movement(&ada, 3, 1));
    producer.flush();
    has(&server, &ada, 3);
    eventually("the second dead letter", || {
        let letters = broker.read(&dlq, Isolation::Committed);
        let last = letters.last().and_then(|letter| letter.value.as_deref());
        last.is_some_and(|value| value == b"poison again")
            .then_some(())
    });
    wait_for_no_reason(&server, "dead_letter_not_written");
    server.verified();
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn messages_removed_before_they_were_read_are_told() {
    let (broker, names) = (Broker::shared(), Names::new("removed"));
    let mut server = florin(broker, &names, &[]);
    let ada = server.account();
    let producer = Producer::new(broker, &names);
    deposit(&producer, &ada, 0..10);
    has(&server, &ada, 10);
    caught_up(broker, &names, DEPOSITS);
    assert_eq!(server.stop().code(), Some(0), "{}", server.log());
    deposit(&producer, &ada, 10..17);
    broker.empty(&names.of(DEPOSITS), 3);
    server.start_again();
    let told = wait_for_reason(&server, "messages_lost");
    assert!(
        told["detail"].as_str().unwrap().contains("10 to 16"),
        "{told}"
    );
    let topic = names.of(DEPOSITS);
    let group = names.of("ledger-service");
    let metric =
        format!("florin_consumer_lost_offsets_total{{topic=\"{topic}\",group=\"{group}\"}} 7");
    let metrics = server.get("/metrics").text().to_owned();
    assert!(metrics.contains(&metric), "{metric} in {metrics}");
    deposit(&producer, &ada, 17..18);
    has(&server, &ada, 11);
}

#[track_caller]
fn lag_is(server: &Server, topic: &str, messages: u64) {
    eventually(&format!("a lag of {messages}"), || {
        let health = server.get("/health").ok();
        let lag = health["lag"].as_array()?.iter();
        let of_topic = lag.filter(|lag| lag["topic"] == *topic);
        let sum: u64 = of_topic.filter_map(|lag| lag["messages"].as_u64()).sum();
        (sum == messages).then_some(())
    });
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn lag_counts_what_waits_behind_an_open_transaction_and_nothing_that_was_given_up() {
    let (broker, names) = (Broker::shared(), Names::new("lagging"));
    let server = florin(broker, &names, &[]);
    let ada = server.account();
    let topic = names.of(DEPOSITS);
    let producer = Producer::new(broker, &names);
    deposit(&producer, &ada, 0..1);
    has(&server, &ada, 1);
    let mut config = broker.client();
    config.set("transactional.id", names.of("foreign"));
    let foreign: BaseProducer = config.create().unwrap();
    let limit = Duration::from_secs(20);
    foreign.init_transactions(limit).unwrap();
    foreign.begin_transaction().unwrap();
    let value = movement(&ada, 100, 2).to_string();
    for _ in 0..5 {
        let record = BaseRecord::to(&topic).key(&ada).payload(&value);
        foreign.send(record).map_err(|(error, _)| error).unwrap();
    }
    foreign.flush(limit).unwrap();
    lag_is(&server, &topic, 5);
    foreign.abort_transaction(limit).unwrap();
    lag_is(&server, &topic, 0);
    assert_eq!(server.balance(&ada), 1);
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn more_partitions_than_the_settings_say_are_read_also_new_ones() {
    let (broker, names) = (Broker::shared(), Names::new("grown"));
    let topic = names.of(DEPOSITS);
    make_topic(broker, &topic, "4");
    tool(
        broker,
        "kafka-configs",
        &[
            "--alter",
            "--entity-type",
            "topics",
            "--entity-name",
            &topic,
            "--add-config",
            "retention.ms=604800000",
        ],
    );
    let other = names.of("transfer-requests");
    let of_topic = format!("{other} = 2");
    let mut server = florin(
        broker,
        &names,
        &[("kafka.topic_partitions", of_topic.as_str())],
    );
    let ada = server.account();
    let send = |numbers: std::ops::Range<u64>| {
        let producer = Producer::new(broker, &names);
        for number in numbers {
            let request = movement(&ada, 1, number).to_string();
            producer.put(DEPOSITS, &number.to_string(), Some(request.as_bytes()), &[]);
        }
        producer.flush();
    };
    send(0..40);
    has(&server, &ada, 40);
    server.logs("has more partitions than");
    let told = tool(broker, "kafka-topics", &["--describe", "--topic", &other]);
    assert!(told.contains("PartitionCount: 2"), "{told}");
    tool(
        broker,
        "kafka-topics",
        &["--alter", "--topic", &topic, "--partitions", "8"],
    );
    send(40..100);
    has(&server, &ada, 100);
    server.verified();
}
