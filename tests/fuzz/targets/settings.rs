//! Fuzzes the settings file and one environment variable: the first line of the input is
//! `NAME=VALUE`.
#![no_main]

use florin_config::{ConfigError, Settings, fuzzing};

/// Checks that an error is reported in one line.
fn check(loaded: Result<Settings, ConfigError>) {
    if let Err(error) = loaded {
        let said = error.to_string();
        assert!(!said.contains('\n'), "{said:?}");
    }
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    check(fuzzing::file(text));
    let line = text.lines().next().unwrap_or_default();
    if let Some((name, value)) = line.split_once('=') {
        check(fuzzing::environment(name, value));
    }
});
