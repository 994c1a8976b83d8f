//! A seat: one entity in memory, its current state, and its phase.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tokio::sync::Notify;

use crate::base::Present;
use crate::entities::{Kind, State};
use crate::words::EntityId;

/// The phase of an entity in memory: it decides whether the entity can take part in a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The entity is being read from the views and the journal.
    Loading,
    /// The entity is in memory.
    Live,
    /// The entity's code failed. The entity is read again after a pause, and its queued commands
    /// wait.
    Restarting,
    /// The entity is out of service until an operator resumes it, because its code failed too often
    /// or its records can't be read. State that was read is still shown.
    Quarantined,
}

impl Phase {
    /// Returns the phase's external name, for example `live`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Live => "live",
            Self::Restarting => "restarting",
            Self::Quarantined => "quarantined",
        }
    }

    /// Returns whether the phase ends by itself.
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::Loading | Self::Restarting)
    }
}

/// The faults and restarts of an actor.
#[derive(Debug, Default)]
pub struct Troubles {
    /// The times of recent faults, in nanoseconds of the clock, oldest first.
    pub faults: Vec<u64>,
    /// The number of restarts.
    pub restarts: u32,
    /// The reason of the last fault, or the reason why the entity is out of service.
    pub last: String,
}

/// One entity in memory.
#[derive(Debug)]
pub struct Seat {
    /// The entity.
    pub entity: EntityId,
    /// The entity's current state.
    pub present: RefCell<Present>,
    /// The seat's place in the directory.
    pub(in crate::runtime) place: u32,
    /// The number of commands that are in the mailbox or being handled.
    pub(in crate::runtime) letters: Cell<u32>,
    /// The time when the entity was last needed, in the milliseconds of `Moment::millis`.
    pub(in crate::runtime) needed: Cell<u32>,
    pub(in crate::runtime) counted: Cell<Option<(Kind, Phase)>>,
    pub(in crate::runtime) troubles: RefCell<Option<Box<Troubles>>>,
    phase: Cell<Phase>,
    changed: Notify,
}

impl Seat {
    pub(in crate::runtime) fn new(entity: EntityId, place: u32, phase: Phase) -> Rc<Self> {
        Rc::new(Self {
            entity,
            present: RefCell::default(),
            place,
            letters: Cell::new(0),
            needed: Cell::new(0),
            counted: Cell::new(None),
            troubles: RefCell::new(None),
            phase: Cell::new(phase),
            changed: Notify::new(),
        })
    }

    /// Returns the entity's phase.
    pub fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Returns the entity's kind, or `None` if it isn't known or there is no such entity.
    pub fn kind(&self) -> Option<Kind> {
        self.present.borrow().state.as_ref().map(State::kind)
    }

    /// Returns whether the entity's state may be shown, which is not the case while it is read.
    pub fn is_readable(&self) -> bool {
        match self.phase() {
            Phase::Live => true,
            Phase::Quarantined => self.present.borrow().state.is_some(),
            Phase::Loading | Phase::Restarting => false,
        }
    }

    /// Changes the phase, and wakes the tasks that wait for a change.
    pub(in crate::runtime) fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.changed.notify_waiters();
    }

    /// Waits until the entity is neither loading nor restarting.
    pub async fn ready(&self) {
        loop {
            let changed = self.changed.notified();
            if !self.phase().is_passing() {
                return;
            }
            changed.await;
        }
    }

    /// Returns the reason of the last fault, or the reason why the entity is out of service.
    pub fn last_fault(&self) -> Option<String> {
        let troubles = self.troubles.borrow();
        troubles.as_ref().map(|troubles| troubles.last.clone())
    }

    /// Returns the number of restarts since the entity got this seat or was last resumed.
    pub fn restarts(&self) -> u32 {
        let troubles = self.troubles.borrow();
        troubles.as_ref().map_or(0, |troubles| troubles.restarts)
    }
}
