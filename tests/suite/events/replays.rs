//! Replays as operators request them, without a broker: what they would publish, and that they wait
//! for Kafka, can be stopped and resumed, and survive a restart. `tests/kafka` checks what reaches
//! the topics.

use florin_tests::bank::{UNKNOWN_ID, text};
use florin_tests::executable;
use florin_tests::http::{Client, Request};
use florin_tests::poll::eventually;
use florin_tests::server::{Server, Shared};
use serde_json::{Value, json};

static SERVER: Shared = Shared::new();

fn replay_of(server: &Client, id: &str) -> Value {
    server.get(&format!("/admin/replay/{id}")).ok()
}

#[track_caller]
fn turned(server: &Client, id: &str, how: &str) -> Value {
    let request = Request::new("POST", &format!("/admin/replay/{id}/{how}"));
    server.send(&request).ok()
}

#[track_caller]
fn completed(server: &Client, id: &str) -> Value {
    eventually("the replay is completed", || {
        let replay = replay_of(server, id);
        assert_ne!(replay["state"], "failed", "{replay}");
        (replay["state"] == "completed").then_some(replay)
    })
}

#[test]
fn a_dry_run_counts_what_a_replay_would_publish() {
    let server = SERVER.alone();
    let account = server.account();
    let first = server.sequence() + 1;
    server.deposit(&account, 5).ok();
    server.deposit(&account, 6).ok();
    server.withdraw(&account, 1).ok();
    let dry = |body: Value| {
        let asked = florin_tests::bank::with(body, &json!({"dry_run": true, "from": first}));
        let begun = server.post("/admin/replay", &asked);
        let id = text(&begun.with(202), "id");
        assert_eq!(
            begun.header("location"),
            Some(format!("/admin/replay/{id}").as_str())
        );
        completed(&server, &id)
    };
    let whole = dry(json!({}));
    assert_eq!(whole["events"], 9);
    assert_eq!(
        whole["topics"],
        json!({
            "transaction-events": 6, "deposit-completed": 2, "withdrawal-responses": 1,
        })
    );
    assert_eq!(whole["dry_run"], true);
    assert_eq!(dry(json!({"types": ["DepositCompleted"]}))["events"], 2);
    assert_eq!(dry(json!({"topics": ["deposit-completed"]}))["events"], 2);
    assert_eq!(dry(json!({"to": first}))["events"], 3);
    assert_eq!(dry(json!({"key": UNKNOWN_ID}))["events"], 0);
    assert_eq!(dry(json!({"key": account}))["events"], 9);
    assert_eq!(
        dry(json!({"from_time": "2999-01-01T00:00:00Z"}))["events"],
        0
    );
    assert_eq!(dry(json!({"to_time": "2999-01-01T00:00:00Z"}))["events"], 9);
}

#[test]
fn the_command_line_asks_the_running_server_and_follows_it() {
    let server = SERVER.server();
    server.account_of(3);
    let port = server.address().port().to_string();
    let florin = |arguments: &[&str]| {
        let all = [&["replay", "--port", &port][..], arguments].concat();
        let ended = executable::run(&all, &[]);
        (ended.code(), ended.stdout, ended.stderr)
    };
    let arguments = ["--dry-run", "--type", "DepositCompleted", "--to", "1000000"];
    let (code, out, error) = florin(&arguments);
    assert_eq!((code, error.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("state       completed\n"), "{out}");
    assert!(out.contains(" deposit-completed\n"), "{out}");
    let id = out
        .lines()
        .next()
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap();
    let (code, shown, _) = florin(&["--show", id]);
    assert_eq!((code, &shown), (Some(0), &out));
    let (code, _, error) = florin(&["--resume", id]);
    assert_eq!(code, Some(1));
    assert!(error.contains("the replay is completed"), "{error}");
    let (code, _, error) = florin(&[]);
    assert_eq!(code, Some(1));
    assert!(error.contains("without Kafka"), "{error}");
    assert_eq!(florin(&["--stop", "7"]).0, Some(2));
}

#[test]
fn what_can_t_be_replayed_is_refused() {
    let server = SERVER.server();
    let real = server.post("/admin/replay", &json!({}));
    real.problem(409, "replay_refused");
    for (body, code, field) in [
        (json!({"types": ["X"]}), "invalid_request", "types[0]"),
        (json!({"topics": ["x"]}), "invalid_request", "topics[0]"),
        (json!({"key": "7"}), "invalid_id", "key"),
        (json!({"from": -1}), "invalid_request", "from"),
        (json!({"from_time": "soon"}), "invalid_request", "from_time"),
        (json!({"form": 1}), "invalid_request", "form"),
    ] {
        let problem = server.post("/admin/replay", &body).problem(400, code);
        assert_eq!(problem["field"], field, "{body}");
    }
    let path = |id: &str| format!("/admin/replay/{id}");
    server.get(&path(UNKNOWN_ID)).problem(404, "not_found");
    server.get(&path("7")).problem(400, "invalid_id");
    for how in ["stop", "resume"] {
        let unknown = Request::new("POST", &format!("/admin/replay/{UNKNOWN_ID}/{how}"));
        server.send(&unknown).problem(404, "not_found");
    }
}

#[test]
fn with_kafka_away_a_replay_waits_can_be_stopped_and_survives_a_restart() {
    let mut server = Server::with(&[("kafka.brokers", "127.0.0.1:9")]);
    server.account_of(5);
    let begun = server.post("/admin/replay", &json!({})).with(202);
    let id = text(&begun, "id");
    eventually("it says that it waits", || {
        let replay = replay_of(&server, &id);
        assert_eq!(
            (&replay["state"], &replay["events"]),
            (&json!("running"), &json!(0))
        );
        replay["reason"].is_string().then_some(())
    });
    server
        .post("/admin/replay", &json!({}))
        .problem(409, "replay_refused");
    assert_eq!(turned(&server, &id, "stop")["state"], "stopped");
    let path = format!("/admin/replay/{id}");
    server.crash();
    assert_eq!(server.get(&path).ok()["state"], "stopped");
    assert_eq!(turned(&server, &id, "resume")["state"], "running");
    server.crash();
    assert_eq!(server.get(&path).ok()["state"], "running");
    assert_eq!(turned(&server, &id, "stop")["state"], "stopped");
    assert!(server.stop().success());
}
