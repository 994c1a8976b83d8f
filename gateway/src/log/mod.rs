//! The log: lines on standard error, as text for people or as JSON for machines.

mod escapes;
mod lines;

use std::ffi::OsStr;
use std::io::{self, IsTerminal, Write as _};
use std::sync::OnceLock;
use std::time::Duration;

use florin_actors::messages::Timestamp;
use florin_config::{Log, LogFormat, Overrides, printable, printable_json};
use florin_storage::threads::{Spawner, ThreadName};
use tracing_subscriber::EnvFilter;

use self::escapes::LogEscapes;
use self::lines::LogLines;

/// The longest time that the end of the process waits for the last lines to be written.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The log of this process, once it is started. It is global because a process has one standard
/// error.
static LINES: OnceLock<LogLines> = OnceLock::new();

/// Starts the log. Call it once.
///
/// # Errors
/// Returns an error if the system can't start a thread.
pub fn start(settings: &Log, spawner: &Spawner) -> io::Result<()> {
    // Other crates log only errors: their lower levels report faults of clients, which are answered
    // anyway, and repeat what clients sent.
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
    let started = LogLines::start(spawner)?;
    let is_coloured = settings.format == LogFormat::Text && io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // A line that can't be formatted is lost, because only the log's thread may write to
        // standard error.
        .log_internal_errors(false)
        .with_writer(LogEscapes::new(
            started.clone(),
            settings.format,
            is_coloured,
        ));
    // A second start, as in tests, keeps the first log.
    let _ = match settings.format {
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
        LogFormat::Text => lines.with_ansi(is_coloured).with_target(false).try_init(),
    };
    let _ = LINES.set(started);
    Ok(())
}

/// Returns the number of lines that were lost since the start.
pub fn lost() -> u64 {
    LINES.get().map_or(0, LogLines::lost)
}

/// Writes a text to standard output on a thread of its own, so that a slow reader does not block
/// the caller. The text is lost if the thread can't be started.
pub fn output(text: String, spawner: &Spawner) {
    let write = move || {
        let written = io::stdout().write_all(text.as_bytes());
        if let Err(error) = written.and_then(|()| io::stdout().flush()) {
            tracing::info!(%error, "standard output can't be written");
        }
    };
    if let Err(error) = spawner.start(ThreadName::Log, write) {
        tracing::warn!(%error, "the thread that writes to standard output can't be started");
    }
}

/// Waits, for a bounded time, until the lines logged so far are written. Call it before the process
/// ends.
pub fn flush() {
    if let Some(lines) = LINES.get() {
        lines.flush(LAST_LINES);
    }
}

/// Returns the format of the log for the case that the settings can't be read: the one of the
/// command line, or else of the environment. The settings file is not considered, because it may be
/// the file that can't be read.
pub fn format_without_settings(overrides: &Overrides, environment: Option<&OsStr>) -> LogFormat {
    let given = overrides.log_format.as_deref().map(OsStr::new);
    match given.or(environment) {
        Some(word) if word == "json" => LogFormat::Json,
        _ => LogFormat::Text,
    }
}

/// Writes the reason why the process ends: one line on standard error, after the lines logged
/// before.
pub fn fatal(format: LogFormat, reason: &str, exit_code: u8) {
    let mut line = match format {
        LogFormat::Text => format!("florin: {}", printable(reason)),
        LogFormat::Json => serde_json::json!({
            "timestamp": now(),
            "level": "ERROR",
            "message": reason,
            "exit_code": exit_code,
            "target": "florin",
        })
        .to_string(),
    };
    if format == LogFormat::Json {
        line = printable_json(&line).into_owned();
    }
    line.push('\n');
    // Standard error may be closed. Then the reason can't be reported anywhere.
    let _ = match LINES.get() {
        Some(lines) => lines.clone().write_all(line.as_bytes()),
        None => io::stderr().write_all(line.as_bytes()),
    };
    flush();
}

fn now() -> String {
    use florin_actors::runtime::{Clock as _, SystemClock};
    let now: Timestamp = SystemClock.now();
    now.to_string()
}
