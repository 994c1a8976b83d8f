//! One request to a server that runs on this machine, and its answer.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// How long the server may take to accept the connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// The longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Posts JSON and waits for the answer, however long that takes: status and body.
///
/// # Errors
/// Nobody listens there, or what answers is no such server.
pub fn ask(address: SocketAddr, path: &str, body: &Value) -> io::Result<(u16, Value)> {
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    send(address, &(head + &body))
}

/// Gets what is at a path: status and body.
///
/// # Errors
/// Nobody listens there, or what answers is no such server.
pub fn get(address: SocketAddr, path: &str) -> io::Result<(u16, Value)> {
    send(
        address,
        &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"),
    )
}

fn send(address: SocketAddr, request: &str) -> io::Result<(u16, Value)> {
    let mut stream = TcpStream::connect_timeout(&address, CONNECT_MAX)?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    if answer.is_empty() {
        let what = "the connection ended without an answer";
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
    }
    parse(&answer)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not an answer of florin's"))
}

fn parse(answer: &[u8]) -> Option<(u16, Value)> {
    let text = std::str::from_utf8(answer).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some((status, serde_json::from_str(body).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_answer_is_none() {
        let whole = b"HTTP/1.1 409 Conflict\r\nA: b\r\n\r\n{\"code\":\"x\"}";
        let (status, body) = parse(whole).unwrap();
        assert_eq!((status, body["code"].as_str()), (409, Some("x")));
        for cut in 0..whole.len() {
            assert_eq!(parse(&whole[..cut]), None);
        }
        assert_eq!(parse(b"\xff\r\n\r\n{}"), None);
    }
}
