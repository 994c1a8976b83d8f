//! The residents: the entities that are in memory, and the facts that must be known of those that
//! are not.

use std::cell::{Ref, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::directory::Directory;
use super::heads::Heads;
use super::seat::{Phase, Seat};
use crate::base::IdHasher;
use crate::words::EntityId;

/// The entities in memory, each with its actor of type `A`, and what is known of the others.
#[derive(Debug)]
pub struct Residents<A> {
    directory: RefCell<Directory<A>>,
    heads: RefCell<Heads>,
    /// The entities that a record took out of service, with the reasons.
    quarantined: RefCell<BTreeMap<EntityId, String>>,
}

impl<A> Residents<A> {
    /// Creates the residents of a node that has just started: no entity is in memory. `heads` are
    /// the last records of the entities that changed since the views' snapshots, `quarantined` the
    /// entities out of service.
    pub fn new(
        heads: HashMap<EntityId, u64, IdHasher>,
        quarantined: BTreeMap<EntityId, String>,
    ) -> Self {
        Self {
            directory: RefCell::default(),
            heads: RefCell::new(Heads::new(heads)),
            quarantined: RefCell::new(quarantined),
        }
    }

    /// Returns the entities in memory, to be read.
    pub fn directory(&self) -> Ref<'_, Directory<A>> {
        self.directory.borrow()
    }

    /// Returns the seat of an entity, if the entity is in memory.
    pub fn seat(&self, entity: EntityId) -> Option<Rc<Seat>> {
        self.directory.borrow().seat(entity).cloned()
    }

    /// Creates the seat of an entity that isn't in memory; `start` starts its actor.
    pub fn enter(
        &self,
        entity: EntityId,
        phase: Phase,
        start: impl FnOnce(Rc<Seat>) -> A,
    ) -> Rc<Seat> {
        self.directory.borrow_mut().enter(entity, phase, start)
    }

    /// Removes the seat of an entity that doesn't exist.
    pub fn forget(&self, seat: &Seat) {
        self.directory.borrow_mut().leave(seat);
    }

    /// Removes the seat of an entity that can be loaded again later.
    pub fn passivate(&self, seat: &Seat) {
        self.note_head(seat);
        self.directory.borrow_mut().leave(seat);
    }

    /// Removes every seat. The actors and their ledger keep each other alive until then.
    pub fn disband(&self) {
        drop(self.directory.take());
    }

    /// Counts a seat again. Call it when the seat's kind has become known.
    pub fn count(&self, seat: &Seat) {
        self.directory.borrow_mut().count(seat);
    }

    /// Changes a seat's phase, and updates the counts.
    pub fn change_phase(&self, seat: &Seat, phase: Phase) {
        seat.enter(phase);
        self.count(seat);
    }

    /// Notes an entity's last record, from which it is loaded again.
    pub fn note_head(&self, seat: &Seat) {
        let last = seat.present.borrow().last;
        if last > 0 {
            self.heads.borrow_mut().insert(seat.entity, last);
        }
    }

    /// Returns the record to load an entity from, or `None` if the views file holds its current
    /// state.
    pub fn head(&self, entity: EntityId) -> Option<u64> {
        self.heads.borrow().get(entity)
    }

    /// Notes that an entity was loaded. Returns the reason if a record took it out of service.
    pub fn loaded(&self, entity: EntityId) -> Option<String> {
        self.heads.borrow_mut().remove(entity);
        self.quarantined.borrow().get(&entity).cloned()
    }

    /// Notes that the views file holds every record up to `written`.
    pub fn views_written(&self, written: u64) {
        self.heads.borrow_mut().written(written);
    }

    /// Notes that a record takes an entity out of service.
    pub fn quarantine(&self, entity: EntityId, reason: String) {
        self.quarantined.borrow_mut().insert(entity, reason);
    }

    /// Notes that a record puts an entity back into service.
    pub fn resume(&self, entity: EntityId) {
        self.quarantined.borrow_mut().remove(&entity);
    }

    /// Returns the entities that a record took out of service.
    pub fn quarantined(&self) -> Vec<EntityId> {
        self.quarantined.borrow().keys().copied().collect()
    }
}
