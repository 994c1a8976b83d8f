//! Waiting for a condition. Tests never sleep for a fixed time: they poll until a condition holds,
//! and fail if it still doesn't hold after a generous limit.

use std::thread;
use std::time::{Duration, Instant};

/// The longest time that any step may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Polls until `ask` returns a value.
///
/// # Panics
/// Panics if there is none within [`PATIENCE`].
#[track_caller]
pub fn eventually<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, ask).unwrap_or_else(|| panic!("not within {PATIENCE:?}: {what}"))
}

/// Polls until `ask` returns a value or the time limit is reached.
pub fn within<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() >= end {
            return None;
        }
        // This is a pause between two polls, not a wait for an event.
        thread::park_timeout(Duration::from_millis(5));
    }
}
