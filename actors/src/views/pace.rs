//! Pacing of the views' long work. The work rests from time to time, so that it takes no core from
//! commands, unless the views are far behind.

use std::sync::Arc;
use std::time::Duration;

use florin_storage::Reader;

use crate::base::Clock;

/// The time that the work runs before it rests.
const STRETCH_NANOS: u64 = 1_000_000;
/// The length of a rest, as a multiple of the time worked.
const REST: u64 = 2;
/// The greatest length of a rest, however long a call took.
const REST_NANOS_MAX: u64 = 20_000_000;
/// The number of calls after which the clock is read.
const CALLS: u32 = 32;

/// The pace of long work: it decides when the work rests. In a simulation there are no rests,
/// because the clock stands still while work runs.
pub struct Pace {
    clock: Arc<dyn Clock>,
    /// The journal's reader, and the number of records behind the journal's end from which on the
    /// work doesn't rest.
    behind: Option<(Reader, u64)>,
    position: u64,
    since: u64,
    calls: u32,
}

impl std::fmt::Debug for Pace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pace").finish_non_exhaustive()
    }
}

impl Pace {
    /// Creates a pace that rests after each stretch of work, as long as the work is less than
    /// `records` records behind the journal's end.
    pub fn until_behind(clock: Arc<dyn Clock>, reader: Reader, records: u64) -> Self {
        Self::new(clock, Some((reader, records)))
    }

    /// Creates a pace that rests after each stretch of work.
    pub fn always(clock: Arc<dyn Clock>) -> Self {
        Self::new(clock, None)
    }

    fn new(clock: Arc<dyn Clock>, behind: Option<(Reader, u64)>) -> Self {
        let since = clock.nanos();
        Self {
            clock,
            behind,
            position: 0,
            since,
            calls: 0,
        }
    }

    /// Begins a stretch of work that has reached record `position`.
    pub fn begin(&mut self, position: u64) {
        self.position = position;
        self.since = self.clock.nanos();
    }

    /// Ends all rests from now on, for a pace made by [`Self::until_behind`].
    pub fn hurry(&mut self) {
        if let Some((_, records)) = &mut self.behind {
            *records = 0;
        }
    }

    /// Rests if it is time to. It is called after every small piece of work, and reads the clock
    /// only now and then.
    pub fn breathe(&mut self) {
        self.calls = self.calls.wrapping_add(1);
        if self.calls.is_multiple_of(CALLS) {
            self.rest();
        }
    }

    /// Rests if it is time to. It is called after a larger piece of work, and reads the clock each
    /// time.
    pub fn rest(&mut self) {
        let worked = self.clock.nanos().saturating_sub(self.since);
        if worked < STRETCH_NANOS {
            return;
        }
        let is_behind = self.behind.as_ref().is_some_and(|(reader, records)| {
            reader.durable().saturating_sub(self.position) >= *records
        });
        if !is_behind {
            let nanos = worked.saturating_mul(REST).min(REST_NANOS_MAX);
            std::thread::sleep(Duration::from_nanos(nanos));
        }
        self.since = self.clock.nanos();
    }
}
