//! The reasons for which settings are refused. Each error is one line with the setting, its origin
//! and the allowed values.

use std::path::PathBuf;

use crate::Origin;

/// The reason why the settings can't be used. The process must not start with them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The named settings file can't be read.
    #[error("settings file {path:?} can't be read: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        reason: String,
    },
    /// The settings file is not TOML.
    #[error("settings file {path:?} is not valid TOML: {reason}")]
    NotToml {
        /// The file.
        path: PathBuf,
        /// The line, column and cause.
        reason: String,
    },
    /// A key is not a setting.
    #[error("unknown setting `{key}` ({origin}); allowed: {allowed}", key = key.escape_debug())]
    Unknown {
        /// The key as it was written.
        key: String,
        /// The origin of the key.
        origin: Origin,
        /// The names that are allowed at this place.
        allowed: String,
    },
    /// A value is not allowed.
    #[error("setting `{name}` can't be {value} ({origin}); allowed: {allowed}")]
    Invalid {
        /// The setting's name, as `section.key`.
        name: &'static str,
        /// The value, on one line.
        value: String,
        /// The origin of the value.
        origin: Origin,
        /// The allowed values.
        allowed: String,
    },
    /// The layers could not be merged. This is a defect of Florin, not of the settings.
    #[error("settings can't be combined: {reason}")]
    Layers {
        /// The error of the `config` crate.
        reason: String,
    },
}
