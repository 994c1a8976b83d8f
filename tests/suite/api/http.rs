//! Properties of every answer, whatever the request.

use florin_tests::bank::{UNKNOWN_ID, is_id, text};
use florin_tests::http::Request;
use florin_tests::server::Shared;
use serde_json::{Value, json};

static SERVER: Shared = Shared::new();

#[test]
fn a_path_that_is_none_is_no_route() {
    let server = SERVER.server();
    for path in [
        "/nothing",
        "/accounts//",
        "//accounts",
        "/Accounts",
        "/accounts/7/nothing",
        "/accounts/7/deposit/more",
        "/health/dead",
        "/transfers/7/nothing",
        "/ledger",
        "/admin",
        "/operators",
        "/problems/no-such-code",
        "/accounts%2f7",
        "/../etc/passwd",
        "/docs/../accounts/7/x",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            server
                .send(&Request::new(method, path))
                .problem(404, "route_not_found");
        }
    }
}

#[test]
fn a_detail_has_no_characters_that_hide_or_reorder_a_part_of_it() {
    let server = SERVER.server();
    let odd = "a\u{202e}b\u{9b}c\u{200b}d";
    for request in [
        Request::post("/accounts", &json!({odd: 1})),
        Request::post(
            "/accounts",
            &json!({"holder_name": "Ada", "country_code": odd}),
        ),
        Request::post("/transfers", &json!({"from": odd, "to": odd, "amount": 1})),
        Request::get("/accounts?a%E2%80%AEb=1"),
        Request::get("/accounts?status=a%E2%80%AEb"),
    ] {
        let problem = server.send(&request);
        assert_eq!(problem.status, 400, "{}", problem.text());
        let text = problem.text();
        assert!(
            !text.contains(['\u{202e}', '\u{9b}', '\u{200b}']),
            "{text:?}"
        );
    }
}

#[test]
fn a_method_that_a_route_does_not_have_is_told_which_it_has() {
    let server = SERVER.server();
    let id = server.account();
    for (method, path, allowed) in [
        ("PUT", "/accounts".to_owned(), &["GET", "POST"][..]),
        ("DELETE", "/accounts".to_owned(), &["GET", "POST"]),
        (
            "PUT",
            format!("/accounts/{id}"),
            &["GET", "PATCH", "DELETE"],
        ),
        (
            "POST",
            format!("/accounts/{id}"),
            &["GET", "PATCH", "DELETE"],
        ),
        ("GET", format!("/accounts/{id}/deposit"), &["POST"]),
        ("GET", format!("/accounts/{id}/withdraw"), &["POST"]),
        ("POST", format!("/accounts/{id}/transactions"), &["GET"]),
        ("PUT", "/transfers".to_owned(), &["POST"]),
        ("DELETE", format!("/transfers/{UNKNOWN_ID}"), &["GET"]),
        ("PATCH", "/accounts/transfer".to_owned(), &["POST"]),
        ("POST", "/ledger/trial-balance".to_owned(), &["GET"]),
        ("POST", "/health".to_owned(), &["GET"]),
        ("DELETE", "/metrics".to_owned(), &["GET"]),
        ("POST", "/openapi.json".to_owned(), &["GET"]),
        ("FROB", "/accounts".to_owned(), &["GET", "POST"]),
    ] {
        let answer = server.send(&Request::new(method, &path));
        answer.problem(405, "method_not_allowed");
        let allow = answer.header("allow").unwrap_or_default();
        let named: Vec<&str> = allow.split(',').map(str::trim).collect();
        for method in allowed {
            assert!(named.contains(method), "{path} allows {allow}");
        }
        assert!(!named.contains(&method), "{path} allows {allow}");
    }
    assert_eq!(server.read(&id)["version"], 1);
}

#[test]
fn a_request_id_is_echoed() {
    let server = SERVER.server();
    let long = "x".repeat(128);
    for id in ["abc-123", "01J", "!~", &long] {
        for request in [
            Request::get("/health"),
            Request::get("/nothing"),
            Request::get(&format!("/accounts/{UNKNOWN_ID}")),
            Request::new("PUT", "/accounts"),
            Request::post("/accounts", &json!({})),
            Request::get("/metrics"),
            Request::get("/docs"),
        ] {
            let answer = server.send(&request.header("X-Request-Id", id));
            assert_eq!(answer.header("x-request-id"), Some(id));
        }
    }
}

#[test]
fn a_request_without_a_usable_id_gets_one() {
    let server = SERVER.server();
    let long = "x".repeat(129);
    let mut seen = vec![];
    for id in [
        None,
        Some(""),
        Some("a b"),
        Some("\u{e9}"),
        Some(long.as_str()),
    ] {
        let request = Request::get("/accounts");
        let answer = server.send(&match id {
            Some(id) => request.header("X-Request-Id", id),
            None => request,
        });
        let made = answer.header("x-request-id").unwrap_or_default().to_owned();
        assert!(is_id(&made), "{id:?}: {made:?}");
        assert!(!seen.contains(&made));
        seen.push(made);
    }
}

#[test]
fn a_trace_goes_on() {
    let server = SERVER.server();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let given = format!("00-{trace}-00f067aa0ba902b7-01");
    let answer = server.send(&Request::get("/accounts").header("traceparent", &given));
    answer.ok();
    let out = answer.header("traceparent").unwrap_or_default();
    assert!(out.starts_with(&format!("00-{trace}-")), "{out:?}");
    for wrong in [
        "",
        "00",
        "00-xyz",
        &format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
        &"f".repeat(999),
    ] {
        server
            .send(&Request::get("/accounts").header("traceparent", wrong))
            .ok();
    }
}

#[test]
fn the_docs_need_nothing_from_elsewhere() {
    let server = SERVER.server();
    let docs = server.get("/docs");
    assert_eq!(docs.status, 200, "{}", docs.text());
    assert!(
        docs.header("content-type")
            .unwrap_or_default()
            .starts_with("text/html")
    );
    let page = docs.text().to_lowercase();
    for from_elsewhere in [
        "src=\"http",
        "href=\"http",
        "src=\"//",
        "href=\"//",
        "@import",
        "url(http",
        "url(//",
        "cdn.",
    ] {
        assert!(!page.contains(from_elsewhere), "{from_elsewhere} in /docs");
    }
    // The files that the page loads are served here too.
    for attribute in ["src=\"", "href=\""] {
        for (at, found) in page.match_indices(attribute) {
            let rest = &page[at + found.len()..];
            let target = &rest[..rest.find('"').unwrap()];
            if target.starts_with('/') {
                let answer = server.get(target.split('#').next().unwrap());
                assert_eq!(answer.status, 200, "{target}");
            }
        }
    }
}

#[test]
fn the_docs_name_every_route() {
    let server = SERVER.server();
    let page = server.get("/docs").text();
    let openapi = server.get("/openapi.json").ok();
    for path in openapi["paths"].as_object().unwrap().keys() {
        let linked = page.contains(path.as_str()) || page.contains("/openapi.json");
        assert!(linked, "{path} is not in /docs");
    }
}

#[test]
fn every_problem_has_a_page_that_names_it() {
    let server = SERVER.server();
    let codes = [
        "invalid_request",
        "invalid_id",
        "invalid_cursor",
        "not_found",
        "route_not_found",
        "method_not_allowed",
        "account_deleted",
        "account_frozen",
        "balance_not_zero",
        "version_mismatch",
        "body_too_large",
        "unsupported_media_type",
        "insufficient_funds",
        "balance_limit_exceeded",
        "currency_mismatch",
        "same_account",
        "idempotency_key_reused",
        "actor_faulted",
        "overloaded",
        "actor_quarantined",
        "disk_low",
        "view_behind",
        "shutting_down",
        "outcome_unknown",
        "confirmation_timeout",
    ];
    for code in codes {
        let page = server.get(&format!("/problems/{}", code.replace('_', "-")));
        assert_eq!(page.status, 200, "{code}");
        assert!(page.text().contains(code), "{code}: {}", page.text());
    }
}

#[test]
fn health_is_told_in_three_depths() {
    let server = SERVER.alone();
    server.account_of(1);
    assert_eq!(server.get("/health/live").ok()["status"], "ok");
    assert_eq!(server.get("/health/ready").ok()["status"], "ready");
    let health = server.get("/health").ok();
    assert_eq!(health["status"], "ok", "{health}");
    assert_eq!(health["journal"]["durable_sequence"], server.sequence());
    let head = text(&health["journal"], "head");
    assert!(
        head.len() == 64 && head.bytes().all(|b| b.is_ascii_hexdigit()),
        "{health}"
    );
    assert!(
        health["disk"]["free_bytes"]
            .as_u64()
            .is_some_and(|free| free > 0),
        "{health}"
    );
    assert!(health["views"]["lag_records"].is_u64(), "{health}");
}

#[test]
fn actors_are_shown_to_operators() {
    let server = SERVER.server();
    let id = server.account_of(1);
    let actors = server.list("/admin/actors?limit=1000");
    let own = actors
        .iter()
        .find(|actor| actor["id"] == id.as_str())
        .expect("its actor");
    assert_eq!(
        (&own["kind"], &own["state"]),
        (&json!("account"), &json!("live"))
    );
    assert_eq!(
        (&own["version"], &own["restarts"], &own["last_fault"]),
        (&json!(2), &json!(0), &Value::Null)
    );
    let found = |query: &str| server.list(&format!("/admin/actors?limit=1000&{query}"));
    assert!(
        found("kind=account")
            .iter()
            .any(|actor| actor["id"] == id.as_str())
    );
    assert!(
        found("kind=account&state=live")
            .iter()
            .any(|actor| actor["id"] == id.as_str())
    );
    assert!(
        found("kind=external")
            .iter()
            .all(|actor| actor["kind"] == "external")
    );
    assert_eq!(found("state=quarantined"), Vec::<Value>::new());
    for wrong in ["kind=nobody", "state=asleep"] {
        server
            .get(&format!("/admin/actors?{wrong}"))
            .problem(400, "invalid_request");
    }
}
