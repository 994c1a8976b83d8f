//! Passivation: entities that were not needed for a while leave memory, and are loaded from their
//! snapshot and records when they are needed again. It is one step: an actor without queued
//! commands whose records are all durable leaves at once, so no actor is ever seen leaving.

use std::rc::Rc;
use std::time::Duration;

use super::state::Ledger;
use crate::runtime::residency::seat::{Phase, Seat};

/// The number of seats checked in one step, which bounds how long a step holds the ledger's thread.
const SLICE: usize = 256;
/// The shortest pause between two steps; [`PAUSE_MAX`] is the longest.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// The time that an entity stays when there are too many, so that a command that had it loaded
/// still finds it.
const CROWDED_IDLE: Duration = Duration::from_secs(1);

impl Ledger {
    /// Removes idle entities from memory; runs forever.
    pub(in crate::runtime) async fn passivate_idle(self: Rc<Self>) {
        let mut place = 0;
        loop {
            tokio::time::sleep(self.pause()).await;
            self.residents.views_written(self.views.written());
            place = self.passivate_slice(place);
        }
    }

    /// Returns the pause before the next step. Every seat is checked four times within the idle
    /// time, or as often as possible when there are too many.
    fn pause(&self) -> Duration {
        let seats = self.residents.directory().len();
        if seats > self.rules.passivation.live_max {
            return PAUSE_MIN;
        }
        let slices = u32::try_from(seats / SLICE + 1).unwrap_or(u32::MAX);
        (self.rules.passivation.idle / 4 / slices).clamp(PAUSE_MIN, PAUSE_MAX)
    }

    /// Checks the next seats, and returns the place to continue from.
    fn passivate_slice(&self, place: usize) -> usize {
        let (leaving, next): (Vec<_>, _) = {
            let directory = self.residents.directory();
            let mut idle = self.rules.passivation.idle;
            if directory.len() > self.rules.passivation.live_max {
                idle = idle.min(CROWDED_IDLE);
            }
            let Some((seats, next)) = directory.walk(place, SLICE) else {
                return 0;
            };
            let seats = seats.iter().flatten();
            let leaving = seats.filter(|seat| self.may_leave(seat, idle));
            (leaving.cloned().collect(), next)
        };
        for seat in leaving {
            self.residents.passivate(&seat);
        }
        next
    }

    fn may_leave(&self, seat: &Seat, idle: Duration) -> bool {
        let idled = self.clock.moment().millis().wrapping_sub(seat.needed.get());
        seat.phase() == Phase::Live
            && seat.letters.get() == 0
            && Duration::from_millis(idled.into()) >= idle
            && seat.present.borrow().last <= self.watermark.durable()
            && !self.had_a_fault_lately(seat)
    }

    /// Returns whether the actor had a fault within the window. It then stays in memory, so that
    /// its faults are counted together.
    fn had_a_fault_lately(&self, seat: &Seat) -> bool {
        let window = u64::try_from(self.rules.supervision.window.as_nanos()).unwrap_or(u64::MAX);
        let troubles = seat.troubles.borrow();
        let last = troubles
            .as_ref()
            .and_then(|troubles| troubles.faults.last());
        last.is_some_and(|fault| self.clock.nanos().saturating_sub(*fault) < window)
    }
}
