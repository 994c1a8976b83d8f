//! Connections that clients keep open: an answer either leaves its connection ready for the next
//! request, or says that it closes. It is complete in either case.

use florin_tests::bank::{UNKNOWN_ID, text};
use florin_tests::http::{Connection, Request, Response};
use florin_tests::server::{Server, Shared};
use florin_tests::sockets::{Deaf, exchange};
use serde_json::json;

static SERVER: Shared = Shared::new();

/// Returns requests whose answers do not depend on their bodies.
fn unread(account: &str) -> Vec<(&'static str, String, u16)> {
    vec![
        ("PUT", "/accounts".into(), 405),
        ("POST", "/nothing".into(), 404),
        ("POST", "/accounts/7/deposit".into(), 400),
        ("PATCH", "/wallets/7".into(), 400),
        ("OPTIONS", "/accounts".into(), 405),
        ("HEAD", "/health/live".into(), 200),
        ("GET", "/health/live".into(), 200),
        ("GET", "/accounts".into(), 200),
        ("GET", format!("/accounts/{account}"), 200),
        ("GET", format!("/accounts/{UNKNOWN_ID}"), 404),
        ("GET", "/openapi.json".into(), 200),
        ("GET", "/admin/events".into(), 200),
        ("DELETE", "/health".into(), 405),
        ("TRACE", "/accounts".into(), 405),
    ]
}

/// Returns the same request with its body in chunks.
fn chunked(request: Request, body: &[u8]) -> Vec<u8> {
    let mut bytes = request.header("Transfer-Encoding", "chunked").bytes();
    for part in body.chunks(7_000) {
        bytes.extend(format!("{:x}\r\n", part.len()).into_bytes());
        bytes.extend(part);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

fn read(connection: &mut Connection, method: &str) -> Response {
    let answer = match method {
        "HEAD" => connection.read_head(),
        _ => connection.read(),
    };
    answer.unwrap_or_else(|error| panic!("{method}: {error}"))
}

#[test]
fn an_answer_that_does_not_wait_for_the_body_leaves_the_connection_ready() {
    let server = SERVER.server();
    let account = server.account();
    let mut connection = server.connect();
    for bytes in [2, 70_000, 900_000] {
        let body = vec![b' '; bytes];
        for (method, path, status) in unread(&account) {
            for in_chunks in [false, true] {
                let request = Request::new(method, &path);
                let whole = if in_chunks {
                    chunked(request, &body)
                } else {
                    request.body(body.clone()).bytes()
                };
                // Head and body are sent separately.
                let head = whole.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
                connection.write(&whole[..head]).unwrap();
                connection.write(&whole[head..]).unwrap();
                let answer = read(&mut connection, method);
                let asked = format!("{method} {path} with {bytes} bytes");
                assert_eq!(answer.status, status, "{asked}");
                assert_eq!(answer.header("connection"), None, "{asked}");
                let next = connection.send(&Request::get("/health/live")).unwrap();
                assert_eq!(next.status, 200, "after {asked}");
            }
        }
    }
}

#[test]
fn confirming_the_clock_with_a_body_leaves_the_connection_ready() {
    let server = SERVER.server();
    let mut connection = server.connect();
    for _ in 0..3 {
        let confirm = Request::post(
            "/admin/clock/confirm",
            &json!({"reason": "a".repeat(9_000)}),
        );
        let answer = connection.send(&confirm).unwrap();
        assert_eq!(answer.header("connection"), None, "{answer:?}");
        assert_eq!(
            connection
                .send(&Request::get("/health/live"))
                .unwrap()
                .status,
            200
        );
    }
}

#[test]
fn a_route_of_a_service_that_is_elsewhere_leaves_the_connection_ready() {
    let server = Server::with(&[("services.run", "core")]);
    let mut connection = server.connect();
    for _ in 0..3 {
        let request = Request::post("/cards", &json!({"account_id": "a".repeat(100_000)}));
        let answer = connection.send(&request).unwrap();
        answer.problem(503, "service_unavailable");
        assert_eq!(answer.header("connection"), None);
    }
}

#[test]
fn a_body_that_is_too_long_to_discard_closes_the_connection_and_the_answer_is_whole() {
    let server = SERVER.server();
    let expected = server.get("/openapi.json").body;
    for (length, sent) in [
        (20 << 20, 1 << 20),
        (9 << 20, 0),
        (u64::MAX >> 1, 5_000_000),
    ] {
        let mut connection = server.connect();
        let head = Request::get("/openapi.json").header("Content-Length", &length.to_string());
        connection.write(&head.bytes()).unwrap();
        connection.write(&vec![b'x'; sent]).unwrap();
        let answer = connection.read().unwrap();
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(answer.body == expected, "the answer is cut");
        assert!(connection.read().is_err(), "the connection goes on");
    }
}

#[test]
fn a_body_that_does_not_come_is_answered_and_the_connection_says_that_it_closes() {
    let server = Server::with(&[("gateway.body_read_seconds_max", "1")]);
    let id = server.account();
    for path in [
        format!("/accounts/{id}/deposit"),
        "/nothing".into(),
        "/accounts/7/deposit".into(),
    ] {
        let request = Request::new("POST", &path)
            .header("Content-Type", "application/json")
            .header("Content-Length", "1000");
        let mut connection = server.connect();
        connection.write(&request.bytes()).unwrap();
        connection.write(b"{\"amount\":1").unwrap();
        let answer = connection.read().unwrap();
        assert!([400, 404].contains(&answer.status), "{answer:?}");
        assert_eq!(answer.header("connection"), Some("close"), "{path}");
        assert!(connection.read().is_err(), "{path}: the connection goes on");
    }
    assert_eq!(server.balance(&id), 0);
}

#[test]
fn a_badly_framed_body_is_answered_and_the_connection_says_that_it_closes() {
    let server = SERVER.server();
    let id = server.account();
    let request = Request::new("POST", &format!("/accounts/{id}/deposit"))
        .header("Content-Type", "application/json")
        .header("Transfer-Encoding", "chunked");
    let mut connection = server.connect();
    connection.write(&request.bytes()).unwrap();
    connection
        .write(b"zz\r\n{\"amount\":1}\r\n0\r\n\r\n")
        .unwrap();
    let answer = connection.read().unwrap();
    answer.problem(400, "invalid_request");
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(connection.read().is_err());
}

#[test]
fn bytes_that_are_no_request_get_their_whole_answer_however_many_they_are() {
    let server = SERVER.server();
    for size in [100_000, 3_000_000] {
        let head = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(size));
        let (answer, read) = exchange(server.address(), head.as_bytes());
        read.expect("no reset");
        assert!(answer.starts_with("HTTP/1.1 4"), "{size}: {answer}");
    }
}

/// Sends a head with `Expect: 100-continue`, and returns the status of the first answer.
fn expecting(server: &Server, request: &Request) -> (u16, Connection) {
    let mut connection = server.connect();
    connection
        .write(&request.clone().header("Expect", "100-continue").bytes())
        .unwrap();
    let status = connection.read().unwrap().status;
    (status, connection)
}

#[test]
fn a_client_is_not_told_to_send_a_body_that_its_head_already_refuses() {
    let server = SERVER.server();
    let id = server.account();
    let deposit = format!("/accounts/{id}/deposit");
    let post = |path: &str, length: &str| {
        Request::new("POST", path)
            .header("Content-Type", "application/json")
            .header("Content-Length", length)
    };
    let of_type = |kind: &str| {
        let request = Request::new("POST", &deposit).header("Content-Length", "12");
        request.header("Content-Type", kind)
    };
    for (request, status) in [
        (post("/nothing", "12"), 404),
        (post("/accounts/7/deposit", "12"), 400),
        (post(&deposit, "1048577"), 413),
        (post(&deposit, "12").host(Some("evil.example")), 403),
        (
            post(&deposit, "12").header("Origin", "http://evil.example"),
            403,
        ),
        (post(&deposit, "12").header("Idempotency-Key", "a b"), 400),
        (post(&deposit, "12").header("If-Match", "1"), 400),
        (post(&format!("{deposit}?dry=1"), "12"), 400),
        (of_type("text/plain"), 415),
        (
            Request::new("PUT", &deposit).header("Content-Length", "12"),
            405,
        ),
        (
            Request::get("/health/live").header("Content-Length", "12"),
            200,
        ),
    ] {
        let (first, mut connection) = expecting(&server, &request);
        assert_eq!(first, status, "{request:?}");
        // The server can't know whether the body follows, so it closes the connection.
        assert!(
            connection.read().is_err(),
            "{request:?}: the connection goes on"
        );
    }
    let (first, mut connection) = expecting(&server, &post(&deposit, "12"));
    assert_eq!(first, 100);
    connection.write(b"{\"amount\":1}").unwrap();
    assert_eq!(connection.read().unwrap().ok()["balance"], 1);
    assert_eq!(
        connection
            .send(&Request::get("/health/live"))
            .unwrap()
            .status,
        200
    );
}

#[test]
fn head_answers_as_get_does_without_the_body() {
    // The server isn't shared, so no other test changes the lists.
    let server = Server::start();
    let id = server.account_of(5);
    let operation = text(&server.deposit(&id, 1).ok(), "operation_id");
    let mut connection = server.connect();
    for path in [
        "/",
        "/docs",
        "/docs/swagger-ui.css",
        "/openapi.json",
        "/schemas",
        "/problems/disk-low",
        "/health/live",
        "/health/ready",
        "/accounts",
        "/accounts/7",
        "/nothing",
        &format!("/accounts/{id}"),
        &format!("/accounts/{id}/transactions"),
        &format!("/accounts/{id}/balance"),
        &format!("/accounts/{UNKNOWN_ID}"),
        &format!("/operations/{operation}"),
        &format!("/transfers?entity={id}"),
        "/ledger/trial-balance",
    ] {
        let request_id = |method: &str| Request::new(method, path).header("X-Request-Id", "same");
        let head = connection.send(&request_id("HEAD")).unwrap();
        let get = connection.send(&request_id("GET")).unwrap();
        let told = |answer: &Response| {
            let headers = answer.headers.iter();
            let mut headers: Vec<_> = headers
                // HEAD may omit the length of an empty body.
                .filter(|(name, length)| {
                    name != "date" && !(name == "content-length" && length == "0")
                })
                .cloned()
                .collect();
            headers.sort();
            headers
        };
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(told(&head), told(&get), "{path}");
    }
    let events = format!("/operations/{operation}/events");
    let head = connection.send(&Request::new("HEAD", &events)).unwrap();
    assert_eq!(head.status, 200);
    let next = connection.send(&Request::get("/health/live")).unwrap();
    assert_eq!(next.status, 200);
    let socket = format!("/operations/{operation}/ws");
    assert_eq!(server.get(&socket).status, 400);
    assert_eq!(
        connection
            .send(&Request::new("HEAD", &socket))
            .unwrap()
            .status,
        400
    );
}

#[test]
fn answers_to_head_do_not_add_up_for_a_client_that_never_reads_them() {
    let server = Server::start();
    let before = server.memory();
    let requests = Request::new("HEAD", "/health/live").bytes().repeat(1_000);
    let deaf = Deaf::send_until_full(server.address(), &requests, 1_000, 1_000_000);
    let sent = deaf.sent;
    assert!(sent < 1_000_000, "all of it was read");
    let grown = server.memory().saturating_sub(before);
    assert!(
        grown < 32 << 20,
        "{grown} bytes of memory after {sent} requests"
    );
    assert_eq!(server.get("/health/live").status, 200);
}

#[test]
fn one_slash_at_the_end_of_a_path_makes_no_difference() {
    let server = SERVER.server();
    let id = server.account_of(5);
    for path in [
        "/schemas",
        "/docs",
        "/openapi.json",
        "/accounts",
        "/health",
        &format!("/accounts/{id}"),
    ] {
        assert_eq!(server.get(path).status, 200, "{path}");
        assert_eq!(server.get(&format!("{path}/")).status, 200, "{path}/");
        server
            .get(&format!("{path}//"))
            .problem(404, "route_not_found");
    }
    let deposit = Request::post(&format!("/accounts/{id}/deposit/"), &json!({"amount": 1}));
    assert_eq!(server.send(&deposit).ok()["balance"], 6);
}

#[test]
fn the_root_leads_to_the_documentation() {
    let server = SERVER.server();
    let answer = server.get("/");
    assert_eq!(answer.status, 303);
    let target = answer.header("location").unwrap().to_owned();
    assert_eq!(server.get(&target).status, 200);
}

#[test]
fn events_are_not_held_back_by_a_proxy() {
    let server = SERVER.server();
    let id = server.account();
    let operation = text(&server.deposit(&id, 1).ok(), "operation_id");
    let answer = server.get(&format!("/operations/{operation}/events"));
    assert_eq!(answer.header("x-accel-buffering"), Some("no"));
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
}
