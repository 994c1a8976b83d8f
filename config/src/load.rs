//! Loads the settings: merges the layers, then checks the rules between two settings.

use std::ffi::OsString;

use config::Config;

use crate::layers::{Layer, Overrides};
use crate::{ConfigError, Origin, Settings};

impl Settings {
    /// Loads the settings of this process: the defaults, then the file, then `environment` (`PORT`
    /// and `FLORIN__SECTION__KEY`), then the flags in `overrides`. Every layer is checked, even
    /// values that a later layer replaces. An empty variable counts as not given.
    ///
    /// # Errors
    /// Returns an error for the first setting that is unknown or out of bounds, or for a file that
    /// can't be read or is not TOML. Each error is one line.
    ///
    /// ```
    /// use florin_config::{Overrides, Settings};
    /// let settings = Settings::load(&Overrides::default(), [("PORT", "9000")])?;
    /// assert_eq!(settings.server.port, 9000);
    /// # Ok::<(), florin_config::ConfigError>(())
    /// ```
    pub fn load<K, V>(
        overrides: &Overrides,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigError>
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let variables = environment
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()));
        let layers = [
            Layer::file(overrides)?,
            Layer::environment(variables)?,
            Layer::flags(overrides)?,
        ];
        Self::of(&layers)
    }

    /// Builds the settings from these layers. Later layers take precedence.
    pub(crate) fn of(layers: &[Layer]) -> Result<Self, ConfigError> {
        let mut settings = merge(layers)?;
        settings.separate_data_by_service();
        settings.check_pairs()?;
        Ok(settings)
    }

    /// Gives each process of several services a folder of its own in the default data directory,
    /// because they may share a working directory.
    fn separate_data_by_service(&mut self) {
        let is_default = |name| self.origin(name) == Origin::Default;
        if is_default("server.data_dir") && !is_default("services.run") {
            let folder = self.services.run.replace(',', "-");
            self.server.data_dir.push(folder);
        }
    }

    /// Checks the rules between two settings.
    fn check_pairs(&self) -> Result<(), ConfigError> {
        let pairs = [
            (
                "gateway.page_default",
                self.gateway.page_default as u64,
                "gateway.page_max",
                self.gateway.page_max as u64,
            ),
            (
                "ledger.record_bytes_max",
                self.ledger.record_bytes_max as u64,
                "journal.queue_bytes_max",
                self.journal.queue_bytes_max as u64,
            ),
            (
                "views.flush_records_max",
                self.views.flush_records_max,
                "views.lag_records_max",
                self.views.lag_records_max,
            ),
        ];
        for (small, small_value, large, large_value) in pairs {
            if small_value > large_value {
                return Err(ConfigError::Invalid {
                    name: small,
                    value: small_value.to_string(),
                    origin: self.origin(small),
                    allowed: format!(
                        "at most {large}, which is {large_value} ({})",
                        self.origin(large)
                    ),
                });
            }
        }
        Ok(())
    }
}

fn merge(layers: &[Layer]) -> Result<Settings, ConfigError> {
    let failed = |error: config::ConfigError| ConfigError::Layers {
        reason: error.to_string(),
    };
    let merged = layers
        .iter()
        .fold(Config::builder(), |builder, layer| {
            builder.add_source(layer.clone())
        })
        .build()
        .map_err(failed)?;
    let mut settings: Settings = merged.try_deserialize().map_err(failed)?;
    for (name, _, origin) in layers.iter().flat_map(|layer| &layer.values) {
        settings.origins.set(name, origin.clone());
    }
    let warnings = layers.iter().flat_map(|layer| &layer.warnings);
    settings.warnings = warnings.cloned().collect();
    Ok(settings)
}
