//! The settings in effect as TOML, for `florin config`.

use std::fmt::Write as _;

use serde_json::Value;

use crate::rule::Rule;
use crate::settings::TABLE;
use crate::{Origin, Settings};

impl Settings {
    /// All settings as TOML that `--config` would take again; a comment says where a value came
    /// from when it is not the default. A secret that is set is shown as `***`.
    #[must_use]
    pub fn effective(&self) -> String {
        let mut text = String::new();
        for section in TABLE {
            if !text.is_empty() {
                text.push('\n');
            }
            // Writing to a String can't fail.
            let _ = writeln!(text, "[{}]", section.name);
            for row in section.rows {
                let value = match (value_of(self, row.name), row.rule) {
                    (value, Rule::Secret) if value != "\"\"" => "\"***\"".to_owned(),
                    (value, _) => value,
                };
                let _ = write!(text, "{} = {value}", row.key());
                match self.origin(row.name) {
                    Origin::Default => text.push('\n'),
                    origin => {
                        let _ = writeln!(text, " # {origin}");
                    }
                }
            }
        }
        text
    }
}

/// The value of the setting `name` as TOML.
pub(crate) fn value_of(settings: &Settings, name: &str) -> String {
    let pointer = format!("/{}", name.replace('.', "/"));
    match serde_json::to_value(settings)
        .unwrap_or_default()
        .pointer(&pointer)
    {
        // JSON's strings are TOML's, but for one character that TOML wants escaped.
        Some(Value::String(text)) => Value::from(text.as_str())
            .to_string()
            .replace('\u{7f}', "\\u007f"),
        Some(value) => value.to_string(),
        None => String::new(),
    }
}
