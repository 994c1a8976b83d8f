//! The card service's knowledge of accounts after their topic was recreated, truncated or extended.
//! The service either proves that it read everything, or reports a gap and makes no card until it
//! knows everything again.

use florin_tests::broker::{Broker, Names};
use florin_tests::cards::{ask, card_of, refused};
use florin_tests::health::reasons;
use florin_tests::http::Client;
use florin_tests::poll::eventually;
use florin_tests::traffic::drained;
use serde_json::{Value, json};

use crate::cards::two;

const FROZEN: &str = "cannot create card for frozen account";

/// Reports whether the card service reports a gap in its knowledge of accounts.
fn says_gap(card: &Client) -> bool {
    reasons(card).iter().any(|one: &Value| {
        one["code"] == "read_model_incomplete" && one.to_string().contains("card-accounts")
    })
}

/// Waits until the service reports the gap in its health and its metric, and refuses a card.
#[track_caller]
fn refuses_by_gap(card: &Client, account: &str) {
    eventually("the gap is told", || says_gap(card).then_some(()));
    let problem = ask(card, account).problem(503, "service_unavailable");
    assert!(
        problem.to_string().contains("florin replay --topic"),
        "{problem}"
    );
    eventually("the metric counts it", || {
        let metrics = card.get("/metrics").text();
        let line = "florin_conditions{code=\"read_model_incomplete\"} ";
        let count = metrics.lines().find_map(|found| found.strip_prefix(line));
        (count.is_some_and(|count| count != "0")).then_some(())
    });
}

/// Replays the topic, and waits until the card service knows everything again.
#[track_caller]
fn replay(core: &Client, card: &Client, topic: &str) {
    let order = json!({"topics": [topic]});
    core.post("/admin/replay", &order).with(202);
    eventually("the replay was read whole", || {
        (!says_gap(card)).then_some(())
    });
}

#[track_caller]
fn topics(arguments: &[&str]) {
    let done = Broker::shared().tool("kafka-topics", arguments);
    assert!(done.status.success(), "{done:?}");
}

/// Deletes the topic and creates it again with the settings that Florin uses.
#[track_caller]
fn make_anew(topic: &str) {
    topics(&["--delete", "--topic", topic]);
    eventually("the topic is made again", || {
        let made = Broker::shared().tool(
            "kafka-topics",
            &[
                "--create",
                "--topic",
                topic,
                "--partitions",
                "3",
                "--config",
                "retention.ms=604800000",
            ],
        );
        made.status.success().then_some(())
    });
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn a_topic_made_anew_gives_no_card_to_a_frozen_account() {
    let names = Names::new("anew");
    let (core, mut card) = two(&names);
    let topic = names.of("account-events");
    let (account, other) = (core.account(), core.account());
    card_of(&card, &account);
    card_of(&card, &other);
    assert_eq!(card.stop().code(), Some(0), "{}", card.log());
    core.freeze(&account);
    drained(&core);
    make_anew(&topic);
    card.start_again();
    refuses_by_gap(&card, &account);
    // The gap is still known after a restart.
    card.restart();
    refuses_by_gap(&card, &other);
    // Reads continue.
    assert_eq!(card.list(&format!("/accounts/{other}/cards")).len(), 1);
    replay(&core, &card, &topic);
    refused(&card, &account, "account_frozen", FROZEN);
    card_of(&card, &other);
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn a_topic_made_anew_while_the_card_service_runs_is_noticed() {
    let names = Names::new("anew-running");
    let (core, card) = two(&names);
    let topic = names.of("account-events");
    let account = core.account();
    card_of(&card, &account);
    make_anew(&topic);
    refuses_by_gap(&card, &account);
    replay(&core, &card, &topic);
    card_of(&card, &account);
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn events_removed_while_the_card_service_was_down_are_noticed() {
    let names = Names::new("cut");
    let (core, mut card) = two(&names);
    let topic = names.of("account-events");
    let account = core.account();
    card_of(&card, &account);
    assert_eq!(card.stop().code(), Some(0), "{}", card.log());
    core.freeze(&account);
    drained(&core);
    Broker::shared().empty(&topic, 3);
    card.start_again();
    refuses_by_gap(&card, &account);
    assert_eq!(card.stop().code(), Some(0), "{}", card.log());
    // With this setting the service works with what it knows, and still reports the gap.
    card.set("FLORIN__SERVICES__INCOMPLETE", "serve");
    card.start_again();
    eventually("the gap is told", || says_gap(&card).then_some(()));
    ask(&card, &account).with(201);
    replay(&core, &card, &topic);
    refused(&card, &account, "account_frozen", FROZEN);
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn a_topic_that_grew_is_read_whole_whichever_partition_an_account_is_on() {
    let names = Names::new("grown");
    let (mut core, mut card) = two(&names);
    let accounts: Vec<String> = (0..12).map(|_| core.account()).collect();
    for account in &accounts {
        card_of(&card, account);
    }
    assert_eq!(core.stop().code(), Some(0), "{}", core.log());
    for name in names.topics() {
        topics(&["--alter", "--topic", &name, "--partitions", "6"]);
    }
    // The running card service continues. The core now puts events of the same accounts in other
    // partitions.
    core.set("FLORIN__KAFKA__PARTITIONS", "6");
    core.start_again();
    let (first, second) = accounts.split_at(6);
    for account in first {
        core.freeze(account);
    }
    for account in first {
        refused(&card, account, "account_frozen", FROZEN);
    }
    // The same holds for a card service that was down meanwhile.
    assert_eq!(card.stop().code(), Some(0), "{}", card.log());
    for account in second {
        core.freeze(account);
    }
    card.set("FLORIN__KAFKA__PARTITIONS", "6");
    card.start_again();
    for account in second {
        refused(&card, account, "account_frozen", FROZEN);
    }
    assert!(!says_gap(&card));
}
