//! Accounts and cards in separate processes, with events between them over Kafka: the checks that
//! the suite runs in one process, and those that need several processes.

use florin_tests::bank::text;
use florin_tests::broker::{Broker, Names};
use florin_tests::cards::{self, ask, card_of, cards_of, refused};
use florin_tests::executable;
use florin_tests::poll::eventually;
use florin_tests::server::Server;
use florin_tests::topic::Isolation;
use serde_json::json;

use crate::support::variables;

/// The id of an account that no core opened.
const STRANGER: &str = "0197a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a77";
/// Another unknown account, whose event comes last.
const MARKER: &str = "0197a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a78";

const DELETED: &str = "cannot create card for deleted account";

/// Starts a process with one service under the test's own names.
#[track_caller]
pub fn start(broker: &Broker, names: &Names, service: &str) -> Server {
    let (accounts, group) = (names.of("account-events"), names.of("card-service"));
    let mut bindings = names.bindings();
    if !bindings.contains("card.created") {
        let topic = names.of("card-events");
        bindings = format!("{bindings}; card.created = {topic}; card.deleted = {topic}");
    }
    let settings = [
        ("services.run", service),
        ("kafka.account_topic", accounts.as_str()),
        ("kafka.group_id", group.as_str()),
        ("kafka.bindings", bindings.as_str()),
        ("log.documents", "true"),
    ];
    Server::of(executable::florin(), variables(broker, names, &settings))
}

/// Starts the core and the card service in two processes.
#[track_caller]
pub fn two(names: &Names) -> (Server, Server) {
    let broker = Broker::shared();
    (start(broker, names, "core"), start(broker, names, "card"))
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn the_documents_session_runs_on_two_processes() {
    let (core, card) = two(&Names::new("cards-session"));
    cards::session(&core, &card);
    card.logs("Kafka consumer started successfully");
    card.logs("Received account event: type=account.created, account_id=");
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn unknown_frozen_and_deleted_accounts_get_no_card() {
    let (core, card) = two(&Names::new("cards-refusals"));
    cards::refusals(&core, &card);
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn a_key_makes_one_card() {
    let (core, card) = two(&Names::new("cards-keys"));
    cards::keys(&core, &card);
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn a_thousand_accounts_get_a_card_each() {
    let (core, card) = two(&Names::new("cards-many"));
    cards::many(&core, &card, 1_000);
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn cards_are_made_while_the_core_is_down() {
    let (mut core, mut card) = two(&Names::new("cards-alone"));
    let account = core.account();
    card_of(&card, &account);
    core.kill();
    ask(&card, &account).with(201);
    // A card service that restarts meanwhile can do it too, because it has its own cache.
    card.restart();
    ask(&card, &account).with(201);
    assert_eq!(cards_of(&card, &account).len(), 3);
    core.start_again();
    let next = core.account();
    card_of(&card, &next);
    core.delete(&format!("/accounts/{account}")).ok();
    refused(&card, &account, "account_deleted", DELETED);
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn two_instances_know_all_accounts_and_each_others_cards() {
    let names = Names::new("cards-two");
    let (core, first) = two(&names);
    let second = start(Broker::shared(), &names, "card");
    // The accounts are enough to use every partition.
    let accounts: Vec<String> = (0..20).map(|_| core.account()).collect();
    for account in &accounts {
        for instance in [&first, &second] {
            card_of(instance, account);
        }
        eventually("each shows both cards", || {
            let lists = [&first, &second].map(|instance| cards_of(instance, account));
            (lists[0].len() == 2 && lists[0] == lists[1]).then_some(())
        });
    }
    // The second instance deletes a card that the first one made.
    let card = text(&card_of(&first, &accounts[0]), "id");
    let path = format!("/cards/{card}");
    eventually("the other knows it", || {
        (second.get(&path).status == 200).then_some(())
    });
    assert_eq!(second.delete(&path).ok()["deleted"], true);
    eventually("its maker knows that", || {
        (first.get(&path).ok()["deleted"] == true).then_some(())
    });
    core.delete(&format!("/accounts/{}", accounts[1])).ok();
    for instance in [&first, &second] {
        refused(instance, &accounts[1], "account_deleted", DELETED);
    }
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn a_lost_account_cache_is_read_anew_from_its_topic_or_after_a_replay() {
    let (broker, names) = (Broker::shared(), Names::new("cards-lost"));
    let (core, mut card) = two(&names);
    let topic = names.of("account-events");
    let account = core.account();
    card_of(&card, &account);
    let lose = |card: &mut Server| {
        assert_eq!(card.stop().code(), Some(0), "{}", card.log());
        std::fs::remove_file(card.data_dir().join("card-accounts.redb")).expect("a cache");
    };
    lose(&mut card);
    card.start_again();
    card_of(&card, &account);

    // The topic is emptied, as if its retention had removed every event.
    lose(&mut card);
    broker.empty(&topic, 3);
    assert!(broker.read(&topic, Isolation::Committed).is_empty());
    card.start_again();
    eventually("the card service finds the gap", || {
        let asked = ask(&card, &account);
        (asked.status != 404).then(|| asked.problem(503, "service_unavailable"))
    });
    core.post("/admin/replay", &json!({"topics": [topic]}))
        .with(202);
    eventually("the replay is read", || {
        let asked = ask(&card, &account);
        (asked.status == 201).then_some(())
    });
    assert_eq!(cards_of(&card, &account).len(), 3);
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn what_others_write_neither_stops_it_nor_brings_back_the_deleted() {
    let names = Names::new("cards-others");
    let (_core, card) = two(&names);
    let event = |name: &str, account: &str, status: &str| {
        json!({"type": format!("account.{name}"), "account_id": account, "status": status})
            .to_string()
    };
    let deleted = event("status_changed", STRANGER, "DELETED");
    let created = event("created", STRANGER, "ACTIVE");
    let marker = event("created", MARKER, "ACTIVE");
    // All messages have one key, so they are in one partition and keep this order. The deletion
    // comes before the creation.
    let messages = [
        (STRANGER, "{"),
        (STRANGER, "{\"type\":\"account.created\"}"),
        (STRANGER, deleted.as_str()),
        (STRANGER, created.as_str()),
        (STRANGER, marker.as_str()),
    ];
    Broker::shared().produce_by_java(&names.of("account-events"), &messages);
    card_of(&card, MARKER);
    ask(&card, STRANGER).problem(409, "account_deleted");
}
