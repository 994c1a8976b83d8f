//! Actors and the clock as operators see them.

use florin_actors::messages::{EntityId, OperationId, Timestamp};
use florin_actors::runtime::ActorView;
use serde::Serialize;
use utoipa::ToSchema;

use super::values::Time;

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
    /// Who supervises it: the ledger's arbiter, for every entity.
    #[schema(example = "ledger")]
    supervisor: &'static str,
    /// How often it was started anew since it was last read into memory.
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
            supervisor: "ledger",
            restarts: actor.restarts,
            last_fault: actor.last_fault,
        }
    }
}

/// An actor that is in service again.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ResumedActor)]
pub struct ResumedBody {
    /// The operation; not there in the answer to a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid, nullable = false)]
    pub operation_id: Option<OperationId>,
    /// Always `completed`.
    #[schema(example = "completed")]
    pub status: &'static str,
    /// The kind of its entity.
    #[schema(example = "account")]
    pub kind: &'static str,
    /// Its entity.
    #[schema(value_type = String, format = Uuid)]
    pub id: EntityId,
    /// Only in the answer to a dry run: nothing was done.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub dry_run: bool,
}

/// The clock after it was confirmed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Clock)]
pub struct ClockBody {
    /// The time of day that is told from now on.
    #[schema(value_type = String, format = DateTime)]
    time: Time,
    /// By how many seconds it had leapt ahead; 0 when it was believed all along.
    leapt_seconds: i64,
}

impl ClockBody {
    /// The time, and the leap that was confirmed.
    pub fn new(time: Timestamp, leapt_micros: Option<i64>) -> Self {
        Self {
            time: Time(time),
            leapt_seconds: leapt_micros.unwrap_or_default() / 1_000_000,
        }
    }
}
