//! A replay, asked for and under way.

use std::collections::BTreeMap;

use florin_actors::bus::Replay;
use florin_actors::messages::OperationId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::values::Time;

/// Has events of the journal published again: those that all of this names.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayRequest {
    /// The first record; 1 where not given.
    pub from: Option<u64>,
    /// The last record; the last durable one where not given.
    pub to: Option<u64>,
    /// Records made then or later.
    #[schema(format = DateTime)]
    pub from_time: Option<String>,
    /// Records made before.
    #[schema(format = DateTime)]
    pub to_time: Option<String>,
    /// Events of these types, by any of their names; of all where not given.
    #[schema(example = json!(["florin.account.created.v1"]))]
    pub types: Option<Vec<String>>,
    /// Only to these of their topics.
    #[schema(example = json!(["account-events"]))]
    pub topics: Option<Vec<String>>,
    /// Events of this key.
    #[schema(format = Uuid)]
    pub key: Option<String>,
    /// Events of what belongs to this.
    pub correlation_id: Option<String>,
    /// Only counts.
    pub dry_run: Option<bool>,
}

/// A replay.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Replay)]
pub struct ReplayBody {
    /// Its name: the header `x-florin-replay` of what it publishes.
    #[schema(value_type = String, format = Uuid)]
    id: OperationId,
    /// `running`, `stopped`, `completed` or `failed`.
    #[schema(example = "running")]
    state: &'static str,
    /// Why it failed or waits; null if neither.
    #[schema(required)]
    reason: Option<String>,
    /// Whether it only counts.
    dry_run: bool,
    /// Events so far.
    events: u64,
    /// Messages so far, by topic.
    topics: BTreeMap<String, u64>,
    /// The record that it looks at next; 0 before it has begun.
    next_sequence: u64,
    /// The last record that it looks at.
    to_sequence: u64,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
}

impl From<Replay> for ReplayBody {
    fn from(replay: Replay) -> Self {
        Self {
            id: replay.id,
            state: replay.state.name(),
            reason: replay.reason,
            dry_run: replay.order.dry_run,
            events: replay.progress.events,
            topics: replay.progress.topics,
            next_sequence: replay.progress.next.sequence,
            to_sequence: replay.order.selection.to.unwrap_or_default(),
            created_at: Time(replay.created_at),
        }
    }
}
