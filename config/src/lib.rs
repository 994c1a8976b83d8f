//! The settings of a Florin process: typed, layered (defaults, file, environment, flags) and
//! validated once, at the start.
//!
//! [`Settings::load`] is the way in; `settings.rs` is the one table that defaults, bounds,
//! validation and `docs/reference/settings.md` come from.

mod effective;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod layers;
mod load;
mod origin;
mod reference;
mod rule;
mod settings;
mod values;

pub use error::ConfigError;
pub use layers::{FILE_NAME, Overrides};
pub use origin::Origin;
pub use reference::{SettingDoc, reference, reference_markdown};
pub use settings::{Disk, Gateway, Idempotency, Journal, Ledger, Log, Server, Settings, Views};
pub use values::{
    Compression, Lanes, LogFormat, LogLevel, SaslMechanism, Secret, Security, Switch, assets,
};
