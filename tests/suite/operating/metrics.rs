//! Metrics: their names, their explanations, and how they change.

use std::collections::BTreeSet;

use florin_tests::bank::{UNKNOWN_ID, text};
use florin_tests::http::{Client, Request};
use florin_tests::poll::eventually;
use florin_tests::server::Server;
use florin_tests::websocket;
use serde_json::json;

/// The documented names, with the labels of each.
const DOCUMENTED: &[(&str, &[&str])] = &[
    ("florin_commands_total", &["kind", "outcome"]),
    ("florin_command_latency_seconds_bucket", &["kind", "le"]),
    ("florin_journal_commit_seconds_bucket", &["le"]),
    ("florin_journal_commit_records_bucket", &["le"]),
    ("florin_view_lag_records", &[]),
    ("florin_view_lag_seconds", &[]),
    ("florin_actors", &["kind", "state"]),
    ("florin_idempotency_keys", &[]),
    ("florin_http_requests_total", &["route", "status"]),
    ("florin_http_request_seconds_bucket", &["le", "route"]),
    ("florin_disk_free_bytes", &[]),
    ("florin_outbox_queue_size", &[]),
    ("florin_outbox_oldest_age_seconds", &[]),
    ("florin_event_processing_latency_seconds_bucket", &["le"]),
    ("florin_erasures_pending", &[]),
];

/// The metrics that have no line before their first event.
const RARE: &[&str] = &[
    "florin_actor_restarts",
    "florin_batch_turn_items",
    "florin_batch_turn_seconds",
    "florin_load_shed",
    "florin_events_published",
    "florin_events_consumed",
    "florin_events_failed",
    "florin_event_retries",
    "florin_consumer_lost_offsets",
    "florin_consumer_lag",
    "florin_dlq_messages",
];

#[test]
fn every_documented_metric_is_there_with_its_labels_and_explained() {
    let server = Server::start();
    let id = server.account_of(5);
    server
        .send(&Request::post(&format!("/accounts/{id}/withdraw"), &json!({"amount": 9})).key("k"));
    let text = metrics(&server);
    let explained: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# HELP "))
        .filter_map(|line| line.split_once(' '))
        .filter(|(_, help)| help.len() > 10)
        .map(|(name, _)| name)
        .collect();
    let typed = |name: &str| {
        text.lines()
            .any(|line| line.starts_with(&format!("# TYPE {name} ")))
    };
    for (name, labels) in DOCUMENTED {
        let sample = samples(&text).find(|sample| sample.name == *name);
        let sample = sample.unwrap_or_else(|| panic!("no {name} in\n{text}"));
        let found: BTreeSet<&str> = sample.labels.iter().map(|(label, _)| *label).collect();
        assert_eq!(found, labels.iter().copied().collect(), "{name}");
        let family = name.trim_end_matches("_bucket");
        let family = if typed(family) {
            family
        } else {
            family.trim_end_matches("_total")
        };
        assert!(
            typed(family) && explained.contains(family),
            "{family} is not explained"
        );
    }
    for family in RARE {
        let there = typed(family) || typed(&format!("{family}_total"));
        assert!(there, "{family} is not there");
    }
}

#[test]
fn every_metric_that_an_alert_asks_for_is_there() {
    let server = Server::start();
    server.account();
    let text = metrics(&server);
    let families: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split(' ').next())
        .collect();
    let alerts = include_str!("../../../ops/prometheus/alerts.yml");
    let words = alerts.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let asked: BTreeSet<&str> = words.filter(|word| word.starts_with("florin_")).collect();
    assert!(asked.len() > 10, "{asked:?}");
    for name in asked {
        let suffixes = ["_bucket", "_count", "_sum", "_total"];
        let mut known = suffixes.iter().filter_map(|end| name.strip_suffix(end));
        let is_there = families.contains(name) || known.any(|family| families.contains(family));
        assert!(is_there, "{name} is not among {families:?}");
    }
}

/// Without Kafka, no record waits to be published, and no broker counts as away.
#[test]
fn without_kafka_the_bus_is_embedded_and_the_outbox_empty() {
    let server = Server::start();
    server.account_of(5);
    let health = server.get("/health").ok();
    assert_eq!(health["status"], "ok");
    assert_eq!(health["bus"]["state"], "embedded", "{health}");
    assert_eq!(health["bus"]["reason"], json!(null));
    let outbox = json!({"records": 0, "oldest_age_seconds": 0.0});
    assert_eq!(health["outbox"], outbox);
    assert!(health["lag"].is_array(), "{health}");
    assert_eq!(sum(&metrics(&server), "florin_outbox_queue_size", &[]), 0.0);
}

#[test]
fn commands_and_requests_are_counted() {
    let server = Server::start();
    let (id, other) = (server.account_of(100), server.account());
    let count = |kind: &str| {
        sum(
            &metrics(&server),
            "florin_commands_total",
            &[("kind", kind)],
        )
    };
    let before = (count("deposit"), count("withdrawal"), count("transfer"));
    let refused = sum(&metrics(&server), "florin_commands_total", &[]);
    for _ in 0..3 {
        server.deposit(&id, 1).ok();
    }
    server.withdraw(&id, 1).ok();
    server
        .withdraw(&id, 1_000)
        .problem(422, "insufficient_funds");
    server.transfer(&id, &other, 1).created();
    let after = (count("deposit"), count("withdrawal"), count("transfer"));
    assert_eq!(after, (before.0 + 3.0, before.1 + 2.0, before.2 + 1.0));
    assert_eq!(
        sum(&metrics(&server), "florin_commands_total", &[]),
        refused + 6.0
    );
    let text = metrics(&server);
    let outcomes: BTreeSet<&str> = samples(&text)
        .filter(|sample| sample.name == "florin_commands_total" && sample.value > 0.0)
        .filter(|sample| sample.label("kind") == Some("withdrawal"))
        .filter_map(|sample| sample.label("outcome"))
        .collect();
    assert_eq!(
        outcomes.len(),
        2,
        "done and refused are told apart: {outcomes:?}"
    );
    assert!(sum(&text, "florin_http_requests_total", &[("status", "422")]) >= 1.0);
    assert!(
        sum(
            &text,
            "florin_command_latency_seconds_count",
            &[("kind", "deposit")]
        ) >= 3.0
    );
    assert!(sum(&text, "florin_http_request_seconds_count", &[]) >= 8.0);
}

#[test]
fn every_status_is_counted_by_its_number() {
    let server = Server::start();
    let id = server.account_of(5);
    let operation = text(&server.deposit(&id, 1).ok(), "operation_id");
    let later = format!("/accounts/{id}/async-deposit");
    server.post(&later, &json!({"amount": 1})).with(202);
    let followed = Request::get(&format!("/operations/{operation}/events"));
    let last = server.send(&followed.header("Last-Event-ID", "completed"));
    assert_eq!(last.status, 204);
    let socket = server.send(&websocket::request(&operation));
    assert_eq!(socket.status, 101);
    let text = metrics(&server);
    let of = |status: &str| sum(&text, "florin_http_requests_total", &[("status", status)]);
    assert_eq!((of("202"), of("204"), of("101")), (1.0, 1.0, 1.0));
    assert_eq!(of("other"), 0.0);
}

#[test]
fn a_command_that_is_accepted_has_an_outcome_of_its_own() {
    let server = Server::start();
    let id = server.account();
    let later = format!("/accounts/{id}/async-deposit");
    server.post(&later, &json!({"amount": 1})).with(202);
    let text = metrics(&server);
    let accepted = [("kind", "deposit"), ("outcome", "accepted")];
    assert_eq!(sum(&text, "florin_commands_total", &accepted), 1.0);
    assert_eq!(
        sum(&text, "florin_commands_total", &[("outcome", "other")]),
        0.0
    );
}

#[test]
fn metrics_come_in_the_format_that_is_asked_for() {
    let server = Server::start();
    server.account();
    let page = |accept: &str| {
        let request = Request::get("/metrics");
        let answer = server.send(&match accept {
            "" => request,
            accept => request.header("Accept", accept),
        });
        (
            answer.header("content-type").unwrap().to_owned(),
            answer.text(),
        )
    };
    for accept in ["", "*/*", "text/plain;version=0.0.4"] {
        let (kind, text) = page(accept);
        assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8", "{accept}");
        assert!(
            text.contains("\n# TYPE florin_commands_total counter\n"),
            "{text}"
        );
        assert!(
            !text.contains("# EOF") && !text.contains("# UNIT"),
            "{text}"
        );
    }
    let scraper = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;q=0.5,*/*;q=0.1";
    let (kind, text) = page(scraper);
    let open_metrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(kind, open_metrics);
    assert!(
        text.contains("\n# TYPE florin_commands counter\n"),
        "{text}"
    );
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[test]
fn the_journal_the_keys_the_actors_and_the_disk_are_measured() {
    let server = Server::start();
    let keys = |server: &Server| sum(&metrics(server), "florin_idempotency_keys", &[]);
    let committed =
        |server: &Server| sum(&metrics(server), "florin_journal_commit_records_sum", &[]);
    let before = (keys(&server), committed(&server));
    let id = server.account();
    for n in 0..10 {
        let deposit = Request::post(&format!("/accounts/{id}/deposit"), &json!({"amount": 1}));
        server.send(&deposit.key(&format!("metric-{n}"))).ok();
    }
    eventually("ten keys more", || {
        (keys(&server) == before.0 + 10.0).then_some(())
    });
    eventually("eleven records more", || {
        (committed(&server) == before.1 + 11.0).then_some(())
    });
    let text = metrics(&server);
    assert!(sum(&text, "florin_journal_commit_seconds_count", &[]) >= 1.0);
    assert!(sum(&text, "florin_journal_commit_seconds_sum", &[]) > 0.0);
    assert!(sum(&text, "florin_disk_free_bytes", &[]) > 1e6);
    let live = [("kind", "account"), ("state", "live")];
    assert!(sum(&text, "florin_actors", &live) >= 1.0);
    eventually("the views catch up", || {
        (sum(&metrics(&server), "florin_view_lag_records", &[]) == 0.0).then_some(())
    });
}

#[test]
fn a_batch_s_turn_is_measured_by_its_parts_and_its_time() {
    let server = Server::start();
    let (from, to) = (server.account_of(100), server.account());
    let item = json!({"from": from, "to": to, "amount": 1});
    let many = |count: usize| vec![item.clone(); count];
    let batch = |atomic: bool, count| json!({"atomic": atomic, "transfers": many(count)});
    server.post("/transfers/batch", &batch(true, 7)).ok();
    server.post("/transfers/batch", &batch(false, 3)).ok();
    let legs = json!({"legs": many(4)});
    server.post("/transactions", &legs).ok();
    // A single transfer has no parts, so it isn't measured.
    server.transfer(&from, &to, 1).created();
    let text = metrics(&server);
    let of = |name: &str, kind: &str| sum(&text, name, &[("kind", kind)]);
    assert_eq!(of("florin_batch_turn_items_sum", "batch"), 10.0);
    assert_eq!(of("florin_batch_turn_items_count", "batch"), 2.0);
    assert_eq!(of("florin_batch_turn_items_sum", "transaction"), 4.0);
    assert_eq!(of("florin_batch_turn_seconds_count", "batch"), 2.0);
    assert!(of("florin_batch_turn_seconds_sum", "batch") > 0.0);
    assert_eq!(sum(&text, "florin_batch_turn_items_count", &[]), 3.0);
}

#[test]
fn an_erasure_is_pending_until_it_is_carried_out_on_the_disk() {
    let mut server = Server::with(&[("journal.erase_interval_seconds", "3600")]);
    let pending = |server: &Server| sum(&metrics(server), "florin_erasures_pending", &[]);
    let id = server.account();
    assert_eq!(pending(&server), 0.0);
    let erase = Request::delete(&format!("/accounts/{id}/personal-data"));
    server.send(&erase).ok();
    assert_eq!(pending(&server), 1.0);
    server.set("FLORIN__JOURNAL__ERASE_INTERVAL_SECONDS", "1");
    server.restart();
    eventually("it is carried out", || {
        (pending(&server) == 0.0).then_some(())
    });
}

#[test]
fn labels_do_not_grow_with_what_callers_send() {
    let server = Server::start();
    let id = server.account_of(1);
    let lines = || {
        metrics(&server)
            .lines()
            .filter(|line| line.starts_with("florin_http"))
            .count()
    };
    let walk = |n: usize| {
        server
            .get(&format!("/nothing-{n}"))
            .problem(404, "route_not_found");
        server
            .get(&format!("/accounts/{n}"))
            .problem(400, "invalid_id");
        server
            .send(&Request::new(&format!("M{n}"), "/accounts"))
            .problem(405, "method_not_allowed");
        server.get(&format!("/accounts/{id}")).ok();
        server
            .get(&format!("/accounts/{UNKNOWN_ID}"))
            .problem(404, "not_found");
        server
            .get(&format!("/problems/none-{n}"))
            .problem(404, "route_not_found");
    };
    walk(0);
    metrics(&server);
    let before = lines();
    (1..30).for_each(walk);
    assert_eq!(lines(), before);
    assert!(!metrics(&server).contains(&id));
}

fn metrics(client: &Client) -> String {
    let answer = client.get("/metrics");
    assert_eq!(answer.status, 200);
    let kind = answer.header("content-type").unwrap_or_default();
    assert!(
        kind.starts_with("text/plain") || kind.starts_with("application/openmetrics-text"),
        "{kind}"
    );
    answer.text()
}

/// A line of the metrics.
struct Sample<'a> {
    name: &'a str,
    labels: Vec<(&'a str, &'a str)>,
    value: f64,
}

impl<'a> Sample<'a> {
    fn label(&self, name: &str) -> Option<&'a str> {
        let mut named = self.labels.iter().filter(|(label, _)| *label == name);
        named.next().map(|(_, value)| *value)
    }
}

fn samples(text: &str) -> impl Iterator<Item = Sample<'_>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels = labels.trim_end_matches('}').split("\",");
        let labels = labels.filter_map(|label| label.trim_end_matches('"').split_once("=\""));
        Some(Sample {
            name,
            labels: labels.collect(),
            value: value.parse().ok()?,
        })
    })
}

/// Returns the sum of all samples with this name and these labels.
fn sum(text: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    let fits = |sample: &Sample<'_>| {
        sample.name == name
            && labels
                .iter()
                .all(|(label, value)| sample.label(label) == Some(*value))
    };
    samples(text).filter(fits).map(|sample| sample.value).sum()
}
