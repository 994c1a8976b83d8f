//! Bodies: their format, length and framing. A wrong one is refused and writes nothing.

use florin_tests::http::{Connection, Request};
use florin_tests::server::Shared;

use super::input::commands;

static SERVER: Shared = Shared::new();

/// The size of the largest body that is accepted by default.
const BODY_MAX: usize = 1 << 20;

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
            // All fields of a change are optional, so an empty body is a change of nothing.
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
    // Past the bytes that it reads and discards, the server closes the connection. The system may
    // then reset it because of the remaining bytes, and the answer is lost.
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
        // The server may have answered and closed the connection before everything was sent.
        let _ = connection
            .write(b"{\"amount\":1}")
            .and_then(|()| connection.finish());
        if let Ok(answer) = connection.read() {
            assert!((400..500).contains(&answer.status), "{wrong}: {answer:?}");
        }
        assert_eq!(server.sequence(), before, "{wrong}");
    }
}

fn head(path: &str, header: &str) -> Vec<u8> {
    let fixed = "Host: localhost\r\nContent-Type: application/json";
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
