//! The log: lines on standard error, for people or for machines.

use std::io::{self, IsTerminal};

use florin_config::{Log, LogFormat};
use tracing_subscriber::EnvFilter;

/// Starts to log; to be called once.
pub fn start(settings: &Log) {
    // Other crates tell of clients' faults, which are answered, and repeat what clients sent.
    let level = settings.level.as_str();
    let own = [
        "florin",
        "florin_gateway",
        "florin_actors",
        "florin_storage",
        "florin_config",
    ];
    let own: Vec<String> = own.iter().map(|name| format!("{name}={level}")).collect();
    let filter = EnvFilter::new(format!("error,{}", own.join(",")));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    // A second start, as in tests, keeps the first.
    let _ = match settings.format {
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
        LogFormat::Text => lines
            .with_ansi(io::stderr().is_terminal())
            .with_target(false)
            .try_init(),
    };
}
