//! Dead letters: a message that isn't a valid request is kept unchanged, delays nothing, and can be
//! redriven.

use florin_tests::bank::text;
use florin_tests::broker::{Broker, Names};
use florin_tests::executable;
use florin_tests::http::Request;
use florin_tests::poll::eventually;
use florin_tests::server::Server;
use florin_tests::topic::Isolation;
use serde_json::{Value, json};

use florin_tests::requests::{Producer, answers, foreign_id, has, movement};

use crate::support::grouped as florin;

/// A value, and headers.
type Bad = (Option<Vec<u8>>, Vec<(&'static str, &'static str)>);

/// Returns every kind of bad input, each with headers.
fn bad(account: &str) -> Vec<Bad> {
    let with = |name: &str, value: Value| {
        let mut request = movement(account, 1, 900);
        request[name] = value;
        request.to_string().into_bytes()
    };
    let without = |name: &str| {
        let mut request = movement(account, 1, 901);
        request.as_object_mut().unwrap().remove(name);
        request.to_string().into_bytes()
    };
    let mut bad: Vec<_> = vec![
        b"not json".to_vec(),
        b"\xff\xfe\x00".to_vec(),
        Vec::new(),
        b"null".to_vec(),
        b"[]".to_vec(),
        with("amount", json!("1000")),
        with("amount", json!(0)),
        with("amount", json!(-5)),
        with("amount", json!(1.5)),
        with("account_id", json!(7)),
        with("surprise", json!(true)),
        with("currency", json!("XYZ")),
        without("amount"),
        without("account_id"),
        without("timestamp"),
    ]
    .into_iter()
    .map(|value| (Some(value), vec![]))
    .collect();
    let fine = movement(account, 1, 902).to_string().into_bytes();
    bad.push((None, vec![]));
    let version = vec![("ce_type", "florin.account.deposit-requested.v9")];
    bad.push((Some(fine.clone()), version));
    let other = vec![("ce_type", "florin.account.withdrawal-requested.v1")];
    bad.push((Some(fine), other));
    bad
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn whatever_is_no_request_is_a_dead_letter_and_holds_nothing_up() {
    let (broker, names) = (Broker::shared(), Names::new("dead"));
    let mut server = florin(broker, &names, &[]);
    let ada = server.account();
    let producer = Producer::new(broker, &names);
    let bad = bad(&ada);
    for (place, (value, headers)) in bad.iter().enumerate() {
        producer.request("deposit-requests", &movement(&ada, 10, place as u64));
        producer.put("deposit-requests", &ada, value.as_deref(), headers);
    }
    producer.request("deposit-requests", &movement(&ada, 10, 800));
    producer.flush();
    has(&server, &ada, 10 * (bad.len() as i64 + 1));
    answers(broker, &names, &["deposit-completed"], bad.len() + 1);
    let dlq = format!("{}.dlq", names.of("deposit-requests"));
    let letters = eventually("all dead letters", || {
        let letters = broker.read(&dlq, Isolation::Committed);
        (letters.len() == bad.len()).then_some(letters)
    });
    for (letter, (value, headers)) in letters.iter().zip(&bad) {
        // The letter is unchanged: an empty value and no value stay distinct.
        assert_eq!(letter.value.as_deref(), value.as_deref(), "{letter:?}");
        assert_eq!(letter.key(), ada);
        for (name, value) in headers {
            assert_eq!(letter.header(name), *value);
        }
        assert_eq!(
            letter.header("x-florin-original-topic"),
            names.of("deposit-requests")
        );
        assert_eq!(letter.header("x-florin-group"), names.of("ledger-service"));
        assert_eq!(letter.header("x-florin-reason"), "malformed");
        assert_eq!(letter.header("x-florin-attempts"), "1");
        assert!(!letter.header("x-florin-error").is_empty());
        let _: i64 = letter.header("x-florin-original-offset").parse().unwrap();
        let _: i32 = letter
            .header("x-florin-original-partition")
            .parse()
            .unwrap();
        assert!(florin_tests::bank::is_time(
            letter.header("x-florin-failed-at")
        ));
        assert!(florin_tests::bank::is_time(
            letter.header("x-florin-original-timestamp")
        ));
    }
    // The same letters are listed over HTTP, page by page.
    let listed = server.list("/admin/dlq?limit=5");
    assert_eq!(listed.len(), bad.len());
    let topic = names.of("deposit-requests");
    assert_eq!(
        server.list(&format!("/admin/dlq?topic={topic}")).len(),
        bad.len()
    );
    assert!(server.list("/admin/dlq?topic=other").is_empty());
    let shown = server
        .get(&format!("/admin/dlq/{}", text(&listed[0], "id")))
        .ok();
    assert_eq!(shown["value"], "not json", "{shown}");
    assert_eq!(shown["topic"], *topic);
    let metric = format!("florin_dlq_messages{{topic=\"{topic}\"}} {}", bad.len());
    eventually("the metric", || {
        server
            .get("/metrics")
            .text()
            .contains(&metric)
            .then_some(())
    });
    // The command line shows them too.
    let port = server.client().address().port().to_string();
    let told = executable::run(&["dlq", "list", "--port", &port], &[]);
    assert_eq!(told.code(), Some(0), "{}", told.output());
    assert_eq!(told.stdout.lines().count(), bad.len(), "{}", told.stdout);
    let id = text(&listed[0], "id");
    let told = executable::run(&["dlq", "show", &id, "--port", &port], &[]);
    let shown: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(shown["error"], listed[0]["error"]);
    // After a restart no letter is written again.
    caught_up_with_letters(&server, &names);
    server.restart();
    producer.request("deposit-requests", &movement(&ada, 10, 801));
    producer.flush();
    has(&server, &ada, 10 * (bad.len() as i64 + 2));
    assert_eq!(broker.read(&dlq, Isolation::Committed).len(), bad.len());
    server.verified();
}

#[track_caller]
fn caught_up_with_letters(server: &Server, names: &Names) {
    let topic = names.of("deposit-requests");
    eventually("no lag", || {
        let health = server.get("/health").ok();
        let lag = health["lag"].as_array()?.iter();
        let mut of_topic = lag.filter(|lag| lag["topic"] == *topic);
        of_topic.all(|lag| lag["messages"] == 0).then_some(())
    });
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn a_value_of_five_megabytes_is_a_dead_letter() {
    let (broker, names) = (Broker::shared(), Names::new("large"));
    let server = florin(broker, &names, &[]);
    let ada = server.account();
    let topic = names.of("deposit-requests");
    let set = [
        "--alter",
        "--entity-type",
        "topics",
        "--entity-name",
        &topic,
        "--add-config",
        "max.message.bytes=10000000",
    ];
    let output = broker.tool("kafka-configs", &set);
    assert!(output.status.success(), "{output:?}");
    let producer = Producer::new(broker, &names);
    let mut request = movement(&ada, 1, 1);
    request["reference"] = json!("x".repeat(5 << 20));
    let large = request.to_string();
    // The broker applies the setting with a delay.
    eventually("the broker takes it", || {
        producer.put("deposit-requests", &ada, Some(large.as_bytes()), &[]);
        (producer.refused() == 0).then_some(())
    });
    producer.request("deposit-requests", &movement(&ada, 2, 2));
    producer.flush();
    has(&server, &ada, 2);
    let letters = eventually("the dead letter", || {
        let letters = broker.read(&format!("{topic}.dlq"), Isolation::Committed);
        (!letters.is_empty()).then_some(letters)
    });
    assert_eq!(letters[0].value.as_deref(), Some(large.as_bytes()));
    let listed = server.list("/admin/dlq");
    assert_eq!(listed[0]["value_bytes"], large.len());
    let shown = server
        .get(&format!("/admin/dlq/{}", text(&listed[0], "id")))
        .ok();
    assert_eq!(shown["value"], large);
}

/// A request that waits for an entity that is out of service succeeds once the entity is back.
#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn a_redriven_letter_is_handled_once_and_waits_no_longer() {
    let (broker, names) = (Broker::shared(), Names::new("redriven"));
    let settings = [("kafka.redrives_max", "2")];
    let server = florin(broker, &names, &settings);
    let ada = server.account();
    let producer = Producer::new(broker, &names);
    producer.put("deposit-requests", &ada, Some(b"not json"), &[]);
    // This currency is unknown until the settings declare it.
    let mut request = movement(&ada, 5, 1);
    request["currency"] = json!("COIN");
    producer.request("deposit-requests", &request);
    producer.flush();
    let letters = eventually("two dead letters", || {
        let letters = server.list("/admin/dlq");
        (letters.len() == 2).then_some(letters)
    });
    let by_error = |wanted: &str| {
        let mut letters = letters.iter();
        let letter = letters.find(|letter| text(letter, "error").contains(wanted));
        text(letter.unwrap_or_else(|| panic!("{wanted}")), "id")
    };
    let (poison, coin) = (
        by_error("not a JSON object"),
        by_error("currency is neither"),
    );
    let redrive = |server: &Server, id: &str| {
        server.send(&Request::new("POST", &format!("/admin/dlq/{id}/redrive")))
    };
    for redrives in 1..=2 {
        let failed = redrive(&server, &poison).ok();
        assert_eq!(
            (&failed["status"], &failed["reason"]),
            (&json!("failed"), &json!("malformed"))
        );
        let shown = server.get(&format!("/admin/dlq/{poison}")).ok();
        assert_eq!(shown["redrives"], redrives);
    }
    redrive(&server, &poison).problem(409, "redrive_refused");
    drop(server);
    let settings = [("kafka.redrives_max", "3"), ("ledger.assets", "COIN = 2")];
    let server = florin(broker, &names, &settings);
    let account = json!({"currency": "COIN"});
    let _ = server.open(&account);
    // This server has another journal and reads from the beginning. Its accounts are others, so the
    // request is refused. A refusal counts as handled, and is answered once.
    let handled = redrive(&server, &coin).ok();
    assert_eq!(handled["status"], "handled", "{handled}");
    let failed = answers(broker, &names, &["deposit-failed"], 1);
    assert_eq!(failed[&foreign_id(1)].json()["error"], "Account not found");
    redrive(&server, &coin).problem(404, "not_found");
    server
        .get(&format!("/admin/dlq/{coin}"))
        .problem(404, "not_found");
    let left = server.list("/admin/dlq");
    let left: Vec<String> = left.iter().map(|letter| text(letter, "id")).collect();
    assert!(left.contains(&poison) && !left.contains(&coin), "{left:?}");
    // The poison message is redriven once more from the command line, because the settings allow one
    // more attempt now.
    let port = server.client().address().port().to_string();
    let told = executable::run(&["dlq", "redrive", &poison, "--port", &port], &[]);
    assert!(told.stdout.contains("failed"), "{}", told.output());
    for wrong in ["x", "a.dlq:1", "a:1:2"] {
        redrive(&server, wrong).problem(400, "invalid_id");
    }
    redrive(&server, "other.dlq:0:0").problem(404, "not_found");
}

/// A flood of poison messages makes one dead letter each, though Florin is killed in the middle,
/// and a later request is still executed.
#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn many_dead_letters_are_kept_each_once() {
    let (broker, names) = (Broker::shared(), Names::new("flood"));
    let mut server = florin(broker, &names, &[("kafka.session_timeout_ms", "6000")]);
    let ada = server.account();
    let producer = Producer::new(broker, &names);
    let count = 2_000;
    for number in 0..count {
        let value = format!("poison {number}");
        producer.put(
            "deposit-requests",
            &number.to_string(),
            Some(value.as_bytes()),
            &[],
        );
    }
    producer.flush();
    // Florin is killed in the middle of the flood.
    let dlq = format!("{}.dlq", names.of("deposit-requests"));
    eventually("some", || {
        let page = server.get("/admin/dlq?limit=1").ok();
        page["data"]
            .as_array()
            .filter(|some| !some.is_empty())
            .map(|_| ())
    });
    server.kill();
    server.start_again();
    producer.request("deposit-requests", &movement(&ada, 4, 1));
    producer.flush();
    has(&server, &ada, 4);
    let letters = eventually("all of them", || {
        let letters = broker.read(&dlq, Isolation::Committed);
        (letters.len() >= count).then_some(letters)
    });
    let mut values: Vec<_> = letters.into_iter().map(|letter| letter.value).collect();
    values.sort_unstable();
    values.dedup();
    assert_eq!(values.len(), count);
    caught_up_with_letters(&server, &names);
    assert_eq!(broker.read(&dlq, Isolation::Committed).len(), count);
}
