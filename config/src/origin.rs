//! The origin of a setting's value, for errors and `florin config`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// The origin of a value. Its `Display` is one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The built-in default.
    Default,
    /// A settings file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A flag of the command line, including its dashes.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::File(path) => {
                write!(
                    formatter,
                    "file {}",
                    path.display().to_string().escape_debug()
                )
            }
            Self::Environment(name) => {
                write!(formatter, "environment variable {}", name.escape_debug())
            }
            Self::Flag(flag) => write!(formatter, "flag {flag}"),
        }
    }
}

/// The origin of each setting that is not at its default, by the setting's name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Origins(BTreeMap<&'static str, Origin>);

impl Origins {
    pub(crate) fn set(&mut self, name: &'static str, origin: Origin) {
        self.0.insert(name, origin);
    }

    pub(crate) fn of(&self, name: &str) -> Origin {
        self.0.get(name).cloned().unwrap_or(Origin::Default)
    }
}
