//! Services in separate processes: each serves its own routes and forwards those of the others.

use florin_tests::bank::{opening, text};
use florin_tests::executable::run;
use florin_tests::http::{Client, Request};
use florin_tests::server::Server;
use serde_json::json;

fn url(server: &Client) -> String {
    format!("http://{}", server.address())
}

#[test]
fn a_process_serves_its_services_and_says_which() {
    let both = Server::start();
    assert_eq!(
        both.get("/health").ok()["services"],
        json!(["core", "card"])
    );
    for (run, named, other, setting) in [
        (
            "core",
            json!(["core"]),
            "/cards/by-account?account_id=x",
            "services.card_url",
        ),
        ("account", json!(["core"]), "/card", "services.card_url"),
        ("card", json!(["card"]), "/accounts", "services.core_url"),
    ] {
        let server = Server::with(&[("services.run", run)]);
        assert_eq!(server.get("/health").ok()["services"], named);
        let method = if other == "/card" { "POST" } else { "GET" };
        let answer = server.send(&Request::new(method, other));
        let problem = answer.problem(503, "service_unavailable");
        assert!(text(&problem, "detail").contains(setting), "{problem}");
        assert!(answer.header("retry-after").is_some());
        // Every service describes all routes.
        let described = server.get("/openapi.json").ok();
        for path in ["/accounts", "/cards"] {
            assert!(described["paths"][path].is_object(), "{run}: {path}");
        }
        server.get("/ready").problem(404, "route_not_found");
        server
            .send(&Request::new("PUT", "/cards"))
            .problem(405, "method_not_allowed");
    }
}

#[test]
fn requests_are_passed_on_with_their_ids_and_keys_and_their_answers_back() {
    let core = Server::with(&[("services.run", "core")]);
    let card = Server::with(&[("services.run", "card"), ("services.core_url", &url(&core))]);
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let open = Request::post("/accounts", &opening())
        .key("once")
        .header("X-Request-Id", "mine")
        .header("traceparent", trace)
        .header("Connection", "keep-alive, X-Hop")
        .header("X-Hop", "1");
    let opened = card.send(&open);
    let account = opened.with(201);
    assert_eq!(opened.header("x-request-id"), Some("mine"));
    assert_eq!(opened.header("traceparent"), Some(trace));
    assert!(opened.header("etag").is_some() && opened.header("location").is_some());
    let id = text(&account, "id");
    assert_eq!(core.read(&id), account);
    assert_eq!(card.read(&id), account);
    // One key opens one account, whichever process gets the request.
    let again = core.send(&open);
    assert!(again.replayed());
    assert_eq!(again.with(201), account);
    assert!(card.send(&open).replayed());
    // Refusals are forwarded unchanged.
    let problem = card.withdraw(&id, 5).problem(422, "insufficient_funds");
    assert_eq!(problem["code"], "insufficient_funds");
    card.deposit(&id, 500).ok();
    assert_eq!(core.balance(&id), 500);
    assert_eq!(card.list("/accounts?limit=1").len(), 1);
    // A missing request id is created, and is the same on both sides.
    let read = card.get(&format!("/accounts/{id}"));
    assert!(read.header("x-request-id").is_some());
    // Routes that every service has itself are not forwarded.
    assert_eq!(card.get("/health").ok()["services"], json!(["card"]));
}

#[test]
fn a_peer_that_is_away_or_the_wrong_one_is_told() {
    let core = Server::with(&[("services.run", "core")]);
    let address = url(&core);
    let card = Server::with(&[("services.run", "card"), ("services.core_url", &address)]);
    card.get("/accounts").ok();
    drop(core);
    let problem = card.get("/accounts").problem(503, "service_unavailable");
    let detail = text(&problem, "detail");
    assert!(detail.contains("services.core_url"), "{detail}");
    // The core's peer for cards is another core, which has no peer. The request must not go round
    // in circles.
    let other = Server::with(&[("services.run", "core")]);
    let wrong = Server::with(&[
        ("services.run", "core"),
        ("services.card_url", &url(&other)),
    ]);
    let asked = json!({"account_id": "x", "country": "US"});
    let problem = wrong
        .post("/cards", &asked)
        .problem(503, "service_unavailable");
    assert!(
        text(&problem, "detail").contains("services.card_url"),
        "{problem}"
    );
}

#[test]
fn an_address_that_is_none_is_refused_at_the_start() {
    for value in ["core:8081", "https://core:8081", "http://core/api"] {
        let variables = [("FLORIN__SERVICES__CORE_URL", value)];
        let refused = run(&["serve", "--services", "card", "--port", "0"], &variables);
        assert_ne!(refused.code(), Some(0));
        assert!(
            refused.output().contains("services.core_url"),
            "{refused:?}"
        );
    }
}
