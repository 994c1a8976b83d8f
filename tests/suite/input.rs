//! Input that no proper client sends: each is refused by name, and writes nothing.

use florin_tests::bank::{AMOUNT_MAX, UNKNOWN_ID, opening, text, with};
use florin_tests::http::{Connection, Request};
use florin_tests::server::Shared;
use serde_json::{Value, json};

static SERVER: Shared = Shared::new();

/// The largest body that is taken, by default.
const BODY_MAX: usize = 1 << 20;

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
fn what_is_no_json_object_is_refused() {
    let server = SERVER.alone();
    let (id, other) = (server.account_of(100), server.account());
    let deep = format!(
        "{{\"amount\":{}1{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let deep_metadata = format!("{{\"amount\":1,\"metadata\":{}", "{\"a\":".repeat(50_000));
    let texts = [
        "",
        " ",
        "null",
        "7",
        "\"text\"",
        "[]",
        "[{\"amount\":1}]",
        "{",
        "{\"amount\":1",
        "{\"amount\":1}}",
        "{\"amount\":1}{\"amount\":1}",
        "{'amount':1}",
        "{\"amount\":1,}",
        "amount=1",
        "\u{feff}{\"amount\":1}",
        "{\"amount\":1 // one\n}",
        &deep,
        &deep_metadata,
    ];
    for text in texts {
        for (method, path, body) in commands(&id, &other) {
            let request = Request::new(method, &path).text(text);
            // All fields of a change are optional, so nothing at all is a change of nothing.
            if method == "PATCH" && text.is_empty() {
                server.send(&request).ok();
                continue;
            }
            let shown: String = text.chars().take(40).collect();
            let answer = server.send(&request);
            assert_eq!(
                answer.status, 400,
                "{method} {path} {shown:?} in place of {body}"
            );
            server.refused(&request, 400, "invalid_request");
        }
    }
}

#[test]
fn text_that_is_not_utf_8_is_refused() {
    let server = SERVER.alone();
    let id = server.account();
    for bytes in [&b"\xff"[..], b"\xc3\x28", b"\xed\xa0\x80", b"\xf0\x9f\x98"] {
        let mut body = b"{\"amount\":1,\"reference\":\"".to_vec();
        body.extend(bytes);
        body.extend(b"\"}");
        let request = Request::new("POST", &format!("/accounts/{id}/deposit"))
            .header("Content-Type", "application/json")
            .body(body);
        server.refused(&request, 400, "invalid_request");
    }
    let lone = "{\"amount\":1,\"reference\":\"\\ud800\"}";
    let request = Request::new("POST", &format!("/accounts/{id}/deposit")).text(lone);
    server.refused(&request, 400, "invalid_request");
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
            Request::patch(&path, &json!({"overdraft_limit": "unlimited"})),
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
fn a_body_is_called_json() {
    let server = SERVER.alone();
    let id = server.account();
    let request = Request::new("POST", &format!("/accounts/{id}/deposit")).body("{\"amount\":1}");
    server.refused(&request, 415, "unsupported_media_type");
    for wrong in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "json",
        "",
        "application/json-patch+json",
    ] {
        server.refused(
            &request.clone().header("Content-Type", wrong),
            415,
            "unsupported_media_type",
        );
    }
    for right in [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON",
    ] {
        server
            .send(&request.clone().header("Content-Type", right))
            .ok();
    }
    assert_eq!(server.balance(&id), 3);
}

#[test]
fn a_body_past_the_limit_is_refused() {
    let server = SERVER.alone();
    let id = server.account();
    let path = format!("/accounts/{id}/deposit");
    let body = |length: usize| format!("{{\"amount\":1{}}}", " ".repeat(length - 12));
    server
        .send(&Request::new("POST", &path).text(&body(BODY_MAX)))
        .ok();
    server.refused(
        &Request::new("POST", &path).text(&body(BODY_MAX + 1)),
        413,
        "body_too_large",
    );
    server.refused(
        &Request::new("POST", &path).text(&body(4 * BODY_MAX)),
        413,
        "body_too_large",
    );
    assert_eq!(server.balance(&id), 1);
}

#[test]
fn a_body_of_a_declared_gigabyte_is_refused_before_it_is_sent() {
    let server = SERVER.alone();
    let before = server.sequence();
    let mut connection = server.connect();
    connection
        .write(&head("/accounts", "Content-Length: 1073741824"))
        .unwrap();
    connection.read().unwrap().problem(413, "body_too_large");
    assert_eq!(server.sequence(), before);
    server.account();
}

#[test]
fn a_chunked_body_is_a_body_and_has_the_same_limit() {
    let server = SERVER.alone();
    let id = server.account();
    let path = format!("/accounts/{id}/deposit");
    let mut connection = server.connect();
    connection
        .write(&head(&path, "Transfer-Encoding: chunked"))
        .unwrap();
    connection
        .write(b"5\r\n{\"amo\r\n7\r\nunt\":1}\r\n0\r\n\r\n")
        .unwrap();
    assert_eq!(connection.read().unwrap().ok()["balance"], 1);
    let before = server.sequence();
    connection
        .write(&head(&path, "Transfer-Encoding: chunked"))
        .unwrap();
    send_chunks(&mut connection, 3 * BODY_MAX).unwrap();
    connection.read().unwrap().problem(413, "body_too_large");
    // Past what is read and thrown away the server hangs up: what was sent since may be refused by
    // the system itself, the answer then with it.
    let mut connection = server.connect();
    connection
        .write(&head(&path, "Transfer-Encoding: chunked"))
        .unwrap();
    let sent = send_chunks(&mut connection, 64 * BODY_MAX);
    match connection.read() {
        Ok(answer) => drop(answer.problem(413, "body_too_large")),
        Err(_) => assert!(sent.is_err(), "64 MiB were read"),
    }
    assert_eq!(server.sequence(), before);
    assert_eq!(server.balance(&id), 1);
}

#[test]
fn lengths_that_contradict_each_other_are_refused() {
    let server = SERVER.alone();
    let id = server.account();
    let path = format!("/accounts/{id}/deposit");
    let before = server.sequence();
    for wrong in [
        "Content-Length: 12\r\nTransfer-Encoding: chunked",
        "Content-Length: 12\r\nContent-Length: 13",
        "Content-Length: -12",
        "Content-Length: 0x0c",
        "Transfer-Encoding: gzip",
    ] {
        let mut connection = server.connect();
        connection.write(&head(&path, wrong)).unwrap();
        // The server may have answered and hung up before all was sent.
        let _ = connection
            .write(b"{\"amount\":1}")
            .and_then(|()| connection.finish());
        if let Ok(answer) = connection.read() {
            assert!((400..500).contains(&answer.status), "{wrong}: {answer:?}");
        }
        assert_eq!(server.sequence(), before, "{wrong}");
    }
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
    // An altered one may still be well formed; it never breaks the list.
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

/// Every command that takes a body, with all its required fields and no other.
fn commands(id: &str, other: &str) -> Vec<(&'static str, String, Value)> {
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

fn head(path: &str, header: &str) -> Vec<u8> {
    let fixed = "Host: florin\r\nContent-Type: application/json";
    format!("POST {path} HTTP/1.1\r\n{fixed}\r\n{header}\r\n\r\n").into_bytes()
}

fn send_chunks(connection: &mut Connection, length: usize) -> std::io::Result<()> {
    let mut chunk = b"10000\r\n".to_vec();
    chunk.extend([b' '; 0x10000]);
    chunk.extend(b"\r\n");
    for _ in 0..length / 0x10000 {
        connection.write(&chunk)?;
    }
    connection.write(b"0\r\n\r\n")
}
