//! Operations: the outcome of each command, which stays available forever.

use florin_tests::bank::{self, UNKNOWN_ID, text};
use florin_tests::http::{Client, Request};
use florin_tests::server::{Server, Shared};
use serde_json::{Value, json};

static SERVER: Shared = Shared::new();

#[test]
fn a_completed_command_is_found_with_its_result() {
    let server = SERVER.server();
    let (id, other) = (server.account(), server.account());
    for (made, kind, form) in [
        (server.deposit(&id, 10).ok(), "deposit", "money"),
        (server.withdraw(&id, 1).ok(), "withdrawal", "money"),
        (
            server.transfer(&id, &other, 2).created(),
            "transfer",
            "transfer",
        ),
    ] {
        let operation = operation(&server, &text(&made, "operation_id"));
        assert_eq!(operation["operation_id"], made["operation_id"]);
        assert_eq!(
            (&operation["kind"], &operation["status"]),
            (&json!(kind), &json!("completed"))
        );
        assert_eq!(operation["result"]["type"], form);
        assert_eq!(bank::result_of(&operation), made);
        assert_eq!(operation.get("error").unwrap_or(&Value::Null), &Value::Null);
        for time in ["created_at", "completed_at"] {
            assert!(bank::is_time(&text(&operation, time)), "{operation}");
        }
    }
}

#[test]
fn a_refused_command_with_a_key_is_found_with_its_error() {
    let server = SERVER.server();
    let id = server.account();
    let withdraw = Request::post(&format!("/accounts/{id}/withdraw"), &json!({"amount": 5}));
    let problem = server
        .send(&withdraw.key("operation refused"))
        .problem(400, "invalid_request");
    assert_eq!(
        problem.get("operation_id"),
        None,
        "a key with a space was taken: {problem}"
    );
    let withdraw = Request::post(&format!("/accounts/{id}/withdraw"), &json!({"amount": 5}));
    let problem = server
        .send(&withdraw.key("operation-refused"))
        .problem(422, "insufficient_funds");
    let operation = operation(&server, &text(&problem, "operation_id"));
    assert_eq!(
        (&operation["kind"], &operation["status"]),
        (&json!("withdrawal"), &json!("failed"))
    );
    assert_eq!(
        operation["error"],
        json!({
            "code": "insufficient_funds",
            "detail": problem["detail"],
            "entity_id": problem["entity_id"],
        })
    );
    assert_eq!(
        operation.get("result").unwrap_or(&Value::Null),
        &Value::Null
    );
}

#[test]
fn a_refusal_without_a_key_leaves_no_trace() {
    let server = SERVER.alone();
    let id = server.account();
    let withdraw = Request::post(&format!("/accounts/{id}/withdraw"), &json!({"amount": 5}));
    let problem = server.refused(&withdraw, 422, "insufficient_funds");
    if let Some(operation) = problem["operation_id"].as_str() {
        server
            .get(&format!("/operations/{operation}"))
            .problem(404, "not_found");
    }
}

#[test]
fn an_id_that_is_no_operation_is_not_found() {
    let server = SERVER.server();
    let id = server.account();
    for wrong in [UNKNOWN_ID, id.as_str()] {
        server
            .get(&format!("/operations/{wrong}"))
            .problem(404, "not_found");
    }
    server.get("/operations/7").problem(400, "invalid_id");
}

#[test]
fn operations_are_told_the_same_after_a_stop_and_after_a_crash() {
    let mut server = Server::start();
    let id = server.account();
    let done = text(&server.deposit(&id, 10).ok(), "operation_id");
    let withdraw = Request::post(&format!("/accounts/{id}/withdraw"), &json!({"amount": 11}));
    let failed = server
        .send(&withdraw.key("k"))
        .problem(422, "insufficient_funds");
    let failed = text(&failed, "operation_id");
    let both = |server: &Server| [&done, &failed].map(|id| operation(server, id));
    let before = both(&server);
    server.restart();
    assert_eq!(both(&server), before);
    server.crash();
    assert_eq!(both(&server), before);
}

#[test]
fn a_preference_that_is_not_understood_is_passed_over() {
    let server = SERVER.server();
    let id = server.account();
    let preferences = ["wait=soon", "wait", "handling=lenient", "\u{e9}"];
    for (sum, prefer) in (1..).zip(preferences) {
        let request = Request::post(&format!("/accounts/{id}/deposit"), &json!({"amount": 1}));
        let answer = server.send(&request.header("Prefer", prefer));
        assert_eq!(answer.ok()["balance"], sum, "{prefer}");
        assert_eq!(answer.header("preference-applied"), None, "{prefer}");
    }
}

#[test]
fn a_wait_that_suffices_is_answered_with_the_result() {
    let server = SERVER.server();
    let id = server.account();
    for (sum, prefer) in [
        (1, "wait=30"),
        (2, "wait=3600"),
        (3, "respond-async, wait=30"),
    ] {
        let request = Request::post(&format!("/accounts/{id}/deposit"), &json!({"amount": 1}));
        assert_eq!(
            server.send(&request.header("Prefer", prefer)).ok()["balance"],
            sum,
            "{prefer}"
        );
    }
}

#[track_caller]
fn operation(client: &Client, id: &str) -> Value {
    client.get(&format!("/operations/{id}")).ok()
}
