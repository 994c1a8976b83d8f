//! The reference of all settings: its rows, and the page made from them.

use std::fmt::Write as _;

use crate::Settings;
use crate::effective::value_of;
use crate::environment::env_name;
use crate::layers::FLAGS;
use crate::settings::{Row, TABLE};

/// The documentation of one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingDoc {
    /// The name, as `section.key`.
    pub name: &'static str,
    /// The environment variable that sets it.
    pub env: String,
    /// The flag that sets it, if there is one.
    pub flag: Option<&'static str>,
    /// The default, as TOML.
    pub default: String,
    /// The allowed values.
    pub bounds: String,
    /// The description of the setting.
    pub description: String,
}

/// Returns the documentation of every setting, section by section.
#[must_use]
pub fn reference() -> Vec<SettingDoc> {
    let defaults = Settings::default();
    TABLE
        .iter()
        .flat_map(|section| section.rows)
        .map(|row| doc(row, &defaults))
        .collect()
}

/// Returns the page `docs/reference/settings.md`.
#[must_use]
pub fn reference_markdown() -> String {
    let defaults = Settings::default();
    let mut page = String::from(HEAD);
    for section in TABLE {
        // Writing to a String can't fail.
        let _ = write!(
            page,
            "\n## {}\n\n{}\n",
            section.name,
            join(section.description)
        );
        page.push_str("\n| setting | default | allowed | what it does |\n|---|---|---|---|\n");
        for row in section.rows {
            let doc = doc(row, &defaults);
            let flag = doc
                .flag
                .map(|flag| format!(" Flag: `{flag}`."))
                .unwrap_or_default();
            let _ = writeln!(
                page,
                "| `{}` | `{}`{} | {} | {}{flag} |",
                doc.name,
                doc.default,
                in_units(&doc.default, doc.name),
                doc.bounds,
                doc.description,
            );
        }
    }
    page
}

const HEAD: &str = "\
# Settings

<!-- Made from config/src/settings.rs; `UPDATE_DOCS=1 cargo test -p florin-config` writes it anew. -->

Every setting has a default; Florin runs without a settings file. Later sources override earlier ones:

1. the defaults below,
2. `florin.toml` in the working directory if it exists, or the file that `--config` names,
3. the environment: `PORT`, `KAFKA_BROKERS`, `KAFKA_TOPIC`, `KAFKA_GROUP_ID`, and
   `FLORIN__SECTION__KEY` for every setting (`server.port` is `FLORIN__SERVER__PORT`, which wins
   over `PORT`); an empty variable counts as not set,
4. flags.

Settings are read once, at the start. An unknown setting or a value that is not allowed stops the
start with one line that names the setting, its source and the allowed values. This holds for every
source, even if a later one overrides it. `florin config` prints the settings in effect as TOML.

Also: `gateway.page_default` is at most `gateway.page_max`, `ledger.record_bytes_max` at most
`journal.queue_bytes_max`, `views.flush_records_max` at most `views.lag_records_max`.
";

fn doc(row: &Row, defaults: &Settings) -> SettingDoc {
    SettingDoc {
        name: row.name,
        env: env_name(row.name),
        flag: FLAGS
            .iter()
            .find(|(name, _)| *name == row.name)
            .map(|(_, flag)| *flag),
        default: value_of(defaults, row.name),
        bounds: row.rule.to_string(),
        description: join(row.description),
    }
}

fn join(lines: &[&str]) -> String {
    lines
        .iter()
        .map(|line| line.trim())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Returns a size in the largest unit that divides it, as an addition to the plain number.
fn in_units(value: &str, name: &str) -> String {
    match value.parse::<u64>() {
        Ok(bytes) if name.contains("bytes") => {
            let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
            match units
                .iter()
                .find(|(unit, _)| bytes >= *unit && bytes % unit == 0)
            {
                Some((unit, word)) => format!(" ({} {word})", bytes / unit),
                None => String::new(),
            }
        }
        _ => String::new(),
    }
}
