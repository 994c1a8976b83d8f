//! What the fuzz targets reach (`tests/fuzz`); it is there in their builds only.

use std::path::Path;

use crate::layers::{FILE_NAME, Layer};
use crate::{ConfigError, Settings};

/// The settings that a file of this text makes.
///
/// # Errors
/// As [`Settings::load`].
pub fn file(text: &str) -> Result<Settings, ConfigError> {
    Settings::of(&[Layer::toml(text, Path::new(FILE_NAME))?])
}

/// The settings that this environment makes.
///
/// # Errors
/// As [`Settings::load`].
pub fn environment(name: &str, value: &str) -> Result<Settings, ConfigError> {
    let variable = (name.into(), value.into());
    Settings::of(&[Layer::environment([variable].into_iter())?])
}
