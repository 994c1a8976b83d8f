//! Values of settings that are neither a number nor plain text.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// How many threads carry HTTP beside the ledger's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lanes {
    /// By the machine: none with one core, otherwise all cores but two, at least two.
    Auto,
    /// Exactly so many; 0 serves HTTP on the ledger's thread.
    Count(u16),
}

impl Lanes {
    /// The number of lanes on a machine with `cores` cores.
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

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for machines.
    Json,
}

impl LogFormat {
    /// The words the setting allows.
    pub(crate) const WORDS: &[&str] = &["text", "json"];
}

/// The least severe level that is still logged; `docs/operating/logs.md` defines the levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Act now.
    Error,
    /// Look today.
    Warn,
    /// State changes.
    Info,
    /// For developers.
    Debug,
    /// For developers, every step.
    Trace,
}

impl LogLevel {
    /// The words the setting allows.
    pub(crate) const WORDS: &[&str] = &["error", "warn", "info", "debug", "trace"];

    /// The level's word, as `tracing` filters know it.
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

/// A text that is never shown: not by `{:?}`, not by `florin config`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
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

/// An enum of words: the setting's text, and what other programs call it.
macro_rules! words {
    ($(#[doc = $doc:literal])+ $Name:ident { $( $(#[doc = $word_doc:literal])+ $Word:ident = $word:literal, )+ }) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $Name {
            $( $(#[doc = $word_doc])+ #[serde(rename = $word)] $Word, )+
        }

        impl $Name {
            /// The words the setting allows.
            pub(crate) const WORDS: &[&str] = &[$( $word ),+];

            /// The setting's word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$Word => $word, )+ }
            }
        }
    };
}

words! {
    /// On, off, or by what else is known.
    Switch {
        /// By what else is known.
        Auto = "auto",
        /// On.
        On = "on",
        /// Off.
        Off = "off",
    }
}

words! {
    /// How messages are compressed.
    Compression {
        /// Not at all.
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
    /// How the connection to the brokers is secured, as Kafka calls it in capitals.
    Security {
        /// Not at all.
        Plaintext = "plaintext",
        /// By TLS.
        Ssl = "ssl",
        /// A password proves the client; what is sent can be read on the way.
        SaslPlaintext = "sasl_plaintext",
        /// By TLS, and a password proves the client.
        SaslSsl = "sasl_ssl",
    }
}

words! {
    /// How a password is proved.
    SaslMechanism {
        /// By sending it.
        Plain = "PLAIN",
        /// By SCRAM with SHA-256.
        ScramSha256 = "SCRAM-SHA-256",
        /// By SCRAM with SHA-512.
        ScramSha512 = "SCRAM-SHA-512",
    }
}
/// The assets of the setting `ledger.assets`, each with its scale: `USDC = 6, BTC8 = 8`. `None`: the
/// text is none. Whether a code is one of ISO 4217's is not looked at.
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

/// Whether a text may be a currency's or asset's code.
pub(crate) fn is_code(text: &str) -> bool {
    let is_of_code = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    (3..=8).contains(&text.len()) && text.bytes().all(is_of_code)
}
