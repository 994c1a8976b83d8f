//! One request to a server on this machine, and its answer.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::time::timeout;
use warp::http::Request;
use warp::http::header::{CONNECTION, CONTENT_TYPE, HOST};

/// The longest time that connecting to the server may take.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// The most bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// Posts JSON and waits for the answer without a time limit. Returns the status and the body.
///
/// # Errors
/// Returns an error if no server listens at `address`, or if the answer is not one of Florin's.
pub fn ask(address: SocketAddr, path: &str, body: &Value) -> io::Result<(u16, Value)> {
    let body = Some(body.to_string());
    send(address, path, body, CONNECT_MAX, Duration::MAX)
}

/// Sends a GET request and waits for the answer without a time limit. Returns the status and the
/// body.
///
/// # Errors
/// Returns an error if no server listens at `address`, or if the answer is not one of Florin's.
pub fn get(address: SocketAddr, path: &str) -> io::Result<(u16, Value)> {
    send(address, path, None, CONNECT_MAX, Duration::MAX)
}

/// Does the same as [`get`], but `silence_max` bounds the time to connect and the time of each
/// read.
///
/// # Errors
/// Returns the errors of [`get`], and an error if connecting or a read takes longer than
/// `silence_max`.
pub fn get_within(
    address: SocketAddr,
    path: &str,
    silence_max: Duration,
) -> io::Result<(u16, Value)> {
    send(address, path, None, silence_max, silence_max)
}

fn send(
    address: SocketAddr,
    path: &str,
    body: Option<String>,
    connect_max: Duration,
    silence_max: Duration,
) -> io::Result<(u16, Value)> {
    let request = match body {
        Some(_) => Request::post(path).header(CONTENT_TYPE, "application/json"),
        None => Request::get(path),
    };
    let request = request
        .header(HOST, address.to_string())
        .header(CONNECTION, "close")
        .body(Full::from(body.unwrap_or_default()))
        .map_err(io::Error::other)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let stream = within(connect_max, TcpStream::connect(address)).await??;
        exchange(stream, request, silence_max).await
    })
}

async fn exchange(
    stream: TcpStream,
    request: Request<Full<Bytes>>,
    silence_max: Duration,
) -> io::Result<(u16, Value)> {
    let handshake = http1::handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(|error| no_answer(&error))?;
    // The task ends with the answer. An error of the connection also shows in the answer.
    tokio::spawn(async move { drop(connection.await) });
    let answer = within(silence_max, sender.send_request(request)).await?;
    let answer = answer.map_err(|error| no_answer(&error))?;
    let status = answer.status().as_u16();
    let mut body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX);
    let mut bytes = Vec::new();
    while let Some(frame) = within(silence_max, body.frame()).await? {
        let data = frame.map_err(|_| not_florin())?.into_data();
        bytes.extend(data.unwrap_or_default());
    }
    let body = serde_json::from_slice(&bytes).map_err(|_| not_florin())?;
    Ok((status, body))
}

async fn within<F: Future>(limit: Duration, work: F) -> io::Result<F::Output> {
    timeout(limit, work).await.map_err(|_| {
        let what = format!("no answer arrived within {} s", limit.as_secs());
        io::Error::new(io::ErrorKind::TimedOut, what)
    })
}

fn no_answer(error: &hyper::Error) -> io::Error {
    if error.is_incomplete_message() {
        let what = "the connection ended without an answer";
        return io::Error::new(io::ErrorKind::UnexpectedEof, what);
    }
    not_florin()
}

fn not_florin() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the answer is not from a Florin server",
    )
}

#[cfg(test)]
#[allow(
    clippy::disallowed_methods,
    reason = "the test's server is a thread of the test"
)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Returns what a client makes of a server's bytes.
    fn answered(bytes: &[u8]) -> io::Result<(u16, Value)> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 4096];
                let read = stream.read(&mut request).unwrap();
                assert!(request[..read].starts_with(b"GET /x HTTP/1.1\r\n"));
                stream.write_all(bytes).unwrap();
            });
            get(address, "/x")
        })
    }

    #[test]
    fn what_is_no_answer_is_none() {
        let whole = b"HTTP/1.1 409 Conflict\r\nA: b\r\n\r\n{\"code\":\"x\"}";
        let (status, body) = answered(whole).unwrap();
        assert_eq!((status, body["code"].as_str()), (409, Some("x")));
        for cut in 0..whole.len() {
            assert!(answered(&whole[..cut]).is_err(), "{cut}");
        }
        assert!(answered(b"\xff\r\n\r\n{}").is_err());
        let nothing = answered(b"").unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::UnexpectedEof);
    }
}
