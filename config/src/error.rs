//! Why settings were refused. Each error is one line: the setting, where it came from, and
//! what is allowed.

use std::path::PathBuf;

use crate::Origin;

/// Why the settings can't be used. The process must not start with them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The settings file that was asked for can't be read.
    #[error("settings file {path:?} can't be read: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The settings file is not TOML.
    #[error("settings file {path:?} is not valid TOML: {reason}")]
    NotToml {
        /// The file.
        path: PathBuf,
        /// Line, column and cause.
        reason: String,
    },
    /// A key that is no setting.
    #[error("unknown setting `{key}` ({origin}); allowed: {allowed}", key = key.escape_debug())]
    Unknown {
        /// The key as it was written.
        key: String,
        /// Where it came from.
        origin: Origin,
        /// The names that exist at this place.
        allowed: String,
    },
    /// A value out of its bounds.
    #[error("setting `{name}` can't be {value} ({origin}); allowed: {allowed}")]
    Invalid {
        /// The setting, as `section.key`.
        name: &'static str,
        /// The value, on one line.
        value: String,
        /// Where it came from.
        origin: Origin,
        /// What is allowed.
        allowed: String,
    },
    /// The layers could not be put together; a defect of Florin, not of the settings.
    #[error("settings can't be put together: {reason}")]
    Layers {
        /// What the `config` crate said.
        reason: String,
    },
}
