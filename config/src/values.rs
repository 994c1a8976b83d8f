//! Types of settings that are neither numbers nor plain text.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The number of threads that serve HTTP in addition to the ledger's thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lanes {
    /// The number depends on the machine: none with one core, otherwise all cores but two, at least
    /// two.
    Auto,
    /// Exactly this number; with 0, HTTP is served on the ledger's thread.
    Count(u16),
}

impl Lanes {
    /// Returns the number of lanes on a machine with `cores` cores.
    ///
    /// ```
    /// use florin_config::Lanes;
    /// assert_eq!(Lanes::Auto.resolve(1), 0);
    /// assert_eq!(Lanes::Auto.resolve(2), 2);
    /// assert_eq!(Lanes::Auto.resolve(8), 6);
    /// assert_eq!(Lanes::Count(3).resolve(2), 3);
    /// ```
    #[must_use]
    pub fn resolve(self, cores: usize) -> usize {
        match self {
            Self::Auto if cores <= 1 => 0,
            Self::Auto => cores.saturating_sub(2).max(2),
            Self::Count(count) => usize::from(count),
        }
    }
}

impl Serialize for Lanes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Count(count) => serializer.serialize_u16(*count),
        }
    }
}

impl<'de> Deserialize<'de> for Lanes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LanesVisitor)
    }
}

struct LanesVisitor;

impl de::Visitor<'_> for LanesVisitor {
    type Value = Lanes;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("`auto` or a number of lanes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Lanes, E> {
        match text {
            "auto" => Ok(Lanes::Auto),
            other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
        }
    }

    fn visit_i64<E: de::Error>(self, count: i64) -> Result<Lanes, E> {
        u16::try_from(count)
            .map(Lanes::Count)
            .map_err(|_| E::invalid_value(de::Unexpected::Signed(count), &self))
    }

    fn visit_u64<E: de::Error>(self, count: u64) -> Result<Lanes, E> {
        u16::try_from(count)
            .map(Lanes::Count)
            .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(count), &self))
    }
}

/// The format of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text for people.
    Text,
    /// One JSON object per line, for machines.
    Json,
}

impl LogFormat {
    /// The words that the setting allows.
    pub(crate) const WORDS: &[&str] = &["text", "json"];
}

/// The least severe level that is still logged; `docs/operating/logs.md` defines the levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Errors that need action now.
    Error,
    /// Warnings that need a look today.
    Warn,
    /// Changes of state.
    Info,
    /// Details for developers.
    Debug,
    /// Every step, for developers.
    Trace,
}

impl LogLevel {
    /// The words that the setting allows.
    pub(crate) const WORDS: &[&str] = &["error", "warn", "info", "debug", "trace"];

    /// Returns the level's word, as `tracing` filters expect it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// A text that is never shown, neither by `{:?}` nor by `florin config`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Returns the text itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_empty() { "none" } else { "***" })
    }
}

/// Defines an enum of words: its variants, and each variant's text in the setting and for other
/// programs.
macro_rules! words {
    ($(#[doc = $doc:literal])+ $Name:ident { $( $(#[doc = $word_doc:literal])+ $Word:ident = $word:literal, )+ }) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $Name {
            $( $(#[doc = $word_doc])+ #[serde(rename = $word)] $Word, )+
        }

        impl $Name {
            /// The words that the setting allows.
            pub(crate) const WORDS: &[&str] = &[$( $word ),+];

            /// Returns the setting's word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$Word => $word, )+ }
            }
        }
    };
}

words! {
    /// A setting that is on, off, or decided by other settings.
    Switch {
        /// Other settings decide.
        Auto = "auto",
        /// The function is on.
        On = "on",
        /// The function is off.
        Off = "off",
    }
}

words! {
    /// The position at which reading of a command topic's partition continues.
    KafkaStart {
        /// The journal's own positions.
        Own = "own",
        /// The group's offset.
        Group = "group",
        /// The oldest message, if the journal's own positions can't tell.
        Earliest = "earliest",
    }
}

words! {
    /// The reaction to a cursor topic that has lost the cursor.
    CursorLost {
        /// The process ends.
        Stop = "stop",
        /// Publishing continues from the node's own mark.
        Continue = "continue",
    }
}

words! {
    /// The behaviour of a service whose knowledge has a gap.
    Incomplete {
        /// It refuses requests that depend on that knowledge.
        Refuse = "refuse",
        /// It serves them with what it knows.
        Serve = "serve",
    }
}

words! {
    /// The compression of messages.
    Compression {
        /// No compression.
        None = "none",
        /// Snappy.
        Snappy = "snappy",
        /// LZ4.
        Lz4 = "lz4",
        /// Zstandard.
        Zstd = "zstd",
    }
}

words! {
    /// The security of the connection to the brokers. Kafka has the same names in capitals.
    Security {
        /// No encryption and no authentication.
        Plaintext = "plaintext",
        /// TLS.
        Ssl = "ssl",
        /// A password authenticates the client, without encryption.
        SaslPlaintext = "sasl_plaintext",
        /// TLS, and a password authenticates the client.
        SaslSsl = "sasl_ssl",
    }
}

words! {
    /// The method of authentication by password.
    SaslMechanism {
        /// The password is sent.
        Plain = "PLAIN",
        /// SCRAM with SHA-256.
        ScramSha256 = "SCRAM-SHA-256",
        /// SCRAM with SHA-512.
        ScramSha512 = "SCRAM-SHA-512",
    }
}
/// Parses the setting `ledger.assets`, a list of assets with their scales: `USDC = 6, BTC8 = 8`.
/// Returns `None` if the text is not such a list. It does not check whether a code is one of ISO
/// 4217.
///
/// ```
/// assert_eq!(florin_config::assets("USDC = 6, BTC8=8"), Some(vec![("USDC", 6), ("BTC8", 8)]));
/// assert_eq!(florin_config::assets(" "), Some(vec![]));
/// assert_eq!(florin_config::assets("USDC = 19"), None);
/// ```
#[must_use]
pub fn assets(text: &str) -> Option<Vec<(&str, u8)>> {
    if text.trim().is_empty() {
        return Some(Vec::new());
    }
    let mut assets: Vec<(&str, u8)> = Vec::new();
    for asset in text.split(',') {
        let (code, scale) = asset.split_once('=')?;
        let (code, scale) = (code.trim(), scale.trim());
        let is_known = assets.iter().any(|(known, _)| *known == code);
        let is_number = scale.bytes().all(|byte| byte.is_ascii_digit());
        if is_known || !is_code(code) || !is_number {
            return None;
        }
        assets.push((code, scale.parse().ok().filter(|scale| *scale <= 18)?));
    }
    Some(assets)
}

/// Returns whether a text may be the code of a currency or asset.
pub(crate) fn is_code(text: &str) -> bool {
    let is_of_code = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    (3..=8).contains(&text.len()) && text.bytes().all(is_of_code)
}
