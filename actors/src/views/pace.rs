//! Long work of the views rests now and then, so that it takes no core from commands; unless the
//! views are far behind.

use std::sync::Arc;
use std::time::Duration;

use florin_storage::Reader;

use crate::runtime::Clock;

/// How long it works at a stretch.
const STRETCH_NANOS: u64 = 1_000_000;
/// It rests so many times as long as it worked.
const REST: u64 = 2;
/// And no longer than this, however long a call took.
const REST_NANOS_MAX: u64 = 20_000_000;
/// The clock is looked at once in so many calls.
const CALLS: u32 = 32;

/// How long work goes on between rests. In a simulation, whose clock stands while anything works,
/// there are none.
pub struct Pace {
    clock: Arc<dyn Clock>,
    /// The journal, and how many records behind its end work doesn't rest any more.
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
    /// Rests whenever it worked for a while, as long as what works is less than so many records
    /// behind the journal's end.
    pub fn until_behind(clock: Arc<dyn Clock>, reader: Reader, records: u64) -> Self {
        Self::new(clock, Some((reader, records)))
    }

    /// Rests whenever it worked for a while.
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

    /// Begins work that has come to record `position`.
    pub fn begin(&mut self, position: u64) {
        self.position = position;
        self.since = self.clock.nanos();
    }

    /// No rests from now on.
    pub fn hurry(&mut self) {
        if let Some((_, records)) = &mut self.behind {
            *records = 0;
        }
    }

    /// To be called after every small piece of work: rests if it is time to.
    pub fn breathe(&mut self) {
        self.calls = self.calls.wrapping_add(1);
        if self.calls.is_multiple_of(CALLS) {
            self.rest();
        }
    }

    /// To be called after a larger piece of work: rests if it is time to.
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
