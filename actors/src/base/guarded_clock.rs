//! A clock that doesn't trust a jump into the future, because nothing may expire when a machine's
//! time of day was set wrongly. After a jump above a limit it raises an alarm and follows the
//! monotonic clock, until an operator confirms the new time or the time of day comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use super::clock::{Clock, Moment};
use crate::words::Timestamp;

/// The difference between the two clocks, in microseconds, up to which it is only drift and is
/// ignored.
const DRIFT_MICROS: i64 = 1_000;
/// The time, in microseconds, for which the time of day is derived from the monotonic clock before
/// it is read again: the time is asked for several times per request.
const READ_AGAIN_MICROS: i64 = 1_000;

/// A clock that guards another clock.
#[derive(Debug)]
pub struct GuardedClock {
    inner: Arc<dyn Clock>,
    jump_micros_max: i64,
    /// The difference between the time of day and the monotonic time that is trusted, in
    /// microseconds.
    offset: AtomicI64,
    /// The highest time from which the time of day was set back; a return up to that time is no
    /// jump.
    highest: AtomicI64,
    distrusts: AtomicBool,
    /// The monotonic time at which the time of day was last read.
    read_at: AtomicI64,
}

impl GuardedClock {
    /// Creates a clock that trusts the current time of `inner`, and later jumps of at most
    /// `jump_micros_max`.
    pub fn new(inner: Arc<dyn Clock>, jump_micros_max: i64) -> Self {
        let clock = Self {
            inner,
            jump_micros_max,
            offset: AtomicI64::new(0),
            highest: AtomicI64::new(i64::MIN),
            distrusts: AtomicBool::new(false),
            read_at: AtomicI64::new(0),
        };
        let (told, monotonic) = clock.both();
        clock.offset.store(told - monotonic, Ordering::Relaxed);
        clock.read_at.store(monotonic, Ordering::Relaxed);
        clock
    }

    /// Returns how far the machine's time of day is ahead of the reported time, in microseconds, if
    /// it is not trusted.
    pub fn jump_micros(&self) -> Option<i64> {
        let distrusts = self.distrusts.load(Ordering::Relaxed);
        let (told, monotonic) = self.both();
        distrusts.then(|| told - monotonic - self.offset.load(Ordering::Relaxed))
    }

    /// Trusts the machine's current time of day. Returns the size of the jump if it was not
    /// trusted.
    pub fn confirm(&self) -> Option<i64> {
        let jump = self.jump_micros();
        let (told, monotonic) = self.both();
        self.offset.store(told - monotonic, Ordering::Relaxed);
        if self.distrusts.swap(false, Ordering::Relaxed) {
            tracing::info!(
                jump_seconds = jump.unwrap_or_default() / 1_000_000,
                decision = "confirmed",
                "an operator confirmed the system time; it is used again"
            );
        }
        jump
    }

    /// Reads the time of day before the monotonic time, so that time that passes between the two
    /// reads doesn't look like a jump.
    fn both(&self) -> (i64, i64) {
        let told = self.inner.now().as_micros();
        (told, micros(self.inner.nanos()))
    }

    /// Reads the time of day. Returns it if it is trusted, otherwise the time by the monotonic
    /// clock.
    fn read(&self) -> i64 {
        let (told, monotonic) = self.both();
        let expected = monotonic + self.offset.load(Ordering::Relaxed);
        let jump = told - expected;
        let known = expected.max(self.highest.load(Ordering::Relaxed));
        if told > known.saturating_add(self.jump_micros_max) {
            self.distrust(jump);
            return expected;
        }
        if self.distrusts.swap(false, Ordering::Relaxed) {
            tracing::info!(
                decision = "believed",
                "the system clock came back and is used again"
            );
        }
        if jump < -DRIFT_MICROS {
            self.highest.fetch_max(expected, Ordering::Relaxed);
        }
        self.offset.store(told - monotonic, Ordering::Relaxed);
        told
    }

    /// Handles a jump: the time of day is not trusted until it is confirmed or comes back.
    fn distrust(&self, jump: i64) {
        if !self.distrusts.swap(true, Ordering::Relaxed) {
            tracing::error!(
                jump_seconds = jump / 1_000_000,
                decision = "distrusted",
                "the system clock jumped ahead; time continues by the monotonic clock until an \
                 operator confirms the jump (POST /admin/clock/confirm) or the system clock \
                 comes back"
            );
        }
    }
}

impl Clock for GuardedClock {
    fn now(&self) -> Timestamp {
        self.moment().time
    }

    fn nanos(&self) -> u64 {
        self.inner.nanos()
    }

    fn moment(&self) -> Moment {
        let nanos = self.inner.nanos();
        let monotonic = micros(nanos);
        let since = monotonic - self.read_at.load(Ordering::Relaxed);
        let time = if since < READ_AGAIN_MICROS && !self.distrusts.load(Ordering::Relaxed) {
            monotonic + self.offset.load(Ordering::Relaxed)
        } else {
            self.read_at.store(monotonic, Ordering::Relaxed);
            self.read()
        };
        Moment {
            time: Timestamp::from_micros(time),
            nanos,
        }
    }
}

fn micros(nanos: u64) -> i64 {
    i64::try_from(nanos / 1_000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    #[derive(Debug, Default)]
    struct Hands {
        micros: AtomicI64,
        nanos: AtomicU64,
    }

    impl Hands {
        /// Moves both clocks on.
        fn pass(&self, seconds: i64) {
            self.jump(seconds);
            let nanos = u64::try_from(seconds).unwrap() * 1_000_000_000;
            self.nanos.fetch_add(nanos, Ordering::Relaxed);
        }

        /// Moves the time of day alone. Both clocks also move on by the time after which a jump is
        /// noticed.
        fn jump(&self, seconds: i64) {
            let micros = seconds * 1_000_000 + READ_AGAIN_MICROS;
            self.micros.fetch_add(micros, Ordering::Relaxed);
            let nanos = READ_AGAIN_MICROS as u64 * 1_000;
            self.nanos.fetch_add(nanos, Ordering::Relaxed);
        }
    }

    impl Clock for Hands {
        fn now(&self) -> Timestamp {
            Timestamp::from_micros(self.micros.load(Ordering::Relaxed))
        }
        fn nanos(&self) -> u64 {
            self.nanos.load(Ordering::Relaxed)
        }
    }

    fn clock() -> (Arc<Hands>, GuardedClock) {
        let hands = Arc::new(Hands::default());
        hands.pass(1_000);
        let guarded = GuardedClock::new(Arc::clone(&hands) as Arc<dyn Clock>, 60_000_000);
        (hands, guarded)
    }

    fn seconds(clock: &GuardedClock) -> i64 {
        clock.now().as_micros() / 1_000_000
    }

    #[test]
    fn a_leap_past_the_limit_is_not_believed_until_it_is_confirmed() {
        let (hands, clock) = clock();
        hands.pass(5);
        assert_eq!(seconds(&clock), 1_005);
        hands.jump(3_600);
        hands.pass(5);
        assert_eq!(seconds(&clock), 1_010);
        assert_eq!(clock.jump_micros(), Some(3_600_000_000));
        hands.pass(5);
        assert_eq!(seconds(&clock), 1_015);
        assert_eq!(clock.confirm(), Some(3_600_000_000));
        assert_eq!((seconds(&clock), clock.jump_micros()), (4_615, None));
    }

    #[test]
    fn a_leap_that_is_taken_back_needs_no_operator() {
        let (hands, clock) = clock();
        hands.jump(3_600);
        assert_eq!(seconds(&clock), 1_000);
        hands.jump(-3_600);
        hands.pass(1);
        assert_eq!((seconds(&clock), clock.jump_micros()), (1_001, None));
    }

    #[test]
    fn between_readings_it_goes_on_with_the_monotonic_clock() {
        let (hands, clock) = clock();
        let before = clock.moment();
        hands.micros.fetch_add(5_000_000, Ordering::Relaxed);
        hands.nanos.fetch_add(999_000, Ordering::Relaxed);
        let between = clock.moment();
        assert_eq!(
            between.time.as_micros() - before.time.as_micros(),
            between.nanos as i64 / 1_000 - before.nanos as i64 / 1_000
        );
        hands.nanos.fetch_add(1_000, Ordering::Relaxed);
        assert_eq!(seconds(&clock), 1_005);
    }

    #[test]
    fn small_steps_and_steps_back_are_followed() {
        let (hands, clock) = clock();
        hands.jump(60);
        assert_eq!(seconds(&clock), 1_060);
        hands.jump(-500);
        assert_eq!(seconds(&clock), 560);
        // Setting the time right again is no jump, because the clock was there before.
        hands.jump(500);
        assert_eq!((seconds(&clock), clock.jump_micros()), (1_060, None));
        assert_eq!(clock.confirm(), None);
    }
}
