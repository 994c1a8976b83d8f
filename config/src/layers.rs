//! The layers above the defaults: file, environment, flags. Each layer is checked on its own, so
//! that an error can name the origin of a value.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use config::{File, FileFormat, Map, Source, Value, ValueKind};

use crate::environment::{ENV_ALIASES, ENV_PREFIX};
use crate::near_miss;
use crate::rule::{Raw, Rule};
use crate::settings::{Row, TABLE};
use crate::{ConfigError, Origin};

/// The settings file that is read if it exists and no other file is named.
pub const FILE_NAME: &str = "florin.toml";

/// The settings of the command line. Values are in the form in which the user typed them: they pass
/// the same checks as those of the file and the environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--config`: a settings file that must exist, in place of `florin.toml`.
    pub config_file: Option<PathBuf>,
    /// `--host`: `server.host`.
    pub host: Option<String>,
    /// `--port`: `server.port`.
    pub port: Option<String>,
    /// `--data-dir`: `server.data_dir`.
    pub data_dir: Option<PathBuf>,
    /// `--services`: `services.run`.
    pub services: Option<String>,
    /// `--kafka-brokers`: `kafka.brokers`.
    pub kafka_brokers: Option<String>,
    /// `--log-format`: `log.format`.
    pub log_format: Option<String>,
    /// `--log-level`: `log.level`.
    pub log_level: Option<String>,
}

/// The flags for settings.
pub(crate) const FLAGS: &[(&str, &str)] = &[
    ("server.host", "--host"),
    ("server.port", "--port"),
    ("server.data_dir", "--data-dir"),
    ("services.run", "--services"),
    ("kafka.brokers", "--kafka-brokers"),
    ("log.format", "--log-format"),
    ("log.level", "--log-level"),
];

/// One layer: its checked values, and their origins.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layer {
    pub values: Vec<(&'static str, ValueKind, Origin)>,
    /// Warnings about variables that look like settings but are not.
    pub warnings: Vec<String>,
}

impl Layer {
    /// Reads the file that `overrides` names, or `florin.toml` if it exists.
    pub(crate) fn file(overrides: &Overrides) -> Result<Self, ConfigError> {
        let path = overrides
            .config_file
            .as_deref()
            .unwrap_or(Path::new(FILE_NAME));
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error)
                if error.kind() == std::io::ErrorKind::NotFound
                    && overrides.config_file.is_none() =>
            {
                return Ok(Self::default());
            }
            Err(error) => {
                let reason = error.to_string();
                return Err(ConfigError::Unreadable {
                    path: path.to_owned(),
                    reason,
                });
            }
        };
        Self::toml(&text, path)
    }

    pub(crate) fn toml(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let sections = File::from_str(text, FileFormat::Toml)
            .collect()
            .map_err(|error| ConfigError::NotToml {
                path: path.to_owned(),
                reason: toml_reason(&error),
            })?;
        let origin = Origin::File(path.to_owned());
        let mut layer = Self::default();
        for (section, value) in sections {
            let ValueKind::Table(keys) = value.kind else {
                return Err(unknown(section, origin));
            };
            if keys.is_empty() && !TABLE.iter().any(|known| known.name == section) {
                return Err(unknown(section, origin));
            }
            for (key, value) in keys {
                let row = row(&section, &key)
                    .ok_or_else(|| unknown(format!("{section}.{key}"), origin.clone()))?;
                layer.add(row, &Raw::Typed(&value.kind), origin.clone())?;
            }
        }
        Ok(layer)
    }

    /// Reads the aliases and every `FLORIN__SECTION__KEY`. An empty variable counts as not given,
    /// because many tools unset a variable in this way. Other variables belong to other programs;
    /// if such a name is almost a setting's name, a warning says so.
    pub(crate) fn environment(
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let mut platform = Self::default();
        let mut layer = Self::default();
        for (name, value) in variables {
            let name = name.to_string_lossy().into_owned();
            let origin = Origin::Environment(name.clone());
            let value = value.to_string_lossy();
            let alias = ENV_ALIASES.iter().find(|(alias, ..)| *alias == name);
            if let Some((_, section, key)) = alias {
                if let Some(row) = row(section, key)
                    && !value.is_empty()
                {
                    platform.add(row, &Raw::Text(&value), origin)?;
                }
            } else if let Some(path) = name.strip_prefix(ENV_PREFIX) {
                let path = path.to_ascii_lowercase();
                let (section, key) = path.split_once("__").unwrap_or((&path, ""));
                let Some(row) = row(section, key) else {
                    let key = path.replace("__", ".");
                    return Err(unknown(key, origin));
                };
                if !value.is_empty() {
                    layer.add(row, &Raw::Text(&value), origin)?;
                }
            } else if let Some(meant) = near_miss::meant(&name) {
                layer.warnings.push(format!(
                    "the environment variable {name} is not read; the setting's variable is {meant}"
                ));
            }
        }
        platform.warnings = std::mem::take(&mut layer.warnings);
        platform.values.append(&mut layer.values);
        Ok(platform)
    }

    /// Reads the settings of the command line.
    pub(crate) fn flags(overrides: &Overrides) -> Result<Self, ConfigError> {
        let data_dir = overrides
            .data_dir
            .as_ref()
            .map(|path| path.to_string_lossy().into_owned());
        let mut layer = Self::default();
        for (&(name, flag), value) in FLAGS.iter().zip([
            &overrides.host,
            &overrides.port,
            &data_dir,
            &overrides.services,
            &overrides.kafka_brokers,
            &overrides.log_format,
            &overrides.log_level,
        ]) {
            let row = name
                .split_once('.')
                .and_then(|(section, key)| row(section, key));
            if let (Some(value), Some(row)) = (value, row) {
                layer.add(row, &Raw::Text(value), Origin::Flag(flag))?;
            }
        }
        Ok(layer)
    }

    fn add(&mut self, row: &Row, raw: &Raw<'_>, origin: Origin) -> Result<(), ConfigError> {
        match row.rule.check(raw) {
            Some(value) => {
                self.values.push((row.name, value, origin));
                Ok(())
            }
            None => Err(ConfigError::Invalid {
                name: row.name,
                value: match row.rule {
                    Rule::Secret => "***".to_owned(),
                    _ => raw.to_string(),
                },
                origin,
                allowed: row.rule.to_string(),
            }),
        }
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        let value = |(name, kind, origin): &(&str, ValueKind, Origin)| {
            (
                (*name).to_owned(),
                Value::new(Some(&origin.to_string()), kind.clone()),
            )
        };
        Ok(self.values.iter().map(value).collect())
    }
}

fn row(section: &str, key: &str) -> Option<&'static Row> {
    let section = TABLE.iter().find(|known| known.name == section)?;
    section.rows.iter().find(|row| row.key() == key)
}

/// Returns the error for an unknown key. It lists the settings of the key's section, or all
/// sections.
fn unknown(key: String, origin: Origin) -> ConfigError {
    let section = key.split('.').next().unwrap_or_default();
    let names: Vec<&str> = match TABLE.iter().find(|known| known.name == section) {
        Some(known) => known.rows.iter().map(|row| row.name).collect(),
        None => TABLE.iter().map(|section| section.name).collect(),
    };
    let allowed = match names.first() {
        Some(first) if first.contains('.') => names.join(", "),
        _ => format!("the sections {}", names.join(", ")),
    };
    ConfigError::Unknown {
        key,
        origin,
        allowed,
    }
}

/// Returns the line, column and cause of a TOML error, without the excerpt of the file between
/// them.
fn toml_reason(error: &config::ConfigError) -> String {
    let text = match error {
        config::ConfigError::FileParse { cause, .. } => cause.to_string(),
        other => other.to_string(),
    };
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.contains('|'))
        .collect();
    lines.join(": ")
}
