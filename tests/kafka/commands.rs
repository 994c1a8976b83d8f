//! Commands from Kafka: every producer's request is executed once, in the order of its key, and
//! answered.

use std::time::Duration;

use florin_tests::bank::text;
use florin_tests::broker::{Broker, Names};
use florin_tests::http::Request;
use florin_tests::poll::eventually;
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rustix::process::Signal;
use serde_json::json;

use florin_tests::requests::{Producer, answers, caught_up, foreign_id, has, movement, transfer};

use crate::support::grouped as florin;

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn deposits_withdrawals_and_transfers_are_done_and_answered() {
    let (broker, names) = (Broker::shared(), Names::new("asked"));
    let mut server = florin(broker, &names, &[]);
    let (ada, bob) = (server.account(), server.account());
    let producer = Producer::new(broker, &names);
    producer.request("deposit-requests", &movement(&ada, 1_000, 1));
    producer.flush();
    has(&server, &ada, 1_000);
    producer.request("withdrawal-requests", &movement(&ada, 100, 2));
    producer.request("withdrawal-requests", &movement(&ada, 5_000, 3));
    producer.flush();
    let withdrawn = answers(broker, &names, &["withdrawal-responses"], 2);
    producer.request("transfer-requests", &transfer(&ada, &bob, 300, 4));
    producer.request("transfer-requests", &transfer(&ada, &ada, 1, 5));
    producer.flush();
    let deposited = answers(broker, &names, &["deposit-completed"], 1);
    let transferred = answers(broker, &names, &["transfer-responses"], 2);
    has(&server, &bob, 300);
    assert_eq!(server.balance(&ada), 600);

    let made = deposited[&foreign_id(1)].json();
    assert_eq!(
        (&made["account_id"], &made["amount"]),
        (&json!(ada), &json!(1_000))
    );
    assert_eq!(made["balance_after"], 1_000);
    assert_eq!(made["idempotency_key"], "key-1");
    let refused = &withdrawn[&foreign_id(3)];
    assert_eq!(refused.header("event-type"), "WithdrawalFailed");
    assert_eq!(refused.json()["code"], "insufficient_funds");
    let same = &transferred[&foreign_id(5)];
    assert_eq!(same.header("event-type"), "TransferFailed");
    assert_eq!(same.json()["code"], "same_account");

    // The operation is found by the request's id as well as by Florin's own.
    let by_request = server.get(&format!("/operations/{}", foreign_id(1))).ok();
    assert_eq!(by_request["status"], "completed", "{by_request}");
    assert_eq!(by_request["kind"], "deposit", "{by_request}");
    let own = text(&made, "transaction_id");
    assert_eq!(text(&by_request, "operation_id"), own);
    assert_eq!(server.get(&format!("/operations/{own}")).ok(), by_request);
    server
        .get(&format!("/operations/{}", foreign_id(99)))
        .problem(404, "not_found");
    // This also holds after a restart, and the group continues at its position.
    caught_up(broker, &names, "deposit-requests");
    assert_eq!(server.stop().code(), Some(0), "{}", server.log());
    server.start_again();
    let again = server.get(&format!("/operations/{}", foreign_id(1))).ok();
    assert_eq!(again, by_request);
    producer.request("deposit-requests", &movement(&ada, 1, 6));
    producer.flush();
    has(&server, &ada, 601);
    server.logs("Kafka consumer started successfully");
    server.verified();
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn what_a_rule_refuses_is_answered_and_kept() {
    let (broker, names) = (Broker::shared(), Names::new("refused"));
    let mut server = florin(broker, &names, &[]);
    let ada = server.account();
    let nobody = "0190c7e8-7d3a-7000-8000-0000000000a5";
    let producer = Producer::new(broker, &names);
    let mut foreign = movement(&ada, 1, 2);
    foreign["currency"] = json!("JPY");
    // This request reuses a key for another command.
    let mut reused = movement(&ada, 7, 4);
    reused["idempotency_key"] = json!("key-3");
    for request in [
        &movement(nobody, 1, 1),
        &foreign,
        &movement(&ada, 5, 3),
        &reused,
    ] {
        producer.request("deposit-requests", request);
        producer.flush();
    }
    let failed = answers(broker, &names, &["deposit-failed"], 3);
    let unknown = failed[&foreign_id(1)].json();
    assert_eq!(
        (&unknown["error"], &unknown["code"]),
        (&json!("Account not found"), &json!("not_found"))
    );
    assert_eq!(failed[&foreign_id(2)].json()["code"], "currency_mismatch");
    assert_eq!(
        failed[&foreign_id(4)].json()["code"],
        "idempotency_key_reused"
    );
    has(&server, &ada, 5);
    for (number, code) in [
        (1, "not_found"),
        (2, "currency_mismatch"),
        (4, "idempotency_key_reused"),
    ] {
        let operation = server
            .get(&format!("/operations/{}", foreign_id(number)))
            .ok();
        assert_eq!(operation["status"], "failed", "{operation}");
        assert_eq!(operation["error"]["code"], code, "{operation}");
    }
    // None of these became a dead letter, and reading them again has no second effect.
    assert!(server.list("/admin/dlq").is_empty());
    from_the_beginning(broker, &names, &mut server, "deposit-requests");
    caught_up(broker, &names, "deposit-requests");
    assert_eq!(server.balance(&ada), 5);
    answers(broker, &names, &["deposit-failed"], 3);
    server.verified();
}

/// Resets the group to the beginning of a topic with Kafka's own tool, between two runs.
#[track_caller]
fn from_the_beginning(
    broker: &Broker,
    names: &Names,
    server: &mut florin_tests::server::Server,
    topic: &str,
) {
    assert_eq!(server.stop().code(), Some(0), "{}", server.log());
    let (group, topic) = (names.of("ledger-service"), names.of(topic));
    let reset = [
        "--group",
        &group,
        "--topic",
        &topic,
        "--reset-offsets",
        "--to-earliest",
        "--execute",
    ];
    let output = broker.tool("kafka-consumer-groups", &reset);
    assert!(output.status.success(), "{output:?}");
    // With Florin's own positions, the server would not read them again.
    server.set("FLORIN__KAFKA__START_FROM", "group");
    server.start_again();
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn messages_delivered_again_have_no_second_effect() {
    let (broker, names) = (Broker::shared(), Names::new("again"));
    let mut server = florin(broker, &names, &[]);
    let ada = server.account();
    let producer = Producer::new(broker, &names);
    for number in 0..200 {
        let mut request = movement(&ada, 1, number);
        // Some requests have no key, and some have no operation id either.
        if number % 3 > 0 {
            request.as_object_mut().unwrap().remove("idempotency_key");
        }
        if number % 3 > 1 {
            request.as_object_mut().unwrap().remove("operation_id");
        }
        producer.request("deposit-requests", &request);
    }
    producer.flush();
    has(&server, &ada, 200);
    let sequence = server.sequence();
    from_the_beginning(broker, &names, &mut server, "deposit-requests");
    caught_up(broker, &names, "deposit-requests");
    assert_eq!(server.balance(&ada), 200);
    assert_eq!(server.sequence(), sequence, "no record was made");
    server.verified();
}

/// Sends as many duplicates as `FLORIN_DUPLICATES` says: a million, if there is time.
#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn duplicates_have_one_effect() {
    let count = std::env::var("FLORIN_DUPLICATES").ok();
    let count: u64 = count.map_or(20_000, |count| count.parse().unwrap());
    let (broker, names) = (Broker::shared(), Names::new("duplicates"));
    let mut server = florin(broker, &names, &[]);
    let ada = server.account();
    let producer = Producer::new(broker, &names);
    let same = movement(&ada, 7, 1).to_string();
    for number in 0..count {
        // The duplicates have several message keys, so they are in several partitions.
        let key = format!("{}", number % 5);
        producer.put("deposit-requests", &key, Some(same.as_bytes()), &[]);
    }
    producer.flush();
    let last = movement(&ada, 100, 2).to_string();
    for key in 0..5 {
        producer.put(
            "deposit-requests",
            &key.to_string(),
            Some(last.as_bytes()),
            &[],
        );
    }
    producer.flush();
    caught_up(broker, &names, "deposit-requests");
    assert_eq!(server.balance(&ada), 107);
    let made = answers(broker, &names, &["deposit-completed"], 2);
    assert_eq!(made[&foreign_id(1)].json()["amount"], 7);
    server.verified();
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn one_key_has_one_effect_by_http_and_by_kafka() {
    let (broker, names) = (Broker::shared(), Names::new("both"));
    let server = florin(broker, &names, &[]);
    let ada = server.account();
    let producer = Producer::new(broker, &names);
    let deposit = Request::post(&format!("/accounts/{ada}/deposit"), &json!({"amount": 9}));
    let first = server.send(&deposit.key("key-1")).ok();
    producer.request("deposit-requests", &movement(&ada, 9, 1));
    producer.request("deposit-requests", &movement(&ada, 11, 2));
    producer.flush();
    has(&server, &ada, 20);
    let deposit = Request::post(&format!("/accounts/{ada}/deposit"), &json!({"amount": 11}));
    let again = server.send(&deposit.key("key-2"));
    assert!(again.replayed());
    assert_eq!(again.ok()["balance"], 20);
    assert_eq!(first["balance"], 9);
    assert_eq!(server.balance(&ada), 20);
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn florin_skips_what_it_asked_for_itself_and_nothing_else() {
    let (broker, names) = (Broker::shared(), Names::new("own"));
    let mut server = florin(broker, &names, &[]);
    let ada = server.account();
    for amount in [1, 10, 100] {
        let path = format!("/accounts/{ada}/async-deposit");
        server.post(&path, &json!({"amount": amount})).with(202);
    }
    has(&server, &ada, 111);
    let producer = Producer::new(broker, &names);
    // These headers pretend that Florin sent the message.
    let lies = [
        ("ce_source", "/florin/core"),
        ("ce_type", "florin.account.deposit-requested.v1"),
        ("ce_id", "0190c7e8-7d3a-7000-8000-0000000000a5"),
        ("ce_sequence", "1"),
        ("traceparent", "00-nonsense"),
        ("x-florin-group", "another"),
    ];
    let request = movement(&ada, 1_000, 1).to_string();
    producer.put("deposit-requests", &ada, Some(request.as_bytes()), &lies);
    // This id has the form of Florin's ids, but no operation has it.
    let mut request = movement(&ada, 10_000, 2);
    request["operation_id"] = json!("0190c7e8-7d3a-7000-8000-0000000000a5");
    producer.request("deposit-requests", &request);
    producer.flush();
    has(&server, &ada, 11_111);
    caught_up_past_markers(&server, &names);
    assert_eq!(server.balance(&ada), 11_111);
    assert!(server.list("/admin/dlq").is_empty());
    let made = answers(broker, &names, &["deposit-completed"], 5);
    assert!(made.contains_key(&foreign_id(1)));
    assert!(made.contains_key("0190c7e8-7d3a-7000-8000-0000000000a5"));
    server.verified();
}

/// Waits until the lag is at most 1. Florin's own messages end in transaction markers, which take
/// offsets, so the lag need not become 0.
#[track_caller]
fn caught_up_past_markers(server: &florin_tests::server::Server, names: &Names) {
    let topic = names.of("deposit-requests");
    eventually("nothing of its own is left", || {
        let health = server.get("/health").ok();
        let lag = health["lag"].as_array()?.iter();
        let of_topic: Vec<_> = lag.filter(|lag| lag["topic"] == *topic).collect();
        let little = |lag: &&serde_json::Value| lag["messages"].as_u64().unwrap() <= 1;
        (of_topic.len() == 3 && of_topic.iter().all(little)).then_some(())
    });
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn the_java_producer_s_requests_are_done() {
    let (broker, names) = (Broker::shared(), Names::new("java"));
    let server = florin(broker, &names, &[]);
    let ada = server.account();
    let deposit = movement(&ada, 40, 1).to_string();
    let withdrawal = movement(&ada, 15, 2).to_string();
    broker.produce_by_java(&names.of("deposit-requests"), &[(&ada, &deposit)]);
    has(&server, &ada, 40);
    broker.produce_by_java(&names.of("withdrawal-requests"), &[(&ada, &withdrawal)]);
    has(&server, &ada, 25);
    let read = [
        "--topic",
        &names.of("withdrawal-responses"),
        "--from-beginning",
        "--isolation-level",
        "read_committed",
        "--max-messages",
        "1",
        "--timeout-ms",
        "30000",
    ];
    let told = broker.tool("kafka-console-consumer", &read);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains(&foreign_id(2)), "{told}");
    assert!(told.contains("\"balance_after\":25"), "{told}");
}

/// Another member takes partitions and gives them back. The messages that it took without an effect
/// and without a commit are not lost.
#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn members_that_come_and_go_lose_nothing() {
    let (broker, names) = (Broker::shared(), Names::new("rebalance"));
    let mut server = florin(broker, &names, &[("kafka.session_timeout_ms", "6000")]);
    let accounts: Vec<String> = (0..6).map(|_| server.account()).collect();
    let producer = Producer::new(broker, &names);
    let mut config = broker.client();
    config.set("group.id", names.of("ledger-service"));
    config.set("session.timeout.ms", "6000");
    config.set("enable.auto.commit", "false");
    let mut random = SmallRng::seed_from_u64(3);
    let mut number = 0;
    for _ in 0..3 {
        let other: BaseConsumer = config.create().unwrap();
        other.subscribe(&[&names.of("deposit-requests")]).unwrap();
        eventually("the other member gets partitions", || {
            for _ in 0..random.random_range(1..30) {
                let account = &accounts[random.random_range(0..accounts.len())];
                producer.request("deposit-requests", &movement(account, 1, number));
                number += 1;
            }
            let _ = other.poll(Duration::from_millis(20));
            let assigned = other.assignment().unwrap().count();
            (assigned > 0).then_some(())
        });
        drop(other);
    }
    producer.flush();
    eventually("every deposit is made", || {
        let sum: i64 = accounts.iter().map(|account| server.balance(account)).sum();
        assert!(sum <= number as i64, "{sum} of {number}");
        (sum == number as i64).then_some(())
    });
    answers(broker, &names, &["deposit-completed"], number as usize);
    server.verified();
}

/// Florin is killed repeatedly during deposits to several accounts. Each deposit must be made once,
/// and each account's deposits in the order of the requests.
#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn florin_killed_again_and_again_does_each_command_once_and_in_order() {
    let (broker, names) = (Broker::shared(), Names::new("killed-in"));
    let mut server = florin(broker, &names, &[("kafka.session_timeout_ms", "6000")]);
    let accounts: Vec<String> = (0..8).map(|_| server.account()).collect();
    let producer = Producer::new(broker, &names);
    let mut random = SmallRng::seed_from_u64(5);
    let mut number = 0;
    let mut paid = vec![0_i64; accounts.len()];
    for _ in 0..5 {
        let kill = server.signaller();
        for _ in 0..400 {
            let place = random.random_range(0..accounts.len());
            let account = &accounts[place];
            producer.request("deposit-requests", &movement(account, 3, number));
            paid[place] += 3;
            number += 1;
        }
        producer.flush();
        std::thread::sleep(Duration::from_millis(random.random_range(100..1_500)));
        kill(Signal::KILL);
        server.ended();
        server.start_again();
    }
    for (account, paid) in accounts.iter().zip(&paid) {
        has(&server, account, *paid);
    }
    let made = answers(broker, &names, &["deposit-completed"], number as usize);
    // The balances of each account grow in the order of the requests.
    for account in &accounts {
        let of_account = made
            .values()
            .filter(|one| one.json()["account_id"] == **account);
        let mut balances: Vec<(String, i64)> = of_account
            .map(|one| {
                let value = one.json();
                let id = text(&value, "operation_id");
                (id, value["balance_after"].as_i64().unwrap())
            })
            .collect();
        balances.sort_unstable();
        assert!(
            balances.windows(2).all(|two| two[0].1 < two[1].1),
            "{account}: {balances:?}"
        );
    }
    server.verified();
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn switched_off_no_command_is_taken() {
    let (broker, names) = (Broker::shared(), Names::new("off"));
    let server = florin(broker, &names, &[("kafka.commands", "off")]);
    let ada = server.account();
    crate::support::bus_is(&server, "connected");
    let producer = Producer::new(broker, &names);
    producer.request("deposit-requests", &movement(&ada, 5, 1));
    producer.flush();
    // The answer to this HTTP deposit is published later than the request could have been executed.
    server.deposit(&ada, 3).ok();
    answers(broker, &names, &["deposit-completed"], 1);
    assert_eq!(server.balance(&ada), 3);
}
