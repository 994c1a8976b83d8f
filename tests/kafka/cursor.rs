//! The cursor topic is deleted, emptied or set back. The node itself knows how far it has
//! published, and never publishes its journal again without an order.

use std::path::Path;

use florin_tests::broker::{Broker, Names};
use florin_tests::executable::{self, Finished};
use florin_tests::poll::eventually;
use florin_tests::server::Server;
use florin_tests::topic::Isolation;
use florin_tests::traffic::{Traffic, drained, published_once};
use serde_json::Value;

use crate::support::{florin, variables};

const EVENTS_HALTED: i32 = 6;

/// Starts a server with this transactional id and returns it once it has published.
fn published(names: &Names, id: &str) -> Server {
    let settings = [
        ("kafka.transactional_id", id),
        ("kafka.transaction_timeout_ms", "5000"),
    ];
    let server = florin(Broker::shared(), names, &settings);
    Traffic::new(&server, 1);
    drained(&server);
    server
}

/// Returns the last record that this identity has published, according to the mark in the data
/// folder.
fn mark(data_dir: &Path, id: &str) -> Option<u64> {
    let file = std::fs::read(data_dir.join("published.json")).ok()?;
    let marks: Value = serde_json::from_slice(&file).ok()?;
    marks[id]["sequence"].as_u64()
}

#[track_caller]
fn delete(topic: &str) {
    let deleted = Broker::shared().tool("kafka-topics", &["--delete", "--topic", topic]);
    assert!(deleted.status.success(), "{deleted:?}");
    eventually("the topic is gone", || {
        let listed = Broker::shared().tool("kafka-topics", &["--list"]);
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        (!listed.lines().any(|line| line == topic)).then_some(())
    });
}

/// Runs the server until it ends by itself.
fn serves(data_dir: &Path, names: &Names, settings: &[(&str, &str)]) -> Finished {
    let data_dir = data_dir.to_str().unwrap();
    let variables = variables(Broker::shared(), names, settings);
    let variables: Vec<(&str, &str)> = variables
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    executable::run(
        &["serve", "--port", "0", "--data-dir", data_dir],
        &variables,
    )
}

/// Asserts that the server ended with code 6, and that its last line says what happened and how to
/// continue.
#[track_caller]
fn refused(ended: &Finished, topic: &str, what: &str) {
    assert_eq!(ended.code(), Some(EVENTS_HALTED), "{}", ended.output());
    let last = ended.stderr.lines().last().unwrap_or_default();
    for part in [topic, what, "kafka.cursor_lost", "kafka.transactional_id"] {
        assert!(last.contains(part), "{part}: {last}");
    }
}

/// Sets the cleanup policy of a topic.
#[track_caller]
fn set_cleanup_policy(topic: &str, policy: &str) {
    let policy = format!("cleanup.policy={policy}");
    let arguments = ["--alter", "--entity-type", "topics", "--entity-name", topic];
    let arguments = [&arguments[..], &["--add-config", policy.as_str()]].concat();
    let done = Broker::shared().tool("kafka-configs", &arguments);
    assert!(done.status.success(), "{done:?}");
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn a_deleted_or_emptied_cursor_topic_stops_the_start_and_can_be_continued_from_the_nodes_mark() {
    let (broker, names) = (Broker::shared(), Names::new("cursor-gone"));
    let id = names.of("id");
    let topic = format!("{id}.cursor");
    let mut server = published(&names, &id);
    assert_eq!(server.stop().code(), Some(0), "{}", server.log());
    let settings = [("kafka.transactional_id", id.as_str())];
    // Brokers delete records only from topics that are not compacted.
    set_cleanup_policy(&topic, "delete");
    broker.empty(&topic, 1);
    set_cleanup_policy(&topic, "compact");
    let data_dir = server.data_dir();
    refused(&serves(&data_dir, &names, &settings), &topic, "no cursor");
    delete(&topic);
    refused(&serves(&data_dir, &names, &settings), &topic, "no cursor");
    // Nothing was published again, and after a clean stop the mark is exact.
    server.set("FLORIN__KAFKA__CURSOR_LOST", "continue");
    server.start_again();
    server.logs("publishing continues from the node's own mark");
    server.account_of(10);
    published_once(&mut server, broker, &names);
    // The cursor exists again, so the setting isn't needed any more.
    server.set("FLORIN__KAFKA__CURSOR_LOST", "stop");
    server.start_again();
    server.account_of(10);
    published_once(&mut server, broker, &names);
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn a_cursor_that_is_older_than_the_nodes_mark_stops_the_start() {
    let (broker, names) = (Broker::shared(), Names::new("cursor-older"));
    let id = names.of("id");
    let topic = format!("{id}.cursor");
    let settings = [("kafka.transactional_id", id.as_str())];
    let mut server = published(&names, &id);
    // An older copy of the topic would have this cursor.
    let cursors = broker.read(&topic, Isolation::Committed);
    let older = cursors.last().unwrap().value.clone().unwrap();
    let older = String::from_utf8(older).unwrap();
    server.account_of(10);
    drained(&server);
    assert_eq!(server.stop().code(), Some(0), "{}", server.log());
    delete(&topic);
    let compact = ["--config", "cleanup.policy=compact"];
    let create = [&["--create", "--topic", &topic][..], &compact[..]].concat();
    let made = broker.tool("kafka-topics", &create);
    assert!(made.status.success(), "{made:?}");
    broker.produce_by_java(&topic, &[(&id, &older)]);
    let sequence = serde_json::from_str::<Value>(&older).unwrap()["sequence"].clone();
    let ended = serves(&server.data_dir(), &names, &settings);
    refused(
        &ended,
        &topic,
        &format!("only a cursor at record {sequence}"),
    );
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn a_cursor_topic_deleted_while_florin_runs_publishes_nothing_again() {
    let (broker, names) = (Broker::shared(), Names::new("cursor-running"));
    let id = names.of("id");
    let topic = format!("{id}.cursor");
    let mut server = published(&names, &id);
    delete(&topic);
    server.account_of(10);
    let ended = server.ended();
    assert_eq!(ended.code(), Some(EVENTS_HALTED), "{}", server.log());
    assert!(server.log().contains(&topic), "{}", server.log());
    server.set("FLORIN__KAFKA__CURSOR_LOST", "continue");
    server.start_again();
    published_once(&mut server, broker, &names);
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn the_mark_follows_what_is_published_also_where_florin_is_killed() {
    let names = Names::new("cursor-mark");
    let id = names.of("id");
    let mut server = published(&names, &id);
    let durable = server.get("/health").ok()["journal"]["durable_sequence"].as_u64();
    let data_dir = server.data_dir();
    eventually("the mark is written", || {
        (mark(&data_dir, &id) == durable).then_some(())
    });
    server.crash();
    assert_eq!(mark(&data_dir, &id), durable);
}
