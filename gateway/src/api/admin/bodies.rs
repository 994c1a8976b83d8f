//! Actors and the clock as the API shows them to operators.

use florin_actors::messages::{EntityId, OperationId, Timestamp};
use florin_actors::runtime::ActorView;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::values::{Completed, Time};

/// An actor in memory.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Actor)]
pub struct ActorBody {
    /// The kind of the actor's entity.
    #[schema(example = "account")]
    kind: &'static str,
    /// The id of the actor's entity.
    #[schema(value_type = String, format = Uuid)]
    id: EntityId,
    /// The state of the actor.
    #[schema(example = "live")]
    state: &'static str,
    /// The entity's version.
    version: u64,
    /// The supervisor of the actor. For every entity it is the ledger's thread.
    #[schema(example = "ledger")]
    supervisor: &'static str,
    /// The number of restarts since the actor was last loaded into memory.
    restarts: u32,
    /// The reason of the last fault; null if there was none.
    #[schema(required, example = "attempt to add with overflow")]
    last_fault: Option<String>,
}

impl From<ActorView> for ActorBody {
    fn from(actor: ActorView) -> Self {
        Self {
            kind: actor.kind,
            id: actor.id,
            state: actor.state,
            version: actor.version,
            supervisor: "ledger",
            restarts: actor.restarts,
            last_fault: actor.last_fault,
        }
    }
}

/// An actor that is back in service.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ResumedActor)]
pub struct ResumedBody {
    /// The operation's id. In a dry run there is no operation: `/operations/{id}` answers 404.
    #[schema(value_type = String, format = Uuid)]
    pub operation_id: OperationId,
    /// Always `completed`.
    pub status: Completed,
    /// The kind of the actor's entity.
    #[schema(example = "account")]
    pub kind: &'static str,
    /// The id of the actor's entity.
    #[schema(value_type = String, format = Uuid)]
    pub id: EntityId,
    /// Present only in the answer to a dry run: nothing was done.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub dry_run: bool,
}

/// The clock after an operator confirmed it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Clock)]
pub struct ClockBody {
    /// The time of day that the node uses from now on.
    #[schema(value_type = String, format = DateTime)]
    time: Time,
    /// The number of seconds by which the machine's clock had jumped ahead; 0 if there was no jump
    /// to confirm.
    leapt_seconds: i64,
}

impl ClockBody {
    /// Creates the body from the node's time and the jump that was confirmed, in microseconds.
    pub fn new(time: Timestamp, leapt_micros: Option<i64>) -> Self {
        Self {
            time: Time(time),
            leapt_seconds: leapt_micros.unwrap_or_default() / 1_000_000,
        }
    }
}
