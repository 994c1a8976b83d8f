//! The rules for the values of settings: the check, and its wording in errors and in the reference.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use config::ValueKind;

use crate::values::{assets, is_code};

/// The allowed values of one setting.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rule {
    /// An integer between two bounds, both included.
    Integer { min: i64, max: i64 },
    /// `auto`, or an integer from 0 to `max`.
    AutoOrInteger { max: i64 },
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// `true` or `false`.
    Boolean,
    /// A loopback address, which only this machine can reach. There is no authentication, so any
    /// client that reaches the port can move money.
    Loopback,
    /// A path. Bytes that are not UTF-8 arrive here as U+FFFD. They are refused, because they would
    /// name another path.
    Path,
    /// The code of a currency or asset.
    Currency,
    /// Any text of at most `max` bytes.
    Text { max: usize },
    /// Brokers as `host:port`, separated by commas.
    Brokers,
    /// Any text. It is never shown.
    Secret,
    /// Names of services, separated by commas.
    Services,
    /// Assets with their scales.
    Assets,
}

/// The names of the services, including the alias `account`.
const SERVICES: &[&str] = &["core", "account", "card"];

/// A value of a layer: text from the environment and flags, a typed value from a file.
pub(crate) enum Raw<'a> {
    /// Text that must still be parsed as the setting's type.
    Text(&'a str),
    /// A value that already has a type.
    Typed(&'a ValueKind),
}

impl Rule {
    /// Returns the value in the setting's type, or `None` if the rule doesn't allow it.
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
            Self::Boolean => raw.boolean(),
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
            Self::Brokers => {
                let text = raw.text()?;
                let fits = text.len() <= 4_096 && text.split(',').all(is_broker);
                (text.is_empty() || fits).then(|| text.into())
            }
            Self::Secret => Self::Text { max: 4_096 }.check(raw),
            Self::Services => {
                let text = raw.text()?;
                let mut names: Vec<&str> = text.split(',').map(str::trim).collect();
                let known = names.iter().all(|name| SERVICES.contains(name));
                // `account` is an alias of `core`.
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
            Self::Boolean => formatter.write_str("true, false"),
            Self::OneOf(words) => formatter.write_str(&words.join(", ")),
            Self::Loopback => formatter.write_str(
                "a loopback address (127.0.0.0/8, ::1 or localhost), because Florin has no \
                 authentication yet and any client that reaches it can move money",
            ),
            Self::Path => formatter.write_str("a path in UTF-8, not empty"),
            Self::Text { max } => write!(formatter, "a text of at most {max} bytes, one line"),
            Self::Brokers => formatter.write_str(
                "host:port pairs, separated by commas, for example `kafka-1:9092,kafka-2:9092`: \
                 ports from 1 to 65535, no blanks, no comma at the end, no `tcp://` or other \
                 scheme",
            ),
            Self::Secret => formatter.write_str("a text of at most 4096 bytes, one line"),
            Self::Services => {
                write!(
                    formatter,
                    "one or more of {}, separated by commas",
                    SERVICES.join(", ")
                )
            }
            Self::Currency => {
                formatter.write_str("an ISO 4217 code of three capital letters, or an asset")
            }
            Self::Assets => formatter.write_str(
                "assets and their scales, for example `USDC = 6, BTC8 = 8`: codes of 3 to 8 \
                 capital letters or digits, each once, and no code of ISO 4217; scales \
                 from 0 to 18",
            ),
        }
    }
}

/// Returns whether a text is a broker's `host:port`.
fn is_broker(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let host_fits = match host.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
        Some(Some(address)) => address.parse::<Ipv6Addr>().is_ok(),
        Some(None) => false,
        None => {
            let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            !host.is_empty() && host.bytes().all(is_of_name)
        }
    };
    let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    host_fits && is_number && port.parse().is_ok_and(|port: u16| port > 0)
}

impl Raw<'_> {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Typed(ValueKind::String(text)) => Some(text),
            Self::Typed(_) => None,
        }
    }

    fn boolean(&self) -> Option<ValueKind> {
        let value = match self {
            Self::Text(text) => text.parse().ok()?,
            Self::Typed(ValueKind::Boolean(value)) => *value,
            Self::Typed(_) => return None,
        };
        Some(ValueKind::Boolean(value))
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
