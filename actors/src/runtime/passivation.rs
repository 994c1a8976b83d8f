//! Passivation: entities that nobody needed for a while leave memory, and come back from their
//! snapshot and records when they are needed. It is one step: an actor without letters, all of whose
//! records are durable, leaves at once, so none is ever seen on its way out.

use std::rc::Rc;
use std::time::Duration;

use super::ledger::Ledger;
use super::seat::{Phase, Seat};

/// Seats looked at in one step: bounds how long it holds the ledger's thread.
const SLICE: usize = 256;
/// The pauses between two steps.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// When an entity leaves memory.
#[derive(Debug, Clone, Copy)]
pub struct PassivationOptions {
    /// After it was not needed for so long.
    pub idle: Duration,
    /// Entities in memory past which those not needed for a second leave.
    pub live_max: usize,
}

/// How long an entity stays when there are too many: a command that had it loaded must find it.
const CROWDED_IDLE: Duration = Duration::from_secs(1);

impl Ledger {
    /// Lets what is idle leave, for ever.
    pub(super) async fn passivate_idle(self: Rc<Self>) {
        let mut place = 0;
        loop {
            tokio::time::sleep(self.pause()).await;
            self.heads.borrow_mut().written(self.views.written());
            place = self.passivate_slice(place);
        }
    }

    /// So that every seat is looked at four times within the idle time, or without delay when
    /// there are too many.
    fn pause(&self) -> Duration {
        let seats = self.directory.borrow().len();
        if seats > self.passivation.live_max {
            return PAUSE_MIN;
        }
        let slices = u32::try_from(seats / SLICE + 1).unwrap_or(u32::MAX);
        (self.passivation.idle / 4 / slices).clamp(PAUSE_MIN, PAUSE_MAX)
    }

    /// Looks at the next seats; gives where to go on.
    fn passivate_slice(&self, place: usize) -> usize {
        let (leaving, next): (Vec<_>, _) = {
            let directory = self.directory.borrow();
            let mut idle = self.passivation.idle;
            if directory.len() > self.passivation.live_max {
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
            let last = seat.present.borrow().last;
            self.heads.borrow_mut().insert(seat.entity, last);
            self.directory.borrow_mut().leave(&seat);
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

    /// Faults must be counted together: an actor that had one stays.
    fn had_a_fault_lately(&self, seat: &Seat) -> bool {
        let window = u64::try_from(self.supervision.window.as_nanos()).unwrap_or(u64::MAX);
        let troubles = seat.troubles.borrow();
        let last = troubles
            .as_ref()
            .and_then(|troubles| troubles.faults.last());
        last.is_some_and(|fault| self.clock.nanos().saturating_sub(*fault) < window)
    }
}
