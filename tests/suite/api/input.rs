//! Invalid values in a request: each kind is refused with its own code, and writes nothing.

use florin_tests::bank::{AMOUNT_MAX, UNKNOWN_ID, opening, text, with};
use florin_tests::http::Request;
use florin_tests::server::Shared;
use serde_json::{Value, json};

static SERVER: Shared = Shared::new();

#[test]
fn an_amount_is_an_integer_from_1_to_2_53_less_1() {
    let server = SERVER.alone();
    let (id, other) = (server.account_of(100), server.account());
    let forty_digits = format!("1{}", "0".repeat(40));
    let wrong = [
        "0",
        "-1",
        "-0",
        "1.5",
        "1.0",
        "\"100\"",
        "1e3",
        "1E0",
        "9007199254740992",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        &forty_digits,
        "1e400",
        "null",
        "true",
        "[1]",
        "{}",
        "\"\"",
        "NaN",
        "Infinity",
        "01",
        "+1",
        "0x10",
        "1_000",
    ];
    for amount in wrong {
        let ends = format!("\"from\":\"{id}\",\"to\":\"{other}\"");
        let alias = format!("\"from_account_id\":\"{id}\",\"to_account_id\":\"{other}\"");
        for (path, fields) in [
            (format!("/accounts/{id}/deposit"), String::new()),
            (format!("/accounts/{id}/withdraw"), String::new()),
            ("/transfers".to_owned(), format!(",{ends}")),
            ("/accounts/transfer".to_owned(), format!(",{alias}")),
        ] {
            let body = format!("{{\"amount\":{amount}{fields}}}");
            let problem = server.refused(
                &Request::new("POST", &path).text(&body),
                400,
                "invalid_request",
            );
            let json = serde_json::from_str::<Value>(&body).is_ok();
            assert!(!json || problem["field"] == "amount", "{amount}: {problem}");
        }
    }
    assert_eq!(
        server.deposit(&other, AMOUNT_MAX).ok()["balance"],
        AMOUNT_MAX
    );
    assert_eq!(server.withdraw(&other, AMOUNT_MAX).ok()["balance"], 0);
    assert_eq!((server.balance(&id), server.balance(&other)), (100, 0));
}

#[test]
fn an_unknown_field_is_named() {
    let server = SERVER.alone();
    let id = server.account_of(100);
    let other = server.account();
    for (method, path, body) in commands(&id, &other) {
        let request = Request::new(method, &path).json(&with(body, &json!({"amout": 5})));
        let problem = server.refused(&request, 400, "invalid_request");
        assert_eq!(problem["field"], "amout", "{problem}");
    }
}

#[test]
fn a_field_named_twice_is_refused() {
    let server = SERVER.alone();
    let (id, other) = (server.account_of(100), server.account());
    for (method, path, body) in commands(&id, &other) {
        for (name, value) in body.as_object().unwrap() {
            let text = body.to_string();
            let twice = format!("{},{}:{value}}}", &text[..text.len() - 1], json!(name));
            server.refused(
                &Request::new(method, &path).text(&twice),
                400,
                "invalid_request",
            );
        }
    }
    let metadata = "{\"amount\":1,\"metadata\":{\"a\":\"1\",\"a\":\"2\"}}";
    let request = Request::new("POST", &format!("/accounts/{id}/deposit")).text(metadata);
    server.refused(&request, 400, "invalid_request");
}

#[test]
fn a_missing_field_is_named() {
    let server = SERVER.alone();
    let (id, other) = (server.account_of(100), server.account());
    for (method, path, body) in commands(&id, &other) {
        if method == "PATCH" {
            continue;
        }
        for name in body.as_object().unwrap().keys() {
            let mut less = body.clone();
            less.as_object_mut().unwrap().remove(name);
            let problem = server.refused(
                &Request::new(method, &path).json(&less),
                400,
                "invalid_request",
            );
            assert!(
                problem["detail"].as_str().unwrap().contains(name.as_str()),
                "{problem}"
            );
        }
    }
}

#[test]
fn an_id_is_a_hyphenated_uuid() {
    let server = SERVER.alone();
    let id = server.account_of(100);
    let unhyphenated = id.replace('-', "");
    let long = "a".repeat(4_000);
    for wrong in [
        "7",
        "abc",
        "null",
        &unhyphenated,
        &id[1..],
        &format!("{id}0"),
        "%00",
        "..%2f",
        &long,
    ] {
        for request in [
            Request::get(&format!("/accounts/{wrong}")),
            Request::get(&format!("/accounts/{wrong}/transactions")),
            Request::delete(&format!("/accounts/{wrong}")),
            Request::patch(&format!("/accounts/{wrong}"), &json!({"status": "FROZEN"})),
            Request::post(&format!("/accounts/{wrong}/deposit"), &json!({"amount": 1})),
            Request::post(
                &format!("/accounts/{wrong}/withdraw"),
                &json!({"amount": 1}),
            ),
            Request::get(&format!("/transfers/{wrong}")),
            Request::get(&format!("/operations/{wrong}")),
            Request::get(&format!("/ledger/transactions/{wrong}")),
        ] {
            server.refused(&request, 400, "invalid_id");
        }
        for (from, to, field) in [(wrong, id.as_str(), "from"), (id.as_str(), wrong, "to")] {
            let body = json!({"from": from, "to": to, "amount": 1});
            let answer = server.send(&Request::post("/transfers", &body));
            assert_eq!(answer.status, 400, "{}", answer.text());
            assert!(matches!(
                text(&answer.json(), "code").as_str(),
                "invalid_id" | "invalid_request"
            ));
            assert_eq!(answer.json()["field"], field);
        }
    }
    assert_eq!(server.balance(&id), 100);
}

#[test]
fn an_id_of_another_kind_is_no_account() {
    let server = SERVER.alone();
    let id = server.account();
    let operation = text(&server.deposit(&id, 100).ok(), "operation_id");
    let transaction = server
        .get(&format!("/ledger/transactions/{operation}"))
        .ok();
    let postings = transaction["postings"].as_array().unwrap();
    let external = postings
        .iter()
        .find(|posting| posting["kind"] == "external")
        .expect("the other end");
    let external = text(external, "entity_id");
    for wrong in [operation.as_str(), external.as_str(), UNKNOWN_ID] {
        let path = format!("/accounts/{wrong}");
        for request in [
            Request::get(&path),
            Request::get(&format!("{path}/transactions")),
            Request::delete(&path),
            Request::patch(&path, &json!({"status": "FROZEN"})),
            Request::patch(&path, &json!({"overdraft_limit": null})),
            Request::post(&format!("{path}/deposit"), &json!({"amount": 1})),
            Request::post(&format!("{path}/withdraw"), &json!({"amount": 1})),
            Request::post("/transfers", &json!({"from": wrong, "to": id, "amount": 1})),
            Request::post("/transfers", &json!({"from": id, "to": wrong, "amount": 1})),
            Request::post(
                "/accounts/transfer",
                &json!({"from_account_id": wrong, "to_account_id": id, "amount": 1}),
            ),
        ] {
            server.refused(&request, 404, "not_found");
        }
    }
    assert_eq!(server.balance(&id), 100);
}

#[test]
fn a_cursor_comes_from_a_list() {
    let server = SERVER.alone();
    let id = server.account();
    for _ in 0..3 {
        server.deposit(&id, 1).ok();
    }
    let history = format!("/accounts/{id}/transactions");
    let cursor = text(
        &server.get(&format!("{history}?limit=1")).ok(),
        "next_cursor",
    );
    let cut = &cursor[..cursor.len() - 1];
    let altered = format!("{cut}{}", if cursor.ends_with('A') { 'B' } else { 'A' });
    let long = "A".repeat(3_000);
    for list in ["/accounts", &history] {
        for wrong in ["", "7", "abc", "%00", "%ff", cut, "====", &long] {
            let request = Request::get(&format!("{list}?cursor={wrong}"));
            server.refused(&request, 400, "invalid_cursor");
        }
    }
    server.refused(
        &Request::get(&format!("/accounts?cursor={cursor}")),
        400,
        "invalid_cursor",
    );
    // An altered cursor may still be well-formed, but it never breaks the list.
    let answer = server.get(&format!("{history}?cursor={altered}"));
    assert!(matches!(answer.status, 200 | 400), "{}", answer.text());
}

#[test]
fn a_limit_is_an_integer_from_1_to_1000() {
    let server = SERVER.alone();
    let id = server.account();
    for list in [
        "/accounts".to_owned(),
        format!("/accounts/{id}/transactions"),
    ] {
        for wrong in [
            "0",
            "1001",
            "-1",
            "1.5",
            "abc",
            "",
            "99999999999999999999",
            "%31%00",
        ] {
            let problem = server.refused(
                &Request::get(&format!("{list}?limit={wrong}")),
                400,
                "invalid_request",
            );
            assert_eq!(problem["field"], "limit", "{problem}");
        }
        for right in ["1", "1000"] {
            server.get(&format!("{list}?limit={right}")).ok();
        }
    }
}

#[test]
fn an_unknown_query_parameter_of_a_command_is_refused() {
    let server = SERVER.alone();
    let (id, other) = (server.account_of(100), server.account());
    let all = commands(&id, &other).into_iter().chain([(
        "DELETE",
        format!("/accounts/{other}"),
        json!({}),
    )]);
    for (method, path, body) in all {
        for query in [
            "dryrun=true",
            "amount=5",
            "dry_run=true&x=1",
            "dry-run=true",
        ] {
            let request = match method {
                "DELETE" => Request::delete(&format!("{path}?{query}")),
                _ => Request::new(method, &format!("{path}?{query}")).json(&body),
            };
            server.refused(&request, 400, "invalid_request");
        }
    }
    assert_eq!(server.read(&other)["status"], "ACTIVE");
}

#[test]
fn a_currency_is_one_that_exists() {
    let server = SERVER.alone();
    let id = server.account();
    for wrong in [
        json!("usd"),
        json!("XYZ"),
        json!(""),
        json!(840),
        json!("US"),
        json!("USDUSD"),
    ] {
        let body = json!({"amount": 1, "currency": wrong});
        let request = Request::post(&format!("/accounts/{id}/deposit"), &body);
        assert_eq!(
            server.refused(&request, 400, "invalid_request")["field"],
            "currency"
        );
    }
}

#[test]
fn metadata_and_references_keep_to_their_bounds() {
    let server = SERVER.alone();
    let id = server.account();
    let pairs =
        |count: usize| Value::Object((0..count).map(|n| (format!("{n}"), json!(""))).collect());
    for (field, wrong) in [
        ("reference", json!("x".repeat(256))),
        ("reference", json!(7)),
        ("metadata", pairs(33)),
        ("metadata", json!({"k": "v".repeat(4_096)})),
        ("metadata", json!({"k": null})),
        ("metadata", json!({"k": {"deep": "er"}})),
        ("metadata", json!([])),
        ("metadata", json!("k=v")),
    ] {
        let body = with(json!({"amount": 1}), &json!({field: wrong}));
        let request = Request::post(&format!("/accounts/{id}/deposit"), &body);
        let problem = server.refused(&request, 400, "invalid_request");
        assert!(text(&problem, "field").starts_with(field), "{problem}");
    }
    let right =
        json!({"amount": 1, "reference": "x".repeat(255), "metadata": {"k": "v".repeat(4_095)}});
    server.post(&format!("/accounts/{id}/deposit"), &right).ok();
}

/// Returns every command that takes a body, with all its required fields and no other.
pub fn commands(id: &str, other: &str) -> Vec<(&'static str, String, Value)> {
    vec![
        ("POST", "/accounts".into(), opening()),
        (
            "PATCH",
            format!("/accounts/{id}"),
            json!({"overdraft_limit": 1}),
        ),
        (
            "POST",
            format!("/accounts/{id}/deposit"),
            json!({"amount": 1}),
        ),
        (
            "POST",
            format!("/accounts/{id}/withdraw"),
            json!({"amount": 1}),
        ),
        (
            "POST",
            "/transfers".into(),
            json!({"from": id, "to": other, "amount": 1}),
        ),
        (
            "POST",
            "/accounts/transfer".into(),
            json!({"from_account_id": id, "to_account_id": other, "amount": 1}),
        ),
    ]
}
