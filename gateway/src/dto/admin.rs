//! Actors as operators see them.

use florin_actors::messages::EntityId;
use florin_actors::runtime::ActorView;
use serde::Serialize;
use utoipa::ToSchema;

/// One actor.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Actor)]
pub struct ActorBody {
    /// The kind of its entity.
    #[schema(example = "account")]
    kind: &'static str,
    /// Its entity.
    #[schema(value_type = String, format = Uuid)]
    id: EntityId,
    /// What it is doing.
    #[schema(example = "live")]
    state: &'static str,
    /// The entity's version.
    version: u64,
    /// How often it was started anew.
    restarts: u32,
    /// Why it last failed; null if it never did.
    #[schema(required)]
    last_fault: Option<String>,
}

impl From<ActorView> for ActorBody {
    fn from(actor: ActorView) -> Self {
        Self {
            kind: actor.kind,
            id: actor.id,
            state: actor.state,
            version: actor.version,
            restarts: actor.restarts,
            last_fault: actor.last_fault,
        }
    }
}
