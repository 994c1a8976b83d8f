//! The seam through which simulations and tests make an entity's code fail. The executable passes
//! `()`, which does nothing.

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
