//! The headers of a command: its idempotency key, its precondition, how long to wait, and the ids
//! that it belongs to.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use florin_actors::messages::{self, RequestId, TraceParent};
use warp::http::header::{CONTENT_LENGTH, IF_MATCH};
use warp::http::{HeaderMap, HeaderName};

use super::problem::Problem;

/// The header `Idempotency-Key`.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The header `Idempotent-Replayed`.
pub const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// The header `Prefer` (RFC 7240).
pub const PREFER: HeaderName = HeaderName::from_static("prefer");
/// The header `Preference-Applied` (RFC 7240).
pub const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// The header `X-Request-Id`.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header `X-Correlation-Id`.
pub const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
/// The header `traceparent` (W3C Trace Context).
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The longest wait that a request may ask for, in seconds. A longer one is shortened to this.
const WAIT_SECONDS_MAX: u64 = 30;

/// Returns the idempotency key of the header and the body. Both mean the same and must not differ.
/// The header's key may be in quotes, as in the IETF draft: `"k1"` and `k1` are the same key. The
/// body's key is taken literally.
pub fn key(headers: &HeaderMap, body: Option<Arc<str>>) -> Result<Option<Arc<str>>, Problem> {
    let mut key = body;
    for value in headers.get_all(IDEMPOTENCY_KEY) {
        let text = named_key(value.as_bytes())?;
        let text: &str = &text;
        messages::key(text).map_err(|error| Problem::malformed("Idempotency-Key", error))?;
        match &key {
            Some(known) if **known != *text => {
                let detail = "is given twice, with different values";
                return Err(Problem::malformed("Idempotency-Key", detail));
            }
            Some(_) => {}
            None => key = Some(text.into()),
        }
    }
    Ok(key)
}

/// Returns the key that a header's value names. A value that begins with a quote must be a string
/// of RFC 8941; any other value is the key itself.
fn named_key(value: &[u8]) -> Result<Cow<'_, str>, Problem> {
    let malformed = || {
        let detail =
            "begins with a quote, so it must be one string of RFC 8941, for example \"k-1\"";
        Problem::malformed("Idempotency-Key", detail)
    };
    let text = std::str::from_utf8(value).unwrap_or_default();
    let Some(quoted) = text.strip_prefix('"') else {
        return Ok(Cow::Borrowed(text));
    };
    let quoted = quoted.strip_suffix('"').ok_or_else(malformed)?;
    if !quoted.contains(['"', '\\']) {
        return Ok(Cow::Borrowed(quoted));
    }
    let mut key = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return Err(malformed()),
            '\\' => match characters.next() {
                Some(escaped @ ('"' | '\\')) => key.push(escaped),
                _ => return Err(malformed()),
            },
            other => key.push(other),
        }
    }
    Ok(Cow::Owned(key))
}

/// Returns the length that a request declares in `Content-Length`.
pub fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The condition of `If-Match` on the entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// There is no condition.
    None,
    /// The entity must exist.
    Exists,
    /// The entity must have this version.
    Version(u64),
}

/// Reads `If-Match`: `"VERSION"` or `*`.
pub fn precondition(headers: &HeaderMap) -> Result<Precondition, Problem> {
    let malformed = || {
        Problem::malformed(
            "If-Match",
            "must be one version in quotes, for example \"3\", or *",
        )
    };
    let mut values = headers.get_all(IF_MATCH).iter();
    let Some(value) = values.next() else {
        return Ok(Precondition::None);
    };
    if values.next().is_some() {
        return Err(malformed());
    }
    match value.as_bytes() {
        b"*" => Ok(Precondition::Exists),
        [b'"', digits @ .., b'"'] if digits.iter().all(u8::is_ascii_digit) => {
            let digits = std::str::from_utf8(digits).map_err(|_| malformed())?;
            digits
                .parse()
                .map(Precondition::Version)
                .map_err(|_| malformed())
        }
        _ => Err(malformed()),
    }
}

/// Returns the wait that `Prefer: wait=N` asks for, 1 to 30 s. The value 0, and a value that is not
/// understood, are ignored, as RFC 7240 requires.
pub fn wait(headers: &HeaderMap) -> Option<Duration> {
    let values = headers
        .get_all(PREFER)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let preferences = values.flat_map(|value| value.split(','));
    let seconds = preferences.filter_map(|preference| {
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        let digits = value.trim().trim_matches('"');
        let is_wait = name.trim().eq_ignore_ascii_case("wait");
        let fits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        (is_wait && fits).then(|| digits.parse().unwrap_or(WAIT_SECONDS_MAX))
    });
    let seconds: u64 = seconds.take(1).find(|seconds| *seconds > 0)?;
    Some(Duration::from_secs(seconds.min(WAIT_SECONDS_MAX)))
}

/// Returns whether `Prefer` asks for an answer before the command is executed, by `respond-async`
/// or by `wait=0`, which means the same.
pub fn respond_async(headers: &HeaderMap) -> bool {
    let values = headers.get_all(PREFER).iter();
    let values = values.filter_map(|value| value.to_str().ok());
    let mut preferences = values.flat_map(|value| value.split(','));
    preferences.any(|preference| {
        let preference = preference.split(';').next().unwrap_or_default().trim();
        preference.eq_ignore_ascii_case("respond-async")
            || preference.split_once('=').is_some_and(|(name, value)| {
                name.trim().eq_ignore_ascii_case("wait") && value.trim().trim_matches('"') == "0"
            })
    })
}

/// Returns the caller's own id in this header, if the header is present and valid.
pub fn given_id(headers: &HeaderMap, name: HeaderName) -> Option<RequestId> {
    RequestId::given(headers.get(name)?.to_str().ok()?)
}

/// Reads `traceparent`. A value that is not understood is ignored, as W3C Trace Context requires.
pub fn trace(headers: &HeaderMap) -> Option<TraceParent> {
    TraceParent::parse(headers.get(TRACEPARENT)?.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use warp::http::HeaderValue;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect()
    }

    fn many(name: &HeaderName, values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name.clone(), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn header_and_body_key_mean_the_same_and_must_not_differ() {
        let one = headers(&[(IDEMPOTENCY_KEY, "k-1")]);
        assert_eq!(key(&one, None).unwrap().as_deref(), Some("k-1"));
        assert_eq!(
            key(&one, Some("k-1".into())).unwrap().as_deref(),
            Some("k-1")
        );
        assert_eq!(
            key(&HeaderMap::new(), Some("k".into())).unwrap().as_deref(),
            Some("k")
        );
        assert!(key(&one, Some("k-2".into())).is_err());
        assert!(key(&many(&IDEMPOTENCY_KEY, &["a", "b"]), None).is_err());
        assert!(key(&many(&IDEMPOTENCY_KEY, &["a", "a"]), None).is_ok());
        for bad in ["", "a b", "\u{e9}"] {
            let bad = HeaderValue::from_bytes(bad.as_bytes()).unwrap();
            let bad: HeaderMap = [(IDEMPOTENCY_KEY, bad)].into_iter().collect();
            assert!(key(&bad, None).is_err());
        }
    }

    #[test]
    fn a_key_in_quotes_is_the_same_key() {
        let read = |value: &'static str| key(&headers(&[(IDEMPOTENCY_KEY, value)]), None);
        for (value, named) in [
            ("k1", "k1"),
            ("\"k1\"", "k1"),
            ("k\"1", "k\"1"),
            ("k1\"", "k1\""),
            (r#""a\"b\\c""#, r#"a"b\c"#),
        ] {
            assert_eq!(read(value).unwrap().as_deref(), Some(named), "{value}");
        }
        for malformed in [
            "\"",
            "\"\"",
            "\"k1",
            "\"k1\"x",
            "\"k1\";a=1",
            "\"k\"1\"",
            "\"k\\1\"",
            "\"k1\\\"",
            "\"a b\"",
        ] {
            assert!(read(malformed).is_err(), "{malformed}");
        }
        let quoted = headers(&[(IDEMPOTENCY_KEY, "\"k1\"")]);
        assert!(key(&quoted, Some("k1".into())).is_ok());
        assert!(key(&quoted, Some("\"k1\"".into())).is_err());
        assert!(key(&many(&IDEMPOTENCY_KEY, &["k1", "\"k1\""]), None).is_ok());
    }

    #[test]
    fn a_precondition_is_one_version_in_quotes_or_a_star() {
        let read = |value| precondition(&headers(&[(IF_MATCH, value)]));
        assert_eq!(read("\"12\""), Ok(Precondition::Version(12)));
        assert_eq!(read("*"), Ok(Precondition::Exists));
        assert_eq!(precondition(&HeaderMap::new()), Ok(Precondition::None));
        for bad in [
            "12",
            "\"\"",
            "\"-1\"",
            "W/\"1\"",
            "\"1\", \"2\"",
            "\"x\"",
            "",
            "\"99999999999999999999\"",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_wait_is_read_from_any_form_of_the_header() {
        let read =
            |values: &[&'static str]| wait(&many(&PREFER, values)).map(|wait| wait.as_secs());
        assert_eq!(read(&["wait=10"]), Some(10));
        assert_eq!(read(&["respond-async, wait=10"]), Some(10));
        assert_eq!(read(&["respond-async", "Wait = \"7\"; x=y"]), Some(7));
        assert_eq!(read(&["wait=31"]), Some(30));
        assert_eq!(read(&["wait=99999999999999999999999"]), Some(30));
        for ignored in [
            "wait=0",
            "wait=",
            "wait",
            "wait=-1",
            "wait=1.5",
            "respond-async",
            "waiting=3",
        ] {
            assert_eq!(read(&[ignored]), None, "{ignored}");
        }
    }

    #[test]
    fn a_trace_is_read_as_the_standard_has_it() {
        let read = |value| trace(&headers(&[(TRACEPARENT, value)]));
        let good = read("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").unwrap();
        assert_eq!(
            (good.trace_id[0], good.parent_id[7], good.flags),
            (0x0a, 0x31, 1)
        );
        assert!(read("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x").is_some());
        for bad in [
            "",
            "00",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
