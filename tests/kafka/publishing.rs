//! Events to Kafka: each record's events reach each topic that they are bound to, once and in
//! order, as every client of Kafka sees them.

use std::collections::BTreeMap;

use florin_tests::bank::{opening, text, with};
use florin_tests::broker::{Broker, Names};
use florin_tests::executable;
use florin_tests::expected::{assert_published, events_of, exported};
use florin_tests::http::Request;
use florin_tests::server::Server;
use florin_tests::topic::{Isolation, Received};
use florin_tests::traffic::drained;
use serde_json::json;

/// Makes every kind of record that makes events, and some that make none.
fn business(server: &Server) {
    let key = |request: Request, key: &str| request.key(key);
    let ada = text(&server.open(&json!({})), "id");
    let bob = server.account_of(5_000);
    let wallet = server.wallet_of(300, &json!({"per_transaction": 1_000}));
    server.deposit(&ada, 10_000).ok();
    server.withdraw(&ada, 100).ok();
    let made = server.transfer(&ada, &bob, 50).created();
    server.transfer(&ada, &wallet, 60).created();
    let transfer = text(&made, "transfer_id");
    server.settle(&transfer, "reverse", &json!({})).ok();
    let parts = server.held(&ada, &bob, 70);
    let part = json!({"amount": 20, "final": false});
    server.settle(&parts, "post", &part).ok();
    server.settle(&parts, "void", &json!({})).ok();
    let whole = server.held(&ada, &bob, 70);
    server.settle(&whole, "post", &json!({})).ok();
    // These commands are refused. A refusal makes events only if it has a key.
    let much = json!({"amount": 1_000_000});
    let withdraw = Request::post(&format!("/accounts/{ada}/withdraw"), &much);
    server
        .send(&key(withdraw, "w"))
        .problem(422, "insufficient_funds");
    server
        .withdraw(&ada, 1_000_000)
        .problem(422, "insufficient_funds");
    let move_it = json!({"from": ada, "to": bob, "amount": 1_000_000});
    let much = Request::post("/transfers", &move_it);
    server
        .send(&key(much, "t"))
        .problem(422, "insufficient_funds");
    let settle = Request::post(&format!("/transfers/{whole}/void"), &json!({}));
    server
        .send(&key(settle, "v"))
        .problem(409, "already_posted");
    // An asynchronous command first makes a request event, then a completed or failed one.
    let path = format!("/accounts/{bob}/async-deposit");
    let asked = server.post(&path, &json!({"amount": 7})).with(202);
    let operation = text(&asked, "operation_id");
    florin_tests::poll::eventually("the deposit is made", || {
        let operation = server.get(&format!("/operations/{operation}")).ok();
        (operation["status"] == "completed").then_some(())
    });
    let path = format!("/accounts/{bob}/withdraw");
    let asked = Request::post(&path, &json!({"amount": 1_000_000}));
    let asked = server
        .send(&asked.header("Prefer", "respond-async"))
        .with(202);
    let operation = text(&asked, "operation_id");
    florin_tests::poll::eventually("the withdrawal is refused", || {
        let operation = server.get(&format!("/operations/{operation}")).ok();
        (operation["status"] == "failed").then_some(())
    });
    // Each of these commands makes many transfers.
    let leg = |from: &str, to: &str| json!({"from": from, "to": to, "amount": 3});
    let legs = json!({"legs": [leg(&ada, &bob), leg(&bob, &wallet)]});
    server.post("/transactions", &legs).ok();
    let items = json!({"atomic": false, "transfers": [
        leg(&ada, &bob),
        with(leg(&bob, &ada), &json!({"pending": true})),
        with(leg(&ada, &bob), &json!({"amount": 1_000_000, "idempotency_key": "poor-item"})),
    ]});
    server.post("/transfers/batch", &items).ok();
    // These commands change accounts, not money.
    server.freeze(&bob);
    server
        .patch(&format!("/accounts/{ada}"), &json!({"overdraft_limit": 5}))
        .ok();
    let empty = text(&server.post("/accounts", &opening()).with(201), "id");
    server.delete(&format!("/accounts/{empty}")).ok();
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn each_event_is_on_each_of_its_topics_once_and_in_order() {
    let (broker, names) = (Broker::shared(), Names::new("once"));
    let mut server = Server::of(executable::florin(), names.variables(broker));
    business(&server);
    drained(&server);
    counted_by_topic(&server, &names);
    assert_eq!(server.stop().code(), Some(0), "{}", server.log());
    let lines = exported(&server.data_dir());
    let types: BTreeMap<String, usize> =
        events_of(&lines)
            .into_iter()
            .fold(BTreeMap::new(), |mut all, event| {
                *all.entry(event.event_type).or_default() += 1;
                all
            });
    assert!(types.len() >= 14, "few kinds of events: {types:?}");
    let received = broker.read_all(&names.topics());
    assert_published(&lines, &names, &received);
    for message in &received {
        headers_are_as_documented(message, &lines);
    }
    // A reader of all messages sees no more than these, because no transaction was aborted.
    let all = names.topics().into_iter();
    let all: Vec<Received> = all
        .flat_map(|topic| broker.read(&topic, Isolation::Uncommitted))
        .collect();
    assert_eq!(all.len(), received.len());
}

/// Asserts that each topic has a counter from the start, with the number of its messages.
fn counted_by_topic(server: &Server, names: &Names) {
    let text = server.get("/metrics").text();
    let published = |topic: &str| {
        let line = format!(
            "florin_events_published_total{{topic=\"{}\"}} ",
            names.of(topic)
        );
        let count = text.lines().find_map(|found| found.strip_prefix(&line));
        count
            .unwrap_or_else(|| panic!("no {line} in {text}"))
            .parse::<u64>()
            .unwrap()
    };
    assert!(published("transaction-events") > 10);
    assert_eq!(published("funds-added-events"), 1);
    assert_eq!(published("transfer-requests"), 0);
    assert!(text.contains("\nflorin_outbox_queue_size 0\n"), "{text}");
    let health = server.get("/health").ok();
    let topics = health["bus"]["topics"].as_array().unwrap();
    assert!(
        topics.contains(&names.of("deposit-failed").into()),
        "{health}"
    );
}

fn headers_are_as_documented(message: &Received, lines: &[serde_json::Value]) {
    let names: Vec<&str> = message
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "ce_specversion",
            "ce_id",
            "ce_source",
            "ce_type",
            "ce_time",
            "ce_subject",
            "ce_correlationid",
            "ce_sequence",
            "content-type",
            "traceparent",
            "event-type",
            "occurred-at",
        ]
    );
    let sequence: usize = message.header("ce_sequence").parse().unwrap();
    let line = &lines[sequence - 1];
    assert_eq!(message.header("ce_specversion"), "1.0");
    assert_eq!(message.header("ce_source"), "/florin/core");
    assert_eq!(message.header("ce_subject"), message.key());
    assert_eq!(message.header("content-type"), "application/json");
    assert_eq!(message.header("ce_time"), text(line, "time"));
    assert_eq!(message.header("occurred-at"), text(line, "time"));
    let correlation = match line["correlation_id"].as_str() {
        Some(correlation) => correlation.to_owned(),
        None => text(line, "request_id"),
    };
    assert_eq!(message.header("ce_correlationid"), correlation);
    let trace = message.header("traceparent");
    assert_eq!(trace.len(), 55, "{trace}");
    let value = message.json();
    if let Some(id) = value["eventId"].as_str() {
        assert_eq!(id, message.header("ce_id"));
    }
    if let Some(document) = value["eventType"].as_str().or(value["type"].as_str()) {
        assert_eq!(document, message.header("event-type"));
    }
    let millis = message.timestamp_millis.expect("a time");
    assert!(millis > 1_600_000_000_000, "{millis}");
}

/// The Java console consumer prints each message with its partition. The Java console producer must
/// put the same keys in the same partitions.
#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn javas_own_clients_read_the_events_and_put_keys_in_the_same_partitions() {
    let (broker, names) = (Broker::shared(), Names::new("java"));
    let server = Server::of(executable::florin(), names.variables(broker));
    let ids: Vec<String> = (0..12).map(|_| server.account()).collect();
    drained(&server);
    let by_florin = by_java(broker, &names.of("account-events"), ids.len());
    let mine = names.of("by-java");
    let made = broker.tool(
        "kafka-topics",
        &["--create", "--topic", &mine, "--partitions", "3"],
    );
    assert!(made.status.success(), "{made:?}");
    broker.produce_by_java(
        &mine,
        &ids.iter().map(|id| (id.as_str(), "x")).collect::<Vec<_>>(),
    );
    let by_java = by_java(broker, &mine, ids.len());
    for id in &ids {
        assert_eq!(by_florin.get(id), by_java.get(id), "{id}");
    }
    assert!(
        by_java
            .values()
            .collect::<std::collections::BTreeSet<_>>()
            .len()
            > 1
    );
}

/// Returns each key's partition, as the Java console consumer prints it.
fn by_java(broker: &Broker, topic: &str, messages: usize) -> BTreeMap<String, String> {
    let count = messages.to_string();
    let arguments = [
        "--topic",
        topic,
        "--from-beginning",
        "--isolation-level",
        "read_committed",
        "--max-messages",
        &count,
        "--timeout-ms",
        "30000",
        "--formatter-property",
        "print.key=true",
        "--formatter-property",
        "print.partition=true",
    ];
    let output = broker.tool("kafka-console-consumer", &arguments);
    let printed = String::from_utf8_lossy(&output.stdout);
    let lines = printed.lines().filter_map(|line| {
        let mut fields = line.split('\t');
        let partition = fields.next()?.strip_prefix("Partition:")?;
        Some((fields.next()?.to_owned(), partition.to_owned()))
    });
    let found: BTreeMap<String, String> = lines.collect();
    assert_eq!(
        found.len(),
        messages,
        "{printed}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    found
}
