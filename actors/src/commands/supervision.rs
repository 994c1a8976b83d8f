//! The commands of supervision. They are about an entity's actor; the entity itself doesn't change.

use serde::{Deserialize, Serialize};

use super::plan::{Part, PlanInput, States, Stop};
use super::rules::CommandRules;
use crate::entities::Kind;
use crate::words::EntityId;

/// Takes an entity's actor out of service; this outlives a restart. The entity itself doesn't
/// change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quarantine {
    /// The entity.
    pub entity: EntityId,
    /// The reason: the actor's last fault.
    pub reason: String,
}

/// Puts an entity's actor back into service. The entity itself doesn't change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resume {
    /// The entity.
    pub entity: EntityId,
    /// The entity's kind.
    pub kind: Kind,
}

impl CommandRules for Quarantine {
    fn subject(&self) -> Option<EntityId> {
        Some(self.entity)
    }

    fn plan(&self, _: PlanInput, _: &mut dyn States) -> Result<Vec<Part>, Stop> {
        Ok(Vec::new())
    }
}

impl CommandRules for Resume {
    fn subject(&self) -> Option<EntityId> {
        Some(self.entity)
    }

    fn plan(&self, _: PlanInput, _: &mut dyn States) -> Result<Vec<Part>, Stop> {
        Ok(Vec::new())
    }
}
