//! The forms of an idempotency key: in the header, in quotes and in the body.

use florin_tests::http::Request;
use florin_tests::server::Shared;
use serde_json::json;

use super::idempotency::deposit;

static SERVER: Shared = Shared::new();

#[test]
fn a_key_in_the_body_is_the_key_in_the_header() {
    let server = SERVER.server();
    let id = server.account();
    let in_body = |key: &str| {
        let body = json!({"amount": 10, "idempotency_key": key});
        Request::post(&format!("/accounts/{id}/deposit"), &body)
    };
    let first = server.send(&in_body("body-key")).ok();
    for request in [
        in_body("body-key"),
        deposit(&id, 10).key("body-key"),
        in_body("body-key").key("body-key"),
    ] {
        let again = server.send(&request);
        assert!(again.replayed());
        assert_eq!(again.ok(), first);
    }
    assert_eq!(server.balance(&id), 10);
}

#[test]
fn a_key_in_quotes_is_the_same_key_as_a_bare_one() {
    let server = SERVER.server();
    let id = server.account();
    let first = server.send(&deposit(&id, 5).key("quoted-1"));
    let again = server.send(&deposit(&id, 5).key("\"quoted-1\""));
    assert!(again.replayed());
    assert_eq!(again.ok(), first.ok());
    let escaped = server.send(&deposit(&id, 5).key(r#""a\"b\\c""#));
    assert!(!escaped.replayed());
    let in_body = json!({"amount": 5, "idempotency_key": r#"a"b\c"#});
    let again = server.post(&format!("/accounts/{id}/deposit"), &in_body);
    assert!(again.replayed(), "{}", again.text());
    // A key in the body is taken literally, so its quotes are a part of it.
    let in_body = json!({"amount": 5, "idempotency_key": "\"quoted-1\""});
    assert!(
        !server
            .post(&format!("/accounts/{id}/deposit"), &in_body)
            .replayed()
    );
    for malformed in [
        "\"",
        "\"\"",
        "\"k",
        "\"k\"x",
        "\"k\";a=1",
        "\"k\\n\"",
        "\"a b\"",
    ] {
        let answer = server.send(&deposit(&id, 5).key(malformed));
        let problem = answer.problem(400, "invalid_request");
        assert_eq!(problem["field"], "Idempotency-Key", "{malformed}");
    }
    assert_eq!(server.balance(&id), 15);
}

#[test]
fn two_keys_that_differ_are_malformed() {
    let server = SERVER.alone();
    let id = server.account();
    let body = json!({"amount": 10, "idempotency_key": "one"});
    let request = Request::post(&format!("/accounts/{id}/deposit"), &body).key("two");
    server.refused(&request, 400, "invalid_request");
    let twice = deposit(&id, 10).key("one").key("two");
    server.refused(&twice, 400, "invalid_request");
}

#[test]
fn a_key_has_1_to_255_visible_characters() {
    let server = SERVER.alone();
    let id = server.account();
    for wrong in ["", "a b", "\u{e9}", &"k".repeat(256)] {
        server.refused(&deposit(&id, 1).key(wrong), 400, "invalid_request");
        let body = json!({"amount": 1, "idempotency_key": wrong});
        let in_body = Request::post(&format!("/accounts/{id}/deposit"), &body);
        server.refused(&in_body, 400, "invalid_request");
    }
    for right in ["!", "~", &"k".repeat(255)] {
        server.send(&deposit(&id, 1).key(right)).ok();
        assert!(
            server.send(&deposit(&id, 1).key(right)).replayed(),
            "{right}"
        );
    }
    assert_eq!(server.balance(&id), 3);
}
