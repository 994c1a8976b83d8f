//! The functions that the fuzz targets (`tests/fuzz`) call. They exist in fuzzing builds only.

use std::path::Path;

use crate::layers::{FILE_NAME, Layer};
use crate::{ConfigError, Settings};

/// Returns the settings of a settings file with this text.
///
/// # Errors
/// Returns the errors of [`Settings::load`].
pub fn file(text: &str) -> Result<Settings, ConfigError> {
    Settings::of(&[Layer::toml(text, Path::new(FILE_NAME))?])
}

/// Returns the settings of this environment variable.
///
/// # Errors
/// Returns the errors of [`Settings::load`].
pub fn environment(name: &str, value: &str) -> Result<Settings, ConfigError> {
    let variable = (name.into(), value.into());
    Settings::of(&[Layer::environment([variable].into_iter())?])
}
