//! A seat: one entity in memory, what is known of it, and whether it can take part in a turn.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::entities::State;
use crate::messages::{EntityId, Kind};

/// Whether an entity can take part in a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Being read from the views and the journal.
    Loading,
    /// In memory.
    Live,
    /// Its code failed: it is read anew after a pause, and its letters wait.
    Restarting,
    /// Out of service until an operator resumes it: its code failed too often, or its records
    /// can't be read. What was read is shown.
    Quarantined,
}

impl Phase {
    /// The phase's name outside, as `live`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Live => "live",
            Self::Restarting => "restarting",
            Self::Quarantined => "quarantined",
        }
    }

    /// Whether it passes by itself.
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::Loading | Self::Restarting)
    }
}

/// What is known of one entity.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Present {
    /// Its state; `None` if there is no such entity.
    pub state: Option<State>,
    /// Its version, 0 if there is none.
    pub version: u64,
    /// Its last record, 0 if there is none.
    pub last: u64,
    /// Its holder's name, if it has one that wasn't erased.
    pub holder: Option<Arc<str>>,
}

/// What went wrong with an actor.
#[derive(Debug, Default)]
pub struct Troubles {
    /// When its code failed lately, in nanoseconds of the clock, oldest first.
    pub faults: Vec<u64>,
    /// How often it was started anew.
    pub restarts: u32,
    /// Why it last failed, or is out of service.
    pub last: String,
}

/// One entity in memory.
#[derive(Debug)]
pub struct Seat {
    /// The entity.
    pub entity: EntityId,
    /// What is known of it.
    pub present: RefCell<Present>,
    /// Where the directory keeps it.
    pub(super) place: u32,
    /// Letters in its mailbox or in hand.
    pub(super) letters: Cell<u32>,
    /// When it was last needed, in milliseconds of the clock, as the ledger counts them.
    pub(super) needed: Cell<u32>,
    pub(super) counted: Cell<Option<(Kind, Phase)>>,
    pub(super) troubles: RefCell<Option<Box<Troubles>>>,
    phase: Cell<Phase>,
    changed: Notify,
}

impl Seat {
    pub(super) fn new(entity: EntityId, place: u32, phase: Phase) -> Rc<Self> {
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

    /// Whether it can take part in a turn.
    pub fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// What it is; `None` if that isn't known or there is no such entity.
    pub fn kind(&self) -> Option<Kind> {
        self.present.borrow().state.as_ref().map(State::kind)
    }

    /// Whether what is known of it may be shown: not while it is read.
    pub fn is_readable(&self) -> bool {
        match self.phase() {
            Phase::Live => true,
            Phase::Quarantined => self.present.borrow().state.is_some(),
            Phase::Loading | Phase::Restarting => false,
        }
    }

    /// Changes the phase and tells those who wait for it.
    pub(super) fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.changed.notify_waiters();
    }

    /// Waits until it is neither loading nor restarting.
    pub async fn settled(&self) {
        loop {
            let changed = self.changed.notified();
            if !self.phase().is_passing() {
                return;
            }
            changed.await;
        }
    }

    /// Why it last failed, or is out of service.
    pub fn last_fault(&self) -> Option<String> {
        let troubles = self.troubles.borrow();
        troubles.as_ref().map(|troubles| troubles.last.clone())
    }

    /// How often it was started anew since it was last read into memory.
    pub fn restarts(&self) -> u32 {
        let troubles = self.troubles.borrow();
        troubles.as_ref().map_or(0, |troubles| troubles.restarts)
    }
}
