//! A clock in virtual time. Its time of day jumps on command.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use florin_actors::messages::Timestamp;
use florin_actors::runtime::Clock;
use tokio::time::Instant;

/// 2023-11-14T22:13:20Z.
const START_MICROS: i64 = 1_700_000_000_000_000;
/// The next midnight after that.
const MIDNIGHT_MICROS: i64 = 1_700_006_400_000_000;

/// The clock of a run. It continues through crashes.
#[derive(Debug)]
pub struct SimulatedClock {
    start: Instant,
    ahead_micros: AtomicI64,
    latest_micros: AtomicI64,
}

impl SimulatedClock {
    /// Creates a clock that starts now. With `to_midnight`, its time of day starts that long before
    /// a midnight.
    pub fn start(to_midnight: Option<Duration>) -> Self {
        let ahead = to_midnight.map_or(0, |left| {
            MIDNIGHT_MICROS - START_MICROS - i64::try_from(left.as_micros()).unwrap()
        });
        Self {
            start: Instant::now(),
            ahead_micros: AtomicI64::new(ahead),
            latest_micros: AtomicI64::new(START_MICROS),
        }
    }

    /// Makes the time of day jump by this much. Monotonic time does not jump.
    pub fn jump(&self, micros: i64) {
        self.ahead_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Returns the latest time of day that the clock ever returned.
    pub fn latest(&self) -> Timestamp {
        Timestamp::from_micros(self.latest_micros.load(Ordering::Relaxed))
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        let elapsed = i64::try_from(self.start.elapsed().as_micros()).unwrap_or(i64::MAX);
        let now = START_MICROS + elapsed + self.ahead_micros.load(Ordering::Relaxed);
        self.latest_micros.fetch_max(now, Ordering::Relaxed);
        Timestamp::from_micros(now)
    }

    fn nanos(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
