//! Texts that come from outside, each with its bound: metadata, callers, request ids.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::ids::OperationId;

/// Why a text is refused; the sentence follows the field's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Not an assigned ISO 3166-1 alpha-2 code.
    #[error("is not a country of ISO 3166-1 alpha-2")]
    Country,
    /// A name outside 1 … 255 characters.
    #[error("must have 1 to 255 characters")]
    Name,
    /// A reference longer than 255 characters.
    #[error("must have at most 255 characters")]
    Reference,
    /// Metadata past 32 pairs or 4 KiB.
    #[error("must have at most 32 pairs and 4096 bytes")]
    Metadata,
    /// An idempotency key outside 1 … 255 visible ASCII characters.
    #[error("must have 1 to 255 visible ASCII characters")]
    Key,
}

/// Free pairs of strings that a caller attaches, at most 32 of them and 4 KiB together.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metadata(BTreeMap<String, String>);

impl Metadata {
    /// At most 32 pairs, 4,096 bytes of names and values.
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

    /// The pairs, sorted by name.
    pub fn pairs(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

/// Who asked: the authenticated principal, or `default` where nobody is asked to prove it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Caller(Option<Arc<str>>);

impl Caller {
    /// The principal's name, as `default`.
    pub fn name(&self) -> &str {
        self.0.as_deref().unwrap_or("default")
    }
}

/// The id of one request: the caller's own text, or one that Florin made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestId {
    /// Made by Florin.
    Made(OperationId),
    /// Given by the caller: 1 … 128 visible ASCII characters.
    Given(Arc<str>),
}

impl RequestId {
    /// Takes a caller's own id if it is 1 … 128 visible ASCII characters.
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

/// A trace as W3C Trace Context names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceParent {
    /// The trace.
    pub trace_id: [u8; 16],
    /// The caller's span.
    pub parent_id: [u8; 8],
    /// Its flags.
    pub flags: u8,
}

impl TraceParent {
    /// Reads the header `traceparent`; of a later version as much as this one knows. `None`: it is
    /// not whole, or names no trace.
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

fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

impl fmt::Display for TraceParent {
    /// As W3C Trace Context writes it, in version 00.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        // By hand: every event has one.
        put_hex(&mut text[3..35], &self.trace_id);
        put_hex(&mut text[36..52], &self.parent_id);
        put_hex(&mut text[53..55], &[self.flags]);
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

/// Writes bytes as two hexadecimal digits each.
fn put_hex(text: &mut [u8], bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
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

/// Reads a string of any format, borrowed or owned, through `parse`, without keeping it.
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
