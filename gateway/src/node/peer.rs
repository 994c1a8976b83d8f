//! A peer: another process whose services don't run here. Requests for its services are forwarded
//! to it over plain HTTP/1.1, each on a connection of its own.

use std::time::Duration;

use bytes::Bytes;
use florin_actors::messages::RequestId;
use http_body_util::{BodyExt as _, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use warp::http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, ORIGIN, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use warp::http::{HeaderMap, HeaderName, HeaderValue, Request};
use warp::reply::Response;

use crate::http::RequestBody;
use crate::http::headers::REQUEST_ID;
use crate::http::origin::{SEC_FETCH_SITE, is_loopback};

/// The longest time that connecting to the peer may take.
const CONNECT_WAIT: Duration = Duration::from_secs(2);
/// The largest body of an answer that is forwarded.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// The header that marks a forwarded request. Such a request must not be forwarded again.
pub const FORWARDED: HeaderName = HeaderName::from_static("x-florin-forwarded");
/// `Keep-Alive`, which concerns a single connection.
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// The headers that concern one connection, not the request (RFC 9110, 7.6.1).
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Another process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The host and the port, as written in `Host`.
    authority: String,
    /// The longest time from a request to the end of its answer.
    wait: Duration,
}

/// The reason why a peer did not answer a request.
#[derive(Debug, PartialEq, Eq)]
pub enum PeerFailure {
    /// The request did not reach the peer.
    Unreached(String),
    /// The request reached the peer, or may have reached it. Its outcome is unknown.
    Unanswered(String),
}

impl Peer {
    /// Returns the peer at a URL of the form `http://host:port`, or `None` for any other text.
    pub fn parse(url: &str, wait: Duration) -> Option<Self> {
        let authority = url.strip_prefix("http://")?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let parsed: warp::http::uri::Authority = authority.parse().ok()?;
        if parsed.host().is_empty() || authority.contains('@') {
            return None;
        }
        // The colons of an IPv6 address are inside brackets, so a colon after them belongs to a
        // port.
        let names_port = authority.rsplit(']').next()?.contains(':');
        let authority = match parsed.port_u16() {
            Some(_) => authority.to_owned(),
            None if !names_port => format!("{authority}:80"),
            None => return None,
        };
        Some(Self { authority, wait })
    }

    /// Forwards a request, and returns the peer's answer.
    ///
    /// # Errors
    /// Returns an error if there is no answer.
    pub async fn forward(
        &self,
        request: Request<RequestBody>,
        id: &RequestId,
    ) -> Result<Response, PeerFailure> {
        let connected = timeout(CONNECT_WAIT, TcpStream::connect(&self.authority)).await;
        let stream = match connected {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(PeerFailure::Unreached(error.to_string())),
            Err(_) => {
                let waited = CONNECT_WAIT.as_secs();
                return Err(PeerFailure::Unreached(format!(
                    "no connection within {waited} s"
                )));
            }
        };
        // This lets small requests leave at once. If the system refuses, they leave a little later.
        let _ = stream.set_nodelay(true);
        match timeout(self.wait, self.exchange(stream, request, id)).await {
            Ok(answered) => answered,
            Err(_) => {
                let waited = self.wait.as_millis();
                Err(PeerFailure::Unanswered(format!(
                    "no answer within {waited} ms"
                )))
            }
        }
    }

    async fn exchange(
        &self,
        stream: TcpStream,
        request: Request<RequestBody>,
        id: &RequestId,
    ) -> Result<Response, PeerFailure> {
        let unreached = |error: hyper::Error| PeerFailure::Unreached(error.to_string());
        let unanswered = |error: hyper::Error| PeerFailure::Unanswered(error.to_string());
        let host = self.host(&stream);
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(unreached)?;
        // The task ends with the answer. An error of the connection also shows in the answer.
        tokio::spawn(async move { drop(connection.await) });
        let request = addressed(request, &host, id)?;
        let answer = sender.send_request(request).await.map_err(unanswered)?;
        let (mut parts, body) = answer.into_parts();
        drop_hop_by_hop(&mut parts.headers);
        parts.headers.remove(CONTENT_LENGTH);
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body: Bytes = match body {
            Ok(body) => body.to_bytes(),
            Err(error) => return Err(PeerFailure::Unanswered(error.to_string())),
        };
        Ok(Response::from_parts(parts, body.into()))
    }

    /// Returns the `Host` for the peer. A peer accepts only loopback names and addresses, but may
    /// be configured here under another name that resolves to a loopback address.
    fn host(&self, stream: &TcpStream) -> String {
        match stream.peer_addr() {
            Ok(address) if address.ip().is_loopback() && !is_loopback(&self.authority) => {
                address.to_string()
            }
            _ => self.authority.clone(),
        }
    }
}

/// Returns the request in the form that the peer gets.
fn addressed(
    request: Request<RequestBody>,
    host: &str,
    id: &RequestId,
) -> Result<Request<RequestBody>, PeerFailure> {
    let unreached = |error: &dyn std::fmt::Display| PeerFailure::Unreached(error.to_string());
    let (parts, body) = request.into_parts();
    let target = parts
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let mut request = Request::builder()
        .method(parts.method)
        .uri(target)
        .body(body)
        .map_err(|error| unreached(&error))?;
    let mut headers = parts.headers;
    drop_hop_by_hop(&mut headers);
    // The client has already been asked for the body.
    headers.remove(EXPECT);
    // These name this process's own host, and were checked here.
    headers.remove(ORIGIN);
    headers.remove(SEC_FETCH_SITE);
    let value = |text: &str| HeaderValue::from_str(text).map_err(|error| unreached(&error));
    headers.insert(HOST, value(host)?);
    headers.insert(REQUEST_ID, value(&id.to_string())?);
    headers.insert(FORWARDED, HeaderValue::from_static("1"));
    *request.headers_mut() = headers;
    Ok(request)
}

/// Removes the headers that concern one connection: the known ones, and those that `Connection`
/// names.
fn drop_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_a_plain_address() {
        let of = |url: &str| Peer::parse(url, Duration::from_secs(1)).map(|peer| peer.authority);
        assert_eq!(
            of("http://127.0.0.1:8081").as_deref(),
            Some("127.0.0.1:8081")
        );
        assert_eq!(of("http://core:8081/").as_deref(), Some("core:8081"));
        assert_eq!(of("http://core").as_deref(), Some("core:80"));
        assert_eq!(of("http://[::1]:9").as_deref(), Some("[::1]:9"));
        for url in [
            "",
            "core:8081",
            "https://core",
            "http://",
            "http://core/x",
            "http://core:x",
            "http://core:",
            "http://u:p@core",
            "http://core:99999",
        ] {
            assert_eq!(of(url), None, "{url}");
        }
    }

    #[test]
    fn what_is_of_one_connection_is_dropped() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Own"),
            ("x-own", "1"),
            ("te", "trailers"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("traceparent", "t"),
            ("idempotency-key", "k"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        drop_hop_by_hop(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["idempotency-key", "traceparent"]);
    }
}
