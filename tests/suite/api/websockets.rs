//! `GET /operations/{id}/ws`: following an operation over a WebSocket.

use std::time::{Duration, Instant};

use florin_tests::bank::{UNKNOWN_ID, text};
use florin_tests::executable::STOP_BOUND;
use florin_tests::faulty::Switch;
use florin_tests::http::{Client, Request};
use florin_tests::server::Shared;
use florin_tests::websocket::{self, CLOSE, PING, PONG, Socket};
use rustix::process::Signal;
use serde_json::Value;

use crate::faults::switched::{Faulty, deposit};

static SERVER: Shared = Shared::new();

/// The codes of close frames.
const NORMAL: u16 = 1000;
const AWAY: u16 = 1001;
const PROTOCOL: u16 = 1002;
const SIZE: u16 = 1009;

/// Returns a decided operation.
#[track_caller]
fn decided(client: &Client, account: &str) -> Value {
    let made = client.send(&deposit(account, 7)).ok();
    let id = text(&made, "operation_id");
    client.get(&format!("/operations/{id}")).ok()
}

/// Makes an operation that stays pending while the journal is blocked.
#[track_caller]
fn held(client: &Client, account: &str) -> String {
    let request = deposit(account, 7).header("Prefer", "wait=1");
    let problem = client.send(&request).problem(504, "confirmation_timeout");
    text(&problem, "operation_id")
}

#[test]
fn what_was_decided_is_told_once_and_then_it_closes() {
    let server = SERVER.server();
    let operation = decided(&server, &server.account());
    let mut socket = Socket::open(&server, &text(&operation, "operation_id"));
    assert_eq!(socket.json(), operation);
    assert_eq!(socket.closed(), NORMAL);
}

#[test]
fn what_is_pending_is_told_and_told_again_when_it_is_decided() {
    let faulty = Faulty::start(&[]);
    let account = faulty.server.account();
    Switch::HoldJournal.on(faulty.switches());
    let id = held(&faulty.server, &account);
    let mut sockets: Vec<Socket> = (0..20).map(|_| Socket::open(&faulty.server, &id)).collect();
    for socket in &mut sockets {
        assert_eq!(socket.json()["status"], "pending");
    }
    // The server ignores the content of a client's frames, except for pings.
    for kind in [1, 2, PONG] {
        sockets[0].send(kind, b"hello").unwrap();
    }
    sockets[0].send(PING, b"there?").unwrap();
    let pong = sockets[0].frame().unwrap();
    assert_eq!((pong.kind, &*pong.payload), (PONG, &b"there?"[..]));
    assert!(sockets.iter_mut().all(Socket::is_silent));
    // Some clients leave, with or without a close frame.
    let mut leaving = sockets.split_off(10);
    leaving[0].send(CLOSE, &NORMAL.to_be_bytes()).unwrap();
    assert_eq!(leaving[0].closed(), NORMAL);
    drop(leaving);
    Switch::HoldJournal.off(faulty.switches());
    for socket in &mut sockets {
        let told = socket.json();
        assert_eq!(told["status"], "completed");
        let path = format!("/operations/{id}");
        assert_eq!(told, faulty.server.get(&path).ok());
        assert_eq!(socket.closed(), NORMAL);
    }
}

#[test]
fn a_client_that_does_not_wait_for_the_answer_is_hung_up_on() {
    let server = SERVER.server();
    let operation = decided(&server, &server.account());
    let id = text(&operation, "operation_id");
    let mut bytes = websocket::request(&id).bytes();
    // This is a close frame without a reason, masked with zeros.
    bytes.extend([0x80 | CLOSE, 0x80, 0, 0, 0, 0]);
    let mut connection = server.connect();
    connection.write(&bytes).unwrap();
    // A frame that was sent before the handshake's answer is not read.
    assert_eq!(connection.read().unwrap().status, 101);
    let next = connection.read();
    assert!(next.is_err(), "{next:?}");
    assert_eq!(server.get("/health/live").status, 200);
}

#[test]
fn what_is_no_opening_is_refused_as_any_request() {
    let server = SERVER.server();
    let operation = decided(&server, &server.account());
    let id = text(&operation, "operation_id");
    let path = format!("/operations/{id}/ws");
    let plain = server.get(&path);
    let problem = plain.problem(400, "invalid_request");
    assert_eq!(problem["field"], "Upgrade");
    assert_eq!(plain.header("sec-websocket-version"), Some("13"));
    let open = |version: &str, key: &str| {
        Request::get(&path)
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", version)
            .header("Sec-WebSocket-Key", key)
    };
    let key = "AAAAAAAAAAAAAAAAAAAAAA==";
    for (request, field) in [
        (open("8", key), "Sec-WebSocket-Version"),
        (open("13", "short"), "Sec-WebSocket-Key"),
        (open("13", key).body("{}"), "content-length"),
    ] {
        let problem = server.send(&request).problem(400, "invalid_request");
        assert_eq!(problem["field"], field);
    }
    let old = String::from_utf8(websocket::request(&id).bytes()).unwrap();
    let mut connection = server.connect();
    let old = old.replace("HTTP/1.1", "HTTP/1.0");
    connection.write(old.as_bytes()).unwrap();
    let line = b"HTTP/1.0 400 Bad Request";
    assert_eq!(connection.read_bytes(line.len()).unwrap(), line);
    server
        .send(&websocket::request(UNKNOWN_ID))
        .problem(404, "not_found");
    server
        .send(&websocket::request("7"))
        .problem(400, "invalid_id");
    server
        .post(&path, &Value::Null)
        .problem(405, "method_not_allowed");
}

#[test]
fn frames_that_are_too_long_or_malformed_close_it_and_take_no_memory() {
    let faulty = Faulty::start(&[]);
    let account = faulty.server.account();
    Switch::HoldJournal.on(faulty.switches());
    let id = held(&faulty.server, &account);
    let before = faulty.server.memory();
    for length in [4_097, 100_000_000, u64::MAX >> 1] {
        let mut socket = Socket::open(&faulty.server, &id);
        socket.json();
        socket.begin(2, length).unwrap();
        assert_eq!(socket.closed(), SIZE, "{length}");
    }
    let mut flooding = Socket::open(&faulty.server, &id);
    flooding.begin(2, 100_000_000).unwrap();
    let some = vec![0; 1 << 20];
    let sent = (0..100).take_while(|_| flooding.write(&some).is_ok());
    assert!(sent.count() < 100, "all of it was read");
    // These frames are unmasked, of an unknown type, with an extension bit, and a ping that is too
    // long.
    let long_ping = [&[0x89, 0xfe, 0, 126][..], &[0; 130]].concat();
    for bytes in [
        &[0x81, 1, b'x'][..],
        &[0x83, 0x80, 0, 0, 0, 0],
        &[0xc1, 0x80, 0, 0, 0, 0],
        &long_ping,
    ] {
        let mut socket = Socket::open(&faulty.server, &id);
        socket.json();
        socket.write(bytes).unwrap();
        assert_eq!(socket.closed(), PROTOCOL, "{bytes:?}");
    }
    let taken = faulty.server.memory().saturating_sub(before);
    assert!(taken < 16 << 20, "{taken} bytes");
    Switch::HoldJournal.off(faulty.switches());
}

#[test]
fn a_client_that_is_silent_is_dropped_and_one_that_answers_is_not() {
    let faulty = Faulty::start(&[("gateway.keep_alive_idle_seconds_max", "2")]);
    let account = faulty.server.account();
    Switch::HoldJournal.on(faulty.switches());
    let id = held(&faulty.server, &account);
    let mut silent = Socket::open(&faulty.server, &id);
    let mut lively = Socket::open(&faulty.server, &id);
    assert_eq!(silent.json()["status"], "pending");
    assert_eq!(lively.json()["status"], "pending");
    for _ in 0..4 {
        let frame = lively.frame().unwrap();
        assert_eq!(frame.kind, PING);
        lively.send(PONG, &frame.payload).unwrap();
    }
    assert_eq!(silent.frame().unwrap().kind, PING);
    assert!(silent.frame().is_err(), "it was not dropped");
    Switch::HoldJournal.off(faulty.switches());
    assert_eq!(lively.json()["status"], "completed");
    assert_eq!(lively.closed(), NORMAL);
}

#[test]
fn many_that_listen_are_cheap_and_do_not_hold_up_a_stop() {
    let mut faulty = Faulty::start(&[]);
    let account = faulty.server.account();
    Switch::HoldJournal.on(faulty.switches());
    let id = held(&faulty.server, &account);
    let before = faulty.server.memory();
    let count = 700;
    let mut sockets: Vec<Socket> = (0..count)
        .map(|_| Socket::open(&faulty.server, &id))
        .collect();
    for socket in &mut sockets {
        assert_eq!(socket.json()["status"], "pending");
    }
    let each = faulty.server.memory().saturating_sub(before) / count;
    assert!(each < 32 << 10, "{each} bytes for each");
    assert_eq!(faulty.server.get("/health/live").status, 200);
    faulty.server.signal(Signal::TERM);
    let told = Instant::now();
    for socket in &mut sockets {
        assert_eq!(socket.closed(), AWAY);
    }
    assert!(told.elapsed() < Duration::from_secs(10));
    Switch::HoldJournal.off(faulty.switches());
    let status = faulty.server.ended_within(STOP_BOUND);
    let status = status.expect("it ends within its bound");
    assert_eq!(status.code(), Some(0), "{}", faulty.server.log());
}
