//! The directory: every entity that is in memory. The one door to another entity's state, to be
//! passed within a turn only.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use actix::Addr;
use tokio::sync::Notify;

use super::host::Host;
use super::id_hasher::IdHasher;
use crate::entities::State;
use crate::messages::{EntityId, Kind};

/// Whether an entity can take part in a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Being read from the views and the journal.
    Loading,
    /// In memory.
    Live,
    /// Out of service: its records can't be read.
    Quarantined,
}

impl Phase {
    /// The phase's name outside, as `live`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Live => "live",
            Self::Quarantined => "quarantined",
        }
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

/// One entity in memory.
#[derive(Debug)]
pub struct Seat {
    /// The entity.
    pub entity: EntityId,
    /// What is known of it.
    pub present: RefCell<Present>,
    phase: Cell<Phase>,
    counted: Cell<Option<(Kind, Phase)>>,
    changed: Notify,
    last_fault: RefCell<Option<String>>,
}

impl Seat {
    fn new(entity: EntityId, phase: Phase) -> Rc<Self> {
        Rc::new(Self {
            entity,
            present: RefCell::default(),
            phase: Cell::new(phase),
            counted: Cell::new(None),
            changed: Notify::new(),
            last_fault: RefCell::new(None),
        })
    }

    /// Whether it can take part in a turn.
    pub fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Whether it can take part in a turn.
    pub fn is_live(&self) -> bool {
        self.phase() == Phase::Live
    }

    /// What it is; `None` if that isn't known or there is no such entity.
    pub fn kind(&self) -> Option<Kind> {
        self.present.borrow().state.as_ref().map(State::kind)
    }

    /// Why it is out of service, or last failed.
    pub fn last_fault(&self) -> Option<String> {
        self.last_fault.borrow().clone()
    }

    /// Notes a failure of the entity's own code.
    pub fn note_fault(&self, fault: String) {
        *self.last_fault.borrow_mut() = Some(fault);
    }

    /// Ends the loading.
    pub fn loaded(&self, present: Present) {
        *self.present.borrow_mut() = present;
        self.enter(Phase::Live);
    }

    /// Takes it out of service.
    pub fn quarantine(&self, fault: String) {
        self.note_fault(fault);
        self.enter(Phase::Quarantined);
    }

    /// Waits until it is no longer loading.
    pub async fn settled(&self) {
        loop {
            let changed = self.changed.notified();
            if self.phase() != Phase::Loading {
                return;
            }
            changed.await;
        }
    }

    fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.changed.notify_waiters();
    }
}

/// Every entity in memory, and its actor.
#[derive(Debug, Default)]
pub struct Directory {
    seats: HashMap<EntityId, (Rc<Seat>, Addr<Host>), IdHasher>,
    counts: HashMap<(Kind, Phase), u64>,
}

impl Directory {
    /// An entity in memory.
    pub fn seat(&self, entity: EntityId) -> Option<&Rc<Seat>> {
        self.seats.get(&entity).map(|(seat, _)| seat)
    }

    /// An entity's actor.
    pub fn actor(&self, entity: EntityId) -> Option<&Addr<Host>> {
        self.seats.get(&entity).map(|(_, actor)| actor)
    }

    /// Seats an entity that isn't in memory; `start` starts its actor.
    pub fn enter(
        &mut self,
        entity: EntityId,
        phase: Phase,
        start: impl FnOnce(Rc<Seat>) -> Addr<Host>,
    ) -> Rc<Seat> {
        let seat = Seat::new(entity, phase);
        let actor = start(Rc::clone(&seat));
        self.seats.insert(entity, (Rc::clone(&seat), actor));
        seat
    }

    /// Forgets an entity, unless it has another seat by now; its actor ends when its mailbox is
    /// empty.
    pub fn leave(&mut self, left: &Seat) {
        let known = self.seats.get(&left.entity);
        if known.is_some_and(|(known, _)| std::ptr::eq(&**known, left)) {
            self.seats.remove(&left.entity);
            self.move_count(left, None);
        }
    }

    /// Counts a seat anew: to be called when its kind became known or its phase changed.
    pub fn count(&mut self, seat: &Seat) {
        if self
            .seats
            .get(&seat.entity)
            .is_some_and(|(known, _)| std::ptr::eq(&**known, seat))
        {
            let now = seat.kind().map(|kind| (kind, seat.phase()));
            self.move_count(seat, now);
        }
    }

    fn move_count(&mut self, seat: &Seat, now: Option<(Kind, Phase)>) {
        if let Some(before) = seat.counted.replace(now)
            && let Some(count) = self.counts.get_mut(&before)
        {
            *count -= 1;
        }
        if let Some(now) = now {
            *self.counts.entry(now).or_default() += 1;
        }
    }

    /// Every seat, in no order.
    pub fn seats(&self) -> impl Iterator<Item = &Rc<Seat>> {
        self.seats.values().map(|(seat, _)| seat)
    }

    /// How many entities there are of each kind and phase.
    pub const fn counts(&self) -> &HashMap<(Kind, Phase), u64> {
        &self.counts
    }
}
