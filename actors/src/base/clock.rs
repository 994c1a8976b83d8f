//! The clock seam: the only place that reads the machine's clocks.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::words::Timestamp;

/// A moment on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The time of day.
    pub time: Timestamp,
    /// The nanoseconds of [`Clock::nanos`].
    pub nanos: u64,
}

impl Moment {
    /// Returns [`Clock::nanos`] in milliseconds, to measure how long something was not needed. The
    /// value wraps after 49 days; a wrapping difference stays correct.
    pub const fn millis(self) -> u32 {
        (self.nanos / 1_000_000) as u32
    }
}

/// A clock that tells the time of day and the monotonic time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Returns the time of day.
    fn now(&self) -> Timestamp;

    /// Returns the monotonic time: nanoseconds that never go back, from an arbitrary start.
    fn nanos(&self) -> u64;

    /// Returns both times.
    fn moment(&self) -> Moment {
        Moment {
            time: self.now(),
            nanos: self.nanos(),
        }
    }
}

/// The machine's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[allow(clippy::disallowed_methods, reason = "this is the clock seam")]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn nanos(&self) -> u64 {
        static START: OnceLock<Instant> = OnceLock::new();
        let start = START.get_or_init(Instant::now);
        u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
