//! The settings of a Florin process. They have types, come from layers (defaults, file,
//! environment, flags) and are validated once, at the start.
//!
//! [`Settings::load`] is the entry point. `settings.rs` is the table from which the defaults, the
//! bounds, the validation and `docs/reference/settings.md` are made.
//!
//! The files in the order of their imports, the lowest first:
//!
//! - `printable.rs`: texts that can be printed safely
//! - `origin.rs`, `error.rs`: where a value comes from, and why it is refused
//! - `values.rs`, `rule.rs`: the types of values, and their bounds
//! - `settings.rs`: the table of all settings
//! - `environment.rs`, `near_miss.rs`: variables that are settings, or almost are
//! - `layers.rs`, `load.rs`: the layers, and how they are put together
//! - `effective.rs`, `reference.rs`: the settings in force, and the reference of all settings
//! - `fuzzing.rs`: the functions for the fuzz targets

mod effective;
mod environment;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod layers;
mod load;
mod near_miss;
mod origin;
mod printable;
mod reference;
mod rule;
mod settings;
mod values;

pub use error::ConfigError;
pub use layers::{FILE_NAME, Overrides};
pub use origin::Origin;
pub use printable::{is_hidden, printable, printable_json};
pub use reference::{SettingDoc, reference, reference_markdown};
pub use settings::{Disk, Gateway, Idempotency, Journal, Ledger, Log, Server, Settings, Views};
pub use values::{
    Compression, CursorLost, Incomplete, KafkaStart, Lanes, LogFormat, LogLevel, SaslMechanism,
    Secret, Security, Switch, assets,
};
