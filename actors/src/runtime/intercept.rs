//! The calls of an entity's own code: which entity was called last, and the hook through which
//! simulations and tests make such a call fail. The executable passes `()`, which does nothing.

use std::cell::Cell;
use std::sync::Arc;

use crate::words::EntityId;

/// A hook that may panic in place of an entity's own code.
pub trait Intercept: Send + Sync {
    /// Runs before the entity's rules decide.
    fn decide(&self, entity: EntityId);

    /// Runs before the entity applies a decision.
    fn evolve(&self, entity: EntityId);
}

impl Intercept for () {
    fn decide(&self, _: EntityId) {}
    fn evolve(&self, _: EntityId) {}
}

impl std::fmt::Debug for dyn Intercept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Intercept")
    }
}

/// The record of which entity's code was called last in a turn. A panic in the turn is its fault.
#[derive(Debug)]
pub struct Calls {
    intercept: Arc<dyn Intercept>,
    last: Cell<Option<EntityId>>,
}

impl Calls {
    /// Creates the record of no call; `intercept` runs before each call.
    pub const fn new(intercept: Arc<dyn Intercept>) -> Self {
        Self {
            intercept,
            last: Cell::new(None),
        }
    }

    /// Notes that a turn begins.
    pub fn begin(&self) {
        self.last.set(None);
    }

    /// Notes that the entity's rules are called next.
    pub fn decide(&self, entity: EntityId) {
        self.last.set(Some(entity));
        self.intercept.decide(entity);
    }

    /// Notes that the entity's code that applies a decision is called next.
    pub fn evolve(&self, entity: EntityId) {
        self.last.set(Some(entity));
        self.intercept.evolve(entity);
    }

    /// Returns the entity whose code was called last in this turn.
    pub fn last(&self) -> Option<EntityId> {
        self.last.get()
    }
}
