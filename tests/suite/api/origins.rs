//! Requests for another host, or from a web page of another origin, are refused on every route.
//! There is no authentication, so a browser on this machine must not execute the requests of
//! foreign pages.

use florin_tests::bank::text;
use florin_tests::http::Request;
use florin_tests::server::{Server, Shared};
use florin_tests::websocket;
use serde_json::json;

static SERVER: Shared = Shared::new();

/// Returns every route that the server describes, with an account's id where one is needed.
fn routes(server: &Server, account: &str) -> Vec<(String, String)> {
    let document = server.get("/openapi.json").ok();
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            if !["get", "post", "patch", "delete", "put"].contains(&method.as_str()) {
                continue;
            }
            let path = path
                .replace("{kind}", "account")
                .replace("{schema}", "florin.wallet.created.v1.json")
                .replace("{code}", "disk-low")
                .split('/')
                .map(|part| if part.starts_with('{') { account } else { part })
                .collect::<Vec<_>>()
                .join("/");
            routes.push((method.to_uppercase(), path));
        }
    }
    assert!(routes.len() > 40, "{routes:?}");
    routes
}

#[test]
fn every_route_refuses_another_host_and_pages_of_other_origins_and_nothing_moves() {
    let server = SERVER.server();
    let account = server.account_of(100);
    let version = server.read(&account)["version"].clone();
    let sequence = server.sequence();
    let body = json!({"amount": 7, "from": account, "to": account});
    for (method, path) in routes(&server, &account) {
        let request = match method.as_str() {
            "GET" => Request::get(&path),
            method => Request::new(method, &path).json(&body),
        };
        let forbidden = [
            request.clone().host(Some("evil.example")),
            request.clone().host(Some("florin:8080")),
            request.clone().header("Origin", "http://evil.example"),
            request.clone().header("Origin", "null"),
            request.clone().header("Sec-Fetch-Site", "cross-site"),
            request.clone().header("Sec-Fetch-Site", "same-site"),
        ];
        for request in forbidden {
            server.send(&request).problem(403, "forbidden_origin");
        }
        server
            .send(&request.clone().host(None))
            .problem(400, "invalid_request");
        let twice = request.clone().header("Host", "localhost");
        server.send(&twice).problem(400, "invalid_request");
        let malformed = server.send(&request.host(Some("local host")));
        assert_eq!(malformed.problem(400, "invalid_request")["field"], "Host");
    }
    // A browser sends a form without a preflight request.
    let form = Request::new("POST", &format!("/accounts/{account}/withdraw"))
        .header("Sec-Fetch-Site", "cross-site")
        .header("Content-Type", "text/plain")
        .body("{\"amount\":1}");
    server.send(&form).problem(403, "forbidden_origin");
    let page = Request::post("/admin/clock/confirm", &json!({}));
    server
        .send(&page.header("Origin", "http://evil.example"))
        .problem(403, "forbidden_origin");
    assert_eq!(server.read(&account)["version"], version);
    assert_eq!(server.sequence(), sequence);
}

#[test]
fn streams_are_refused_to_pages_of_other_origins() {
    let server = SERVER.server();
    let id = server.account();
    let operation = text(&server.deposit(&id, 1).ok(), "operation_id");
    for (name, value) in [
        ("Origin", "http://evil.example"),
        ("Origin", "http://localhost:1"),
        ("Sec-Fetch-Site", "cross-site"),
    ] {
        let socket = websocket::request(&operation).header(name, value);
        server.send(&socket).problem(403, "forbidden_origin");
        let events = Request::get(&format!("/operations/{operation}/events"));
        server
            .send(&events.header(name, value))
            .problem(403, "forbidden_origin");
    }
    let own = websocket::request(&operation)
        .host(Some("127.0.0.1:8080"))
        .header("Origin", "http://127.0.0.1:8080")
        .header("Sec-Fetch-Site", "same-origin");
    let mut connection = server.connect();
    assert_eq!(connection.send(&own).unwrap().status, 101);
}

#[test]
fn the_servers_own_pages_and_other_programs_are_served() {
    let server = SERVER.server();
    let id = server.account();
    let address = server.address().to_string();
    let own = format!("http://{address}");
    for target in [
        "/docs",
        "/docs/swagger-ui.css",
        "/openapi.json",
        "/accounts",
    ] {
        let navigated = Request::get(target).host(Some(&address));
        assert_eq!(
            server
                .send(&navigated.clone().header("Sec-Fetch-Site", "none"))
                .status,
            200
        );
        let of_page = navigated.header("Sec-Fetch-Site", "same-origin");
        assert_eq!(server.send(&of_page).status, 200, "{target}");
    }
    let tried = Request::post(&format!("/accounts/{id}/deposit"), &json!({"amount": 1}))
        .host(Some(&address))
        .header("Origin", &own)
        .header("Sec-Fetch-Site", "same-origin");
    assert_eq!(server.send(&tried).ok()["balance"], 1);
    for host in [
        "localhost",
        "LOCALHOST:80",
        "127.0.0.1",
        "127.3.2.1:9",
        "[::1]:8080",
        "[::1]",
    ] {
        let request = Request::get("/health/live").host(Some(host));
        assert_eq!(server.send(&request).status, 200, "{host}");
    }
}

#[test]
fn http_1_0_needs_no_host() {
    let server = SERVER.server();
    let mut connection = server.connect();
    connection
        .write(b"GET /health/ready HTTP/1.0\r\n\r\n")
        .unwrap();
    let line = b"HTTP/1.0 200 OK";
    assert_eq!(connection.read_bytes(line.len()).unwrap(), line);
}

#[test]
fn a_request_of_its_own_page_is_passed_on_to_the_service_that_serves_it() {
    let core = Server::with(&[("services.run", "core")]);
    let url = format!("http://localhost:{}", core.address().port());
    let card = Server::with(&[("services.run", "card"), ("services.core_url", &url)]);
    let address = card.address().to_string();
    let request = Request::get("/accounts")
        .host(Some(&address))
        .header("Origin", &format!("http://{address}"))
        .header("Sec-Fetch-Site", "same-origin");
    card.send(&request).ok();
    let head = Request::new("HEAD", "/accounts");
    let length = card
        .get("/accounts")
        .header("content-length")
        .map(str::to_owned);
    let answer = card.connect().send(&head).unwrap();
    assert_eq!(answer.header("content-length").map(str::to_owned), length);
    let foreign = Request::get("/accounts").host(Some("evil.example"));
    card.send(&foreign).problem(403, "forbidden_origin");
}
