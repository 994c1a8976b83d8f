//! Another process of the mesh: requests that belong to its services are passed on to it, one
//! connection each, over plain HTTP/1.1.

use std::time::Duration;

use bytes::Bytes;
use florin_actors::messages::RequestId;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use warp::http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use warp::http::{HeaderMap, HeaderName, HeaderValue, Request};
use warp::reply::Response;

use crate::headers::REQUEST_ID;

/// How long a connection may take to be made.
const CONNECT_WAIT: Duration = Duration::from_secs(2);
/// The largest answer that is passed on.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Says that a request was passed on, and must not be again.
pub const FORWARDED: HeaderName = HeaderName::from_static("x-florin-forwarded");
/// What `Keep-Alive` means, a connection decides for itself.
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// Headers of one connection, not of the request (RFC 9110, 7.6.1).
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
    /// Host and port, as `Host` names them.
    authority: String,
    /// What an answer may take in all.
    wait: Duration,
}

/// Why a request was not answered by its peer.
#[derive(Debug, PartialEq, Eq)]
pub enum Failed {
    /// It never got there.
    Unreached(String),
    /// It got there, or may have: nobody knows what became of it.
    Unanswered(String),
}

impl Peer {
    /// The process that a URL names: `http://host:port`. `None` for anything else.
    pub fn parse(url: &str, wait: Duration) -> Option<Self> {
        let authority = url.strip_prefix("http://")?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let parsed: warp::http::uri::Authority = authority.parse().ok()?;
        if parsed.host().is_empty() || authority.contains('@') {
            return None;
        }
        // The colons of an IPv6 address stand in brackets.
        let names_port = authority.rsplit(']').next()?.contains(':');
        let authority = match parsed.port_u16() {
            Some(_) => authority.to_owned(),
            None if !names_port => format!("{authority}:80"),
            None => return None,
        };
        Some(Self { authority, wait })
    }

    /// Passes a request on, and its answer back.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn forward(
        &self,
        request: Request<Incoming>,
        id: &RequestId,
    ) -> Result<Response, Failed> {
        let connected = timeout(CONNECT_WAIT, TcpStream::connect(&self.authority)).await;
        let stream = match connected {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(Failed::Unreached(error.to_string())),
            Err(_) => {
                let waited = CONNECT_WAIT.as_secs();
                return Err(Failed::Unreached(format!(
                    "no connection within {waited} s"
                )));
            }
        };
        // Small requests leave at once; where the system refuses, they leave a little later.
        let _ = stream.set_nodelay(true);
        match timeout(self.wait, self.exchange(stream, request, id)).await {
            Ok(answered) => answered,
            Err(_) => {
                let waited = self.wait.as_millis();
                Err(Failed::Unanswered(format!("no answer within {waited} ms")))
            }
        }
    }

    async fn exchange(
        &self,
        stream: TcpStream,
        request: Request<Incoming>,
        id: &RequestId,
    ) -> Result<Response, Failed> {
        let unreached = |error: hyper::Error| Failed::Unreached(error.to_string());
        let unanswered = |error: hyper::Error| Failed::Unanswered(error.to_string());
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(unreached)?;
        // It ends with the answer; how, the answer tells.
        tokio::spawn(async move { drop(connection.await) });
        let request = self.addressed(request, id)?;
        let answer = sender.send_request(request).await.map_err(unanswered)?;
        let (mut parts, body) = answer.into_parts();
        drop_hop_by_hop(&mut parts.headers);
        parts.headers.remove(CONTENT_LENGTH);
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body: Bytes = match body {
            Ok(body) => body.to_bytes(),
            Err(error) => return Err(Failed::Unanswered(error.to_string())),
        };
        Ok(Response::from_parts(parts, body.into()))
    }

    /// The request as the peer is to get it.
    fn addressed(
        &self,
        request: Request<Incoming>,
        id: &RequestId,
    ) -> Result<Request<Incoming>, Failed> {
        let unreached = |error: &dyn std::fmt::Display| Failed::Unreached(error.to_string());
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
        // The body is asked for already.
        headers.remove(EXPECT);
        let value = |text: &str| HeaderValue::from_str(text).map_err(|error| unreached(&error));
        headers.insert(HOST, value(&self.authority)?);
        headers.insert(REQUEST_ID, value(&id.to_string())?);
        headers.insert(FORWARDED, HeaderValue::from_static("1"));
        *request.headers_mut() = headers;
        Ok(request)
    }
}

/// Drops what is of one connection only: the known ones, and those that `Connection` names.
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
