//! Waiting for a condition. Tests never sleep for a time and hope: they ask until it holds, and
//! fail when it still doesn't long after it should.

use std::thread;
use std::time::{Duration, Instant};

/// What anything on a busy machine may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Asks until there is an answer.
///
/// # Panics
/// When there is none within [`PATIENCE`].
#[track_caller]
pub fn eventually<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, ask).unwrap_or_else(|| panic!("not within {PATIENCE:?}: {what}"))
}

/// Asks until there is an answer or the time is over.
pub fn within<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() >= end {
            return None;
        }
        // A pause between two questions, not a wait for something to have happened.
        thread::park_timeout(Duration::from_millis(5));
    }
}
