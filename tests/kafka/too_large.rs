//! An event that is larger than its topic allows: Florin names the topic and the record, waits, and
//! continues once the limit is raised, with every event once and in order.

use florin_tests::broker::{Broker, Names};
use florin_tests::health;
use florin_tests::poll::eventually;
use florin_tests::topic::Isolation;
use florin_tests::traffic::{drained, published_once};
use serde_json::{Value, json};

use crate::support::florin;

/// The limit is smaller than the event of a transaction of many legs, and larger than any other
/// event.
const LIMIT: &str = "3000";

#[track_caller]
fn limit(broker: &Broker, topic: &str, bytes: &str) {
    let limit = format!("max.message.bytes={bytes}");
    let altered = broker.tool(
        "kafka-configs",
        &[
            "--alter",
            "--entity-type",
            "topics",
            "--entity-name",
            topic,
            "--add-config",
            &limit,
        ],
    );
    assert!(altered.status.success(), "{altered:?}");
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn an_event_larger_than_its_topics_limit_is_named_and_waits_until_the_limit_is_raised() {
    let (broker, names) = (Broker::shared(), Names::new("too-large"));
    let id = names.of("id");
    let settings = [
        ("kafka.compression", "none"),
        ("kafka.transactional_id", id.as_str()),
    ];
    let mut server = florin(broker, &names, &settings);
    drained(&server);
    let topic = names.of("transaction-events");
    limit(broker, &topic, LIMIT);
    // Many small events together exceed the limit of one message. They cause no problem.
    server.restart();
    let accounts: Vec<String> = (0..40).map(|_| server.account_of(100)).collect();
    drained(&server);
    let pairs = accounts.windows(2);
    let legs: Vec<Value> = pairs
        .map(|pair| json!({"from": pair[0], "to": pair[1], "amount": 1}))
        .collect();
    server.post("/transactions", &json!({"legs": legs})).ok();
    let sequence = server.get("/health").ok()["journal"]["durable_sequence"].clone();
    // Later events wait too, because the order is kept.
    server.account_of(10);
    let (told, health) = eventually("the event is told", || {
        let health = server.get("/health").ok();
        let reasons = health["reasons"].as_array().cloned().unwrap_or_default();
        let told = reasons.iter().find(|one| one["code"] == "event_too_large");
        told.cloned().map(|told| (told, health))
    });
    let detail = told.to_string();
    for part in [topic.as_str(), &format!("record {sequence},"), LIMIT] {
        assert!(detail.contains(part), "{part}: {detail}");
    }
    let reason = health["bus"]["reason"].as_str().unwrap();
    assert!(reason.contains(&topic), "{reason}");
    assert!(!server.log().contains("PurgeQueue"), "{}", server.log());
    // Each attempt claims the cursor. The event is tried more than once, and reported once a
    // minute.
    let cursors = format!("{id}.cursor");
    eventually("the event is tried again", || {
        let claims = broker.read(&cursors, Isolation::Committed);
        let epoch = claims.last().map(|last| last.json()["epoch"].as_u64());
        (epoch.flatten() > Some(5)).then_some(())
    });
    let log = server.log();
    let told = log.lines().filter(|line| {
        line.contains("events wait to be published") && line.contains("max.message.bytes")
    });
    assert_eq!(told.count(), 1, "{log}");
    limit(broker, &topic, "1000000");
    drained(&server);
    assert_eq!(health::reason(&server, "event_too_large"), None);
    published_once(&mut server, broker, &names);
}
