//! Replays to real topics: the same events again, each once per replay, even if Florin is killed.

use std::collections::BTreeMap;

use florin_tests::bank::text;
use florin_tests::broker::{Broker, Names};
use florin_tests::http::{Client, Request};
use florin_tests::poll::eventually;
use florin_tests::topic::{Isolation, Received};
use florin_tests::traffic::drained;
use serde_json::{Value, json};

use crate::support::florin;

const HEADER: &str = "x-florin-replay";

fn header<'a>(message: &'a Received, name: &str) -> Option<&'a str> {
    let mut headers = message.headers.iter();
    let (_, value) = headers.find(|(known, _)| known == name)?;
    std::str::from_utf8(value).ok()
}

#[track_caller]
fn completed(client: &Client, id: &str) -> Value {
    eventually("the replay is completed", || {
        let replay = client.get(&format!("/admin/replay/{id}")).ok();
        assert_ne!(replay["state"], "failed", "{replay}");
        (replay["state"] == "completed").then_some(replay)
    })
}

/// Returns the messages of a topic that a replay sent, or with `None` those that were published
/// before, by key and in order.
fn parted(messages: &[Received], id: Option<&str>) -> BTreeMap<String, Vec<(String, Value)>> {
    let mut parted: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for message in messages
        .iter()
        .filter(|message| header(message, HEADER) == id)
    {
        let event = (message.header("ce_id").to_owned(), message.json());
        parted
            .entry(message.key().to_owned())
            .or_default()
            .push(event);
    }
    parted
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn a_replay_brings_the_same_events_again_to_the_topics_asked_for() {
    let (broker, names) = (Broker::shared(), Names::new("replay"));
    let server = florin(broker, &names, &[]);
    let account = server.account_of(50);
    server.freeze(&account);
    drained(server.client());
    let accounts = names.of("account-events");
    let order = json!({"topics": [accounts]});
    let id = text(&server.post("/admin/replay", &order).with(202), "id");
    let replay = completed(server.client(), &id);
    assert_eq!(replay["events"], 2);
    let messages = broker.read(&accounts, Isolation::Committed);
    assert_eq!(messages.len(), 4);
    assert_eq!(parted(&messages, Some(&id)), parted(&messages, None));
    let others = broker.read(&names.of("transaction-events"), Isolation::Committed);
    assert!(
        others
            .iter()
            .all(|message| header(message, HEADER).is_none())
    );
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn a_replay_brings_each_event_once_however_often_florin_is_killed() {
    let (broker, names) = (Broker::shared(), Names::new("replay-killed"));
    let mut server = florin(broker, &names, &[]);
    let (a, b) = (server.account_of(1_000_000), server.account());
    for _ in 0..20 {
        let item = json!({"from": a, "to": b, "amount": 1});
        let batch = json!({"atomic": true, "transfers": vec![item; 400]});
        server.post("/transfers/batch", &batch).ok();
    }
    drained(server.client());
    let id = text(&server.post("/admin/replay", &json!({})).with(202), "id");
    let path = format!("/admin/replay/{id}");
    // Florin is killed whenever the replay has advanced, until it is completed.
    let mut killed = 0;
    let mut came = 0;
    loop {
        let replay = eventually("the replay goes on", || {
            let replay = server.get(&path).ok();
            let further = replay["events"].as_u64() > Some(came) || replay["state"] == "completed";
            further.then_some(replay)
        });
        if replay["state"] == "completed" {
            break;
        }
        came = replay["events"].as_u64().unwrap();
        if killed < 5 {
            server.crash();
            killed += 1;
        }
    }
    assert!(killed > 0, "it was through before it could be killed");
    let replay = server.get(&path).ok();
    for topic in ["transaction-events", "transfer-responses", "account-events"] {
        let messages = broker.read(&names.of(topic), Isolation::Committed);
        let (before, again) = (parted(&messages, None), parted(&messages, Some(&id)));
        assert_eq!(again, before, "{topic}");
        let count: usize = again.values().map(Vec::len).sum();
        assert_eq!(replay["topics"][names.of(topic)], count, "{topic}");
    }
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn a_replay_can_be_stopped_and_resumed_beside_what_is_published() {
    let (broker, names) = (Broker::shared(), Names::new("replay-stopped"));
    let server = florin(broker, &names, &[]);
    let (a, b) = (server.account_of(1_000_000), server.account());
    let item = json!({"from": a, "to": b, "amount": 1});
    let batch = json!({"atomic": true, "transfers": vec![item; 2_000]});
    server.post("/transfers/batch", &batch).ok();
    drained(server.client());
    let id = text(&server.post("/admin/replay", &json!({})).with(202), "id");
    let turn = |how: &str| server.send(&Request::new("POST", &format!("/admin/replay/{id}/{how}")));
    let stopped = turn("stop");
    // The replay may be completed already.
    if stopped.status == 200 {
        server.deposit(&a, 5).ok();
        drained(server.client());
        turn("resume").ok();
    }
    completed(server.client(), &id);
    let topic = names.of("transfer-responses");
    let messages = broker.read(&topic, Isolation::Committed);
    assert_eq!(parted(&messages, Some(&id)), parted(&messages, None));
}
