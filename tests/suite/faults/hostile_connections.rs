//! Connections that stall, flood, break or send too fast: they don't affect other connections.

use std::io::ErrorKind;

use florin_tests::http::{Connection, Request};
use florin_tests::poll::eventually;
use florin_tests::server::{Server, Shared};
use florin_tests::sockets::{Deaf, Trickle, exchange};
use serde_json::json;

static SERVER: Shared = Shared::new();

#[test]
fn a_client_that_sends_its_head_for_ever_is_hung_up_on_while_others_are_served() {
    let server = Server::with(&[
        ("gateway.header_read_seconds_max", "1"),
        ("gateway.body_read_seconds_max", "1"),
    ]);
    let id = server.account();
    let slow_head = b"GET /accounts HTTP/1.1\r\nHost: localhost\r\nX-Slow: ".to_vec();
    let slow_body = format!(
        "POST /accounts/{id}/deposit HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: 1000\r\n\r\n{{\"amount\":1"
    );
    let mut stalled: Vec<Trickle> = [slow_head, slow_body.into_bytes()]
        .iter()
        .flat_map(|start| (0..20).map(|_| Trickle::new(server.address(), start)))
        .collect();
    let mut served = 0;
    eventually("all of them are hung up on", || {
        assert_eq!(server.get("/health/live").status, 200);
        served += 1;
        assert_eq!(server.deposit(&id, 1).ok()["balance"], served);
        stalled.retain_mut(|client| !client.is_hung_up_on());
        stalled.is_empty().then_some(())
    });
    assert_eq!(server.balance(&id), served);
}

#[test]
fn hundreds_of_idle_connections_leave_health_answering() {
    // The server must not close any of them for idleness, however slow the machine is.
    let server = Server::with(&[
        ("gateway.header_read_seconds_max", "300"),
        ("gateway.keep_alive_idle_seconds_max", "300"),
    ]);
    let mut idle: Vec<Connection> = (0..600).map(|_| server.connect()).collect();
    for connection in idle.iter_mut().step_by(2) {
        assert_eq!(
            connection
                .send(&Request::get("/health/live"))
                .unwrap()
                .status,
            200
        );
    }
    assert_eq!(
        server
            .connect()
            .send(&Request::get("/health"))
            .unwrap()
            .status,
        200
    );
    let id = server.account();
    assert_eq!(server.deposit(&id, 1).ok()["balance"], 1);
    for connection in &mut idle {
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
fn connections_past_the_limit_wait_their_turn() {
    let server = Server::with(&[("gateway.connections_max", "20")]);
    let mut held: Vec<Connection> = Vec::new();
    for _ in 0..19 {
        let mut connection = server.connect();
        assert_eq!(
            connection
                .send(&Request::get("/health/live"))
                .unwrap()
                .status,
            200
        );
        held.push(connection);
    }
    let mut waiting: Vec<Connection> = (0..40).map(|_| server.connect()).collect();
    for connection in &mut waiting {
        connection
            .write(
                &Request::get("/health/live")
                    .header("Connection", "close")
                    .bytes(),
            )
            .unwrap();
    }
    drop(held);
    for connection in &mut waiting {
        assert_eq!(connection.read().unwrap().status, 200);
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = SERVER.server();
    let id = server.account();
    let count = 60;
    let mut bytes = Vec::new();
    for n in 0..count {
        let request = match n % 3 {
            0 => Request::post(&format!("/accounts/{id}/deposit"), &json!({"amount": 1})),
            1 => Request::get(&format!("/accounts/{id}")),
            _ => Request::get("/nothing"),
        };
        bytes.extend(
            request
                .header("X-Request-Id", &format!("pipelined-{n}"))
                .bytes(),
        );
    }
    let mut connection = server.connect();
    connection.write(&bytes).unwrap();
    for n in 0..count {
        let answer = connection.read().unwrap();
        assert_eq!(
            answer.header("x-request-id"),
            Some(format!("pipelined-{n}").as_str())
        );
        match n % 3 {
            2 => drop(answer.problem(404, "route_not_found")),
            _ => assert_eq!(answer.ok()["balance"], n / 3 + 1),
        }
    }
}

#[test]
fn a_client_that_vanishes_half_way_through_its_body_has_no_effect() {
    let server = SERVER.server();
    let id = server.account();
    let whole = Request::post(&format!("/accounts/{id}/deposit"), &json!({"amount": 1})).bytes();
    for end in 1..whole.len() {
        let mut connection = server.connect();
        connection.write(&whole[..end]).unwrap();
    }
    assert_eq!(server.deposit(&id, 5).ok()["balance"], 5);
    assert_eq!(server.read(&id)["version"], 2);
}

#[test]
fn a_client_that_does_not_wait_for_its_answer_has_one_effect_at_most() {
    let server = SERVER.server();
    let id = server.account();
    let request = |n: i64| {
        let request = Request::post(&format!("/accounts/{id}/deposit"), &json!({"amount": 1}));
        request.key(&format!("hasty-{n}"))
    };
    for n in 0..50 {
        server.connect().write(&request(n).bytes()).unwrap();
    }
    for n in 0..50 {
        server.send(&request(n)).ok();
    }
    assert_eq!(server.balance(&id), 50);
}

#[test]
fn a_client_that_never_reads_its_answers_costs_little_memory_and_stops_nobody() {
    let server = Server::start();
    let request = Request::get("/openapi.json");
    let length = server.send(&request).body.len();
    let before = server.memory();
    let requests = request.bytes().repeat(1_000);
    let deaf = Deaf::send_until_full(server.address(), &requests, 1_000, 200_000);
    let sent = deaf.sent;
    assert!(
        sent * length > 1 << 28,
        "{sent} answers of {length} bytes are too few to show it"
    );
    let id = server.account_of(1);
    assert_eq!(server.balance(&id), 1);
    let grown = server.memory().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes of memory");
    deaf.hang_up();
}

#[test]
fn what_is_not_http_is_refused_and_harms_nobody() {
    let server = SERVER.server();
    let long = format!(
        "GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "a".repeat(1 << 20)
    );
    let headers = format!(
        "GET /accounts HTTP/1.1\r\n{}\r\n",
        "X-A: b\r\n".repeat(10_000)
    );
    let large = format!(
        "GET /accounts HTTP/1.1\r\nHost: localhost\r\nX-Large: {}\r\n\r\n",
        "a".repeat(1 << 21)
    );
    let inputs: [&[u8]; 10] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /accounts\r\n\r\n",
        b"GET /accounts HTTP/9.9\r\n\r\n",
        b"GET /acc\x00unts HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\0\0\0\0\0\0\0\0\r\n\r\n",
        b"GET  /accounts HTTP/1.1\r\nHost: localhost\r\n\r\n",
        long.as_bytes(),
        headers.as_bytes(),
        large.as_bytes(),
    ];
    for (number, input) in inputs.iter().enumerate() {
        let (answer, read) = exchange(server.address(), input);
        let silent = read.is_err_and(|error| {
            matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
        });
        assert!(!silent, "input {number} is kept waiting");
        assert!(
            !answer.starts_with("HTTP/1.1 2"),
            "input {number}: {answer}"
        );
        assert!(
            !answer.starts_with("HTTP/1.1 5"),
            "input {number}: {answer}"
        );
        assert_eq!(server.get("/health/live").status, 200);
    }
}
