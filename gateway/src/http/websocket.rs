//! The opening of a WebSocket (RFC 6455): checks the request, and makes the answer that opens the
//! WebSocket. The messages are then sent over the connection itself, in `server/talk.rs`.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream::{BoxStream, Stream, StreamExt as _};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use warp::http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use warp::http::{HeaderMap, HeaderValue, StatusCode};
use warp::reply::Response;

use super::headers;
use super::problem::Problem;

/// The only version of the protocol.
const VERSION: &str = "13";
/// The length of a decoded key, in bytes.
const KEY_BYTES: usize = 16;

/// A text message to send.
#[derive(Debug)]
pub struct Message {
    /// The text.
    pub text: String,
    /// Whether this is the last message.
    pub is_last: bool,
}

/// The messages to send over an opened WebSocket. They are carried as an extension of the response,
/// and extensions must be cloneable and shareable between threads.
#[derive(Clone)]
pub struct OutgoingMessages(Arc<Mutex<Option<BoxStream<'static, Message>>>>);

impl OutgoingMessages {
    /// Returns the messages. Only the first call gets them.
    pub fn take(&self) -> Option<BoxStream<'static, Message>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for OutgoingMessages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutgoingMessages").finish_non_exhaustive()
    }
}

/// A valid request for a WebSocket.
#[derive(Debug)]
pub struct Opening {
    accept: HeaderValue,
}

impl Opening {
    /// Checks the headers of a request; `can_upgrade` says whether its connection can become a
    /// WebSocket.
    ///
    /// # Errors
    /// Returns the problem of the first header that is missing or malformed.
    pub fn read(headers: &HeaderMap, can_upgrade: bool) -> Result<Self, Problem> {
        if !can_upgrade || !names(headers, &UPGRADE, "websocket") {
            let detail = "must be websocket, in an HTTP/1.1 request: this route opens a WebSocket";
            return Err(Problem::malformed("Upgrade", detail));
        }
        if !names(headers, &CONNECTION, "upgrade") {
            return Err(Problem::malformed("Connection", "must be Upgrade"));
        }
        if only(headers, &SEC_WEBSOCKET_VERSION) != Some(VERSION) {
            return Err(Problem::malformed("Sec-WebSocket-Version", "must be 13"));
        }
        let key = only(headers, &SEC_WEBSOCKET_KEY).filter(|key| is_key(key));
        let Some(key) = key else {
            let detail = "must be given exactly once, with 16 bytes in base64";
            return Err(Problem::malformed("Sec-WebSocket-Key", detail));
        };
        // The bytes of a body would be read as frames.
        if headers::declared_length(headers).is_some_and(|length| length > 0) {
            return Err(Problem::malformed(CONTENT_LENGTH.as_str(), "must be 0"));
        }
        if headers.contains_key(TRANSFER_ENCODING) {
            let detail = "is not allowed";
            return Err(Problem::malformed(TRANSFER_ENCODING.as_str(), detail));
        }
        let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes()));
        let accept =
            accept.map_err(|_| Problem::malformed("Sec-WebSocket-Key", "is not a valid key"))?;
        Ok(Self { accept })
    }

    /// Returns the response that opens the WebSocket, with the messages to send then.
    pub fn answer(self, messages: impl Stream<Item = Message> + Send + 'static) -> Response {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept);
        let talk = OutgoingMessages(Arc::new(Mutex::new(Some(messages.boxed()))));
        response.extensions_mut().insert(talk);
        response
    }
}

/// Adds the header with the supported version to the response of a refused request.
pub fn name_version(response: &mut Response) {
    let version = HeaderValue::from_static(VERSION);
    response
        .headers_mut()
        .insert(SEC_WEBSOCKET_VERSION, version);
}

/// Returns whether the list in a header contains this word.
fn names(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter();
    let mut words = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    words.any(|one| one.trim().eq_ignore_ascii_case(word))
}

/// Returns the value of a header that is given exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    let is_only = values.next().is_none();
    value.to_str().ok().filter(|_| is_only).map(str::trim)
}

fn is_key(key: &str) -> bool {
    STANDARD
        .decode(key)
        .is_ok_and(|bytes| bytes.len() == KEY_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example request of RFC 6455.
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
        let talk = response.extensions().get::<OutgoingMessages>().unwrap();
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
}
