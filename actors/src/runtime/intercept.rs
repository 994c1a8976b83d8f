//! The seam by which simulations and tests make an entity's code fail. The executable passes `()`,
//! which does nothing.

use crate::messages::EntityId;

/// May panic in place of an entity's own code.
pub trait Intercept: Send + Sync {
    /// Before the entity's rules are asked.
    fn decide(&self, entity: EntityId);

    /// Before the entity takes in what was decided.
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
