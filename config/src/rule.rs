//! What a setting allows: the check, and the words for it in errors and in the reference.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use config::ValueKind;

use crate::values::{assets, is_code};

/// The bounds of one setting.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rule {
    /// An integer within bounds, both included.
    Integer { min: i64, max: i64 },
    /// `auto`, or an integer from 0 to `max`.
    AutoOrInteger { max: i64 },
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// An address only this machine can reach. Without authentication whoever reaches the port
    /// can move money.
    Loopback,
    /// A path. Bytes that are no UTF-8 arrive here as U+FFFD: refused, for they name another path.
    Path,
    /// A currency's or asset's code.
    Currency,
    /// Any text of at most so many bytes.
    Text { max: usize },
    /// Any text, which is never shown.
    Secret,
    /// Names of services, with commas between.
    Services,
    /// Assets and their scales.
    Assets,
}

/// The services that there are, and the other names for them.
const SERVICES: &[&str] = &["core", "account", "card"];

/// A value as a layer brought it: text from the environment and flags, typed from a file.
pub(crate) enum Raw<'a> {
    /// Text that still has to be read as the setting's type.
    Text(&'a str),
    /// A value that has a type already.
    Typed(&'a ValueKind),
}

impl Rule {
    /// The value in the setting's type, or `None` when the rule doesn't allow it.
    pub(crate) fn check(self, raw: &Raw<'_>) -> Option<ValueKind> {
        match self {
            Self::Integer { min, max } => raw.integer(min, max),
            Self::AutoOrInteger { max } => match raw.text() {
                Some("auto") => Some(ValueKind::String("auto".into())),
                _ => raw.integer(0, max),
            },
            Self::OneOf(words) => {
                let text = raw.text()?;
                words.contains(&text).then(|| text.into())
            }
            Self::Loopback => {
                let address = match raw.text()? {
                    "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
                    text => text.parse().ok()?,
                };
                address.is_loopback().then(|| address.to_string().into())
            }
            Self::Path => {
                let text = raw.text()?;
                (!text.is_empty() && !text.contains(['\0', '\u{fffd}'])).then(|| text.into())
            }
            Self::Currency => {
                let text = raw.text()?;
                is_code(text).then(|| text.into())
            }
            Self::Assets => {
                let text = raw.text()?;
                assets(text).map(|_| text.into())
            }
            Self::Text { max } => {
                let text = raw.text()?;
                (text.len() <= max && !text.contains(char::is_control)).then(|| text.into())
            }
            Self::Secret => Self::Text { max: 4_096 }.check(raw),
            Self::Services => {
                let text = raw.text()?;
                let mut names: Vec<&str> = text.split(',').map(str::trim).collect();
                let known = names.iter().all(|name| SERVICES.contains(name));
                // `account` is another name of the core's.
                for name in &mut names {
                    if *name == "account" {
                        *name = "core";
                    }
                }
                names.sort_by_key(|name| SERVICES.iter().position(|known| known == name));
                names.dedup();
                known.then(|| names.join(",").into())
            }
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer { min, max } => write!(formatter, "an integer from {min} to {max}"),
            Self::AutoOrInteger { max } => {
                write!(formatter, "`auto` or an integer from 0 to {max}")
            }
            Self::OneOf(words) => formatter.write_str(&words.join(", ")),
            Self::Loopback => formatter.write_str(
                "a loopback address (127.0.0.0/8, ::1 or localhost), because Florin has no \
                 authentication yet and whoever reaches it can move money",
            ),
            Self::Path => formatter.write_str("a path in UTF-8, not empty"),
            Self::Text { max } => write!(formatter, "a text of at most {max} bytes, one line"),
            Self::Secret => formatter.write_str("a text of at most 4096 bytes, one line"),
            Self::Services => {
                write!(formatter, "of {} those that run here", SERVICES.join(", "))
            }
            Self::Currency => formatter.write_str("an ISO 4217 code of three capital letters, or an asset"),
            Self::Assets => formatter.write_str(
                "assets and their scales, as `USDC = 6, BTC8 = 8`: codes of 3 to 8 capital letters or \
                 digits, each once, none of ISO 4217; scales from 0 to 18",
            ),
        }
    }
}

impl Raw<'_> {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Typed(ValueKind::String(text)) => Some(text),
            Self::Typed(_) => None,
        }
    }

    fn integer(&self, min: i64, max: i64) -> Option<ValueKind> {
        let number = match self {
            Self::Text(text) => text.parse().ok()?,
            Self::Typed(ValueKind::I64(number)) => *number,
            Self::Typed(_) => return None,
        };
        (min..=max)
            .contains(&number)
            .then_some(ValueKind::I64(number))
    }
}

impl fmt::Display for Raw<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(formatter, "{text:?}"),
            Self::Typed(ValueKind::String(text)) => write!(formatter, "{text:?}"),
            Self::Typed(ValueKind::Array(_)) => formatter.write_str("an array"),
            Self::Typed(ValueKind::Table(_)) => formatter.write_str("a table"),
            Self::Typed(kind) => write!(formatter, "{kind}"),
        }
    }
}
