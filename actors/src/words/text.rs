//! Texts that come from outside, each with its length limit: metadata, callers, request ids.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::ids::OperationId;

/// The reason why a text is refused. The message is written to follow the field's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// The text is not an assigned ISO 3166-1 alpha-2 code.
    #[error("is not a country of ISO 3166-1 alpha-2")]
    Country,
    /// The name does not have 1 … 255 characters.
    #[error("must have 1 to 255 characters")]
    Name,
    /// The reference is longer than 255 characters.
    #[error("must have at most 255 characters")]
    Reference,
    /// The metadata has more than 32 pairs or 4 KiB.
    #[error("must have at most 32 pairs and 4096 bytes")]
    Metadata,
    /// The idempotency key does not consist of 1 … 255 visible ASCII characters.
    #[error("must have 1 to 255 visible ASCII characters")]
    Key,
}

/// Name-value pairs of strings that a caller attaches: at most 32 pairs, and 4 KiB in total.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metadata(BTreeMap<String, String>);

impl Metadata {
    /// Returns whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Creates metadata from at most 32 pairs with at most 4,096 bytes of names and values in
    /// total.
    pub fn new(pairs: BTreeMap<String, String>) -> Result<Self, TextError> {
        let bytes: usize = pairs
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        if pairs.len() > 32 || bytes > 4_096 {
            return Err(TextError::Metadata);
        }
        Ok(Self(pairs))
    }

    /// Returns the pairs, sorted by name.
    pub fn pairs(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

/// The caller of a command: the authenticated principal, or `default` if callers need not
/// authenticate.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Caller(Option<Arc<str>>);

impl Caller {
    /// Returns the principal's name, or `default` if there is no principal.
    pub fn name(&self) -> &str {
        self.0.as_deref().unwrap_or("default")
    }
}

/// The id of one request: a text that the caller gave, or an id that Florin made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestId {
    /// An id made by Florin.
    Made(OperationId),
    /// A text given by the caller: 1 … 128 visible ASCII characters.
    Given(Arc<str>),
}

impl RequestId {
    /// Creates a request id from a caller's text. Returns `None` unless the text is 1 … 128 visible
    /// ASCII characters.
    pub fn given(text: &str) -> Option<Self> {
        let fits = (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        fits.then(|| Self::Given(text.into()))
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Made(id) => id.fmt(f),
            Self::Given(text) => f.write_str(text),
        }
    }
}

/// A trace context as defined by W3C Trace Context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceParent {
    /// The id of the trace.
    pub trace_id: [u8; 16],
    /// The id of the caller's span.
    pub parent_id: [u8; 8],
    /// The trace flags.
    pub flags: u8,
}

impl TraceParent {
    /// Parses the header `traceparent`. Of a later version of the format, the fields of version 00
    /// are read. Returns `None` if the header is incomplete or names no valid trace.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (version, rest) = text.split_at_checked(2)?;
        let [b'-', rest @ ..] = rest else { return None };
        let (trace_id, rest) = rest.split_at_checked(32)?;
        let [b'-', rest @ ..] = rest else { return None };
        let (parent_id, rest) = rest.split_at_checked(16)?;
        let [b'-', rest @ ..] = rest else { return None };
        let (flags, rest) = rest.split_at_checked(2)?;
        let [version] = hex(version)?;
        let [flags] = hex(flags)?;
        let trace = Self {
            trace_id: hex(trace_id)?,
            parent_id: hex(parent_id)?,
            flags,
        };
        let is_whole = rest.is_empty() || (version > 0 && rest.starts_with(b"-"));
        let is_valid = version != 0xff && trace.trace_id != [0; 16] && trace.parent_id != [0; 8];
        (is_whole && is_valid).then_some(trace)
    }
}

/// Decodes hexadecimal digits. Capital letters are not allowed, unlike in the library.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let bytes = const_hex::decode_to_array(digits).ok()?;
    digits.iter().all(is_digit).then_some(bytes)
}

impl fmt::Display for TraceParent {
    /// Writes the header value of W3C Trace Context, version 00.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        for (place, bytes) in [
            (3..35, &self.trace_id[..]),
            (36..52, &self.parent_id),
            (53..55, &[self.flags]),
        ] {
            const_hex::encode_to_slice(bytes, &mut text[place]).map_err(|_| fmt::Error)?;
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

/// Checks a name: 1 … 255 characters.
pub fn name(text: &str) -> Result<(), TextError> {
    if text.is_empty() || text.chars().count() > 255 {
        Err(TextError::Name)
    } else {
        Ok(())
    }
}

/// Checks a reference: at most 255 characters.
pub fn reference(text: &str) -> Result<(), TextError> {
    if text.chars().count() > 255 {
        Err(TextError::Reference)
    } else {
        Ok(())
    }
}

/// Checks an idempotency key: 1 … 255 visible ASCII characters.
pub fn key(text: &str) -> Result<(), TextError> {
    let fits = (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if fits { Ok(()) } else { Err(TextError::Key) }
}

/// Deserializes a string, borrowed or owned, and parses it with `parse` without keeping the string.
pub(super) fn with_str<'de, D, T, E, F>(deserializer: D, parse: F) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    E: fmt::Display,
    F: FnOnce(&str) -> Result<T, E>,
{
    struct Parse<T, E, F>(F, PhantomData<(T, E)>);

    impl<T, E: fmt::Display, F: FnOnce(&str) -> Result<T, E>> Visitor<'_> for Parse<T, E, F> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<X: Error>(self, text: &str) -> Result<T, X> {
            (self.0)(text).map_err(X::custom)
        }
    }

    deserializer.deserialize_str(Parse(parse, PhantomData))
}
