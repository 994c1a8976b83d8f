//! The settings in effect as TOML, for `florin config`.

use std::fmt::Write as _;

use serde_json::Value;

use crate::printable::is_hidden;
use crate::rule::Rule;
use crate::settings::TABLE;
use crate::{Origin, Settings};

impl Settings {
    /// Returns all settings as TOML that `--config` would accept. A comment names the origin of
    /// each value that is not the default. A secret that is set is shown as `***`.
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

/// Returns the value of the setting `name` as TOML.
pub(crate) fn value_of(settings: &Settings, name: &str) -> String {
    let pointer = format!("/{}", name.replace('.', "/"));
    match serde_json::to_value(settings)
        .unwrap_or_default()
        .pointer(&pointer)
    {
        // A JSON string is a valid TOML string. Invisible characters are escaped.
        Some(Value::String(text)) => {
            let mut shown = String::new();
            for character in Value::from(text.as_str()).to_string().chars() {
                if is_hidden(character) {
                    // Writing to a String can't fail.
                    let _ = write!(shown, "\\U{:08x}", u32::from(character));
                } else {
                    shown.push(character);
                }
            }
            shown
        }
        Some(value) => value.to_string(),
        None => String::new(),
    }
}
