//! The opening of a WebSocket (RFC 6455): what a request must ask, and the answer that opens one.
//! What is then said goes over the connection itself, in `server/talk.rs`.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream::{BoxStream, Stream, StreamExt as _};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use warp::http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderName, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use warp::http::{HeaderMap, HeaderValue, StatusCode};
use warp::reply::Response;

use crate::body;
use crate::problem::Problem;

/// The one version of the protocol.
const VERSION: &str = "13";
/// How many bytes a key stands for.
const KEY_BYTES: usize = 16;

/// A text to send.
#[derive(Debug)]
pub struct Message {
    /// The text.
    pub text: String,
    /// Whether all is said with it.
    pub is_last: bool,
}

/// What is to be said over a connection that was opened: the answer that opens it carries this,
/// and what a request's answer carries must be cloned and shared.
#[derive(Clone)]
pub struct Talk(Arc<Mutex<Option<BoxStream<'static, Message>>>>);

impl Talk {
    /// What is to be said; the first to ask gets it.
    pub fn take(&self) -> Option<BoxStream<'static, Message>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for Talk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Talk").finish_non_exhaustive()
    }
}

/// A request that asks for a WebSocket as it should.
#[derive(Debug)]
pub struct Opening {
    accept: HeaderValue,
}

impl Opening {
    /// Reads it; `can_upgrade`: whether its connection can become one.
    ///
    /// # Errors
    /// What is malformed, by its header.
    pub fn read(headers: &HeaderMap, can_upgrade: bool) -> Result<Self, Problem> {
        if !can_upgrade || !names(headers, &UPGRADE, "websocket") {
            let detail = "must be websocket, in HTTP/1.1: this route is a WebSocket";
            return Err(Problem::malformed("Upgrade", detail));
        }
        if !names(headers, &CONNECTION, "upgrade") {
            return Err(Problem::malformed("Connection", "must be Upgrade"));
        }
        if only(headers, &SEC_WEBSOCKET_VERSION) != Some(VERSION) {
            return Err(Problem::malformed("Sec-WebSocket-Version", "must be 13"));
        }
        if !is_own(headers) {
            let detail = "must be this server's own: pages of other sites may not listen";
            return Err(Problem::malformed("Origin", detail));
        }
        let key = only(headers, &SEC_WEBSOCKET_KEY).filter(|key| is_key(key));
        let Some(key) = key else {
            let detail = "must be there, once, 16 bytes in base64";
            return Err(Problem::malformed("Sec-WebSocket-Key", detail));
        };
        // Bytes of a body would be taken for frames.
        if body::declared_length(headers).is_some_and(|length| length > 0) {
            return Err(Problem::malformed(CONTENT_LENGTH.as_str(), "must be 0"));
        }
        if headers.contains_key(TRANSFER_ENCODING) {
            let detail = "must not be there";
            return Err(Problem::malformed(TRANSFER_ENCODING.as_str(), detail));
        }
        let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes()));
        let accept = accept.map_err(|_| Problem::malformed("Sec-WebSocket-Key", "is no key"))?;
        Ok(Self { accept })
    }

    /// The answer that opens it, with what is then said.
    pub fn answer(self, messages: impl Stream<Item = Message> + Send + 'static) -> Response {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept);
        let talk = Talk(Arc::new(Mutex::new(Some(messages.boxed()))));
        response.extensions_mut().insert(talk);
        response
    }
}

/// The version that a refused request may ask for instead.
pub fn name_version(response: &mut Response) {
    let version = HeaderValue::from_static(VERSION);
    response
        .headers_mut()
        .insert(SEC_WEBSOCKET_VERSION, version);
}

/// Whether a header's list has this word.
fn names(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter();
    let mut words = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    words.any(|one| one.trim().eq_ignore_ascii_case(word))
}

/// A header that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    let is_only = values.next().is_none();
    value.to_str().ok().filter(|_| is_only).map(str::trim)
}

/// Whether no web page asks, or one of this server's: browsers let any page open a WebSocket to any
/// server, and leave it to that to look (RFC 6455, 10.2).
fn is_own(headers: &HeaderMap) -> bool {
    if !headers.contains_key(ORIGIN) {
        return true;
    }
    let page = only(headers, &ORIGIN).and_then(|origin| origin.split_once("://"));
    match (page, only(headers, &HOST)) {
        (Some((_, page)), Some(host)) => page.eq_ignore_ascii_case(host),
        _ => false,
    }
}

fn is_key(key: &str) -> bool {
    STANDARD
        .decode(key)
        .is_ok_and(|bytes| bytes.len() == KEY_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 6455.
    const ASKED: [(&str, &str); 4] = [
        ("upgrade", "websocket"),
        ("connection", "keep-alive, Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn field(pairs: &[(&'static str, &'static str)]) -> Option<String> {
        let refused = Opening::read(&headers(pairs), true).err()?;
        refused.field().map(str::to_ascii_lowercase)
    }

    #[test]
    fn a_key_is_answered_as_the_standard_says() {
        let opening = Opening::read(&headers(&ASKED), true).unwrap();
        let response = opening.answer(futures_util::stream::empty());
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(
            response.headers()[SEC_WEBSOCKET_ACCEPT],
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
        let talk = response.extensions().get::<Talk>().unwrap();
        assert!(talk.take().is_some() && talk.take().is_none());
    }

    #[test]
    fn a_header_that_is_missing_twice_there_or_wrong_is_named() {
        for (place, (name, _)) in ASKED.iter().enumerate() {
            let mut pairs = ASKED.to_vec();
            pairs.remove(place);
            assert_eq!(field(&pairs).as_deref(), Some(*name));
            pairs.push((name, "eA=="));
            assert_eq!(field(&pairs).as_deref(), Some(*name));
        }
        for (name, value) in [
            ("sec-websocket-key", ASKED[3].1),
            ("content-length", "1"),
            ("transfer-encoding", "chunked"),
        ] {
            let mut pairs = ASKED.to_vec();
            pairs.push((name, value));
            assert_eq!(field(&pairs).as_deref(), Some(name));
        }
        assert!(Opening::read(&headers(&ASKED), false).is_err());
    }

    #[test]
    fn a_page_of_another_site_may_not_listen() {
        let from = |origin, host| {
            let mut pairs = ASKED.to_vec();
            pairs.extend([("origin", origin), ("host", host)]);
            field(&pairs)
        };
        assert_eq!(
            from("http://Florin.example:8080", "florin.example:8080"),
            None
        );
        for origin in [
            "http://evil.example",
            "http://florin.example",
            "http://florin.example:8080.evil.example",
            "null",
            "",
        ] {
            let refused = from(origin, "florin.example:8080");
            assert_eq!(refused.as_deref(), Some("origin"), "{origin}");
        }
        let mut twice = ASKED.to_vec();
        twice.extend([
            ("host", "a"),
            ("origin", "http://a"),
            ("origin", "http://b"),
        ]);
        assert_eq!(field(&twice).as_deref(), Some("origin"));
    }
}
