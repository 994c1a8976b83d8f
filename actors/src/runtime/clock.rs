//! The clock seam: the only place that reads the machine's clocks.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::messages::Timestamp;

/// A moment, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The time of day.
    pub time: Timestamp,
    /// Nanoseconds as [`Clock::nanos`] tells them.
    pub nanos: u64,
}

impl Moment {
    /// Milliseconds of [`Clock::nanos`], for what is needed and what is idle; they begin anew after
    /// 49 days, and a difference stays right.
    pub const fn millis(self) -> u32 {
        (self.nanos / 1_000_000) as u32
    }
}

/// Tells the time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The time of day.
    fn now(&self) -> Timestamp;

    /// Nanoseconds that never go back, from an arbitrary start.
    fn nanos(&self) -> u64;

    /// Both at once.
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
