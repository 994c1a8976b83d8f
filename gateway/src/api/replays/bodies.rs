//! The request for a replay, and a replay with its progress.

use std::collections::BTreeMap;

use florin_actors::bus::Replay;
use florin_actors::messages::OperationId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::values::Time;

/// The request to publish events of the journal again. An event is selected if it matches all
/// criteria that are given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayRequest {
    /// The sequence of the first record. By default, it is 1.
    pub from: Option<u64>,
    /// The sequence of the last record. By default, it is the last durable record.
    pub to: Option<u64>,
    /// Only events of records made at this time or later.
    #[schema(format = DateTime)]
    pub from_time: Option<String>,
    /// Only events of records made before this time.
    #[schema(format = DateTime)]
    pub to_time: Option<String>,
    /// Only events of these types, each given by any of its names. By default, events of all types.
    #[schema(example = json!(["florin.account.created.v1"]))]
    pub types: Option<Vec<String>>,
    /// Publish only to these topics. By default, each event goes to all its topics.
    #[schema(example = json!(["account-events"]))]
    pub topics: Option<Vec<String>>,
    /// Only events with this key: the id of an entity.
    #[schema(format = Uuid)]
    pub key: Option<String>,
    /// Only events of commands with this correlation id.
    #[schema(example = "checkout-77")]
    pub correlation_id: Option<String>,
    /// Only count the events; publish nothing.
    pub dry_run: Option<bool>,
}

/// A replay of events and its progress.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Replay)]
pub struct ReplayBody {
    /// The id of the replay. The messages that it publishes have it in the header
    /// `x-florin-replay`.
    #[schema(value_type = String, format = Uuid)]
    id: OperationId,
    /// The state: `running`, `stopped`, `completed` or `failed`.
    #[schema(example = "running")]
    state: &'static str,
    /// The reason why the replay failed or waits; null otherwise.
    #[schema(required, example = "the brokers do not answer")]
    reason: Option<String>,
    /// True if the replay only counts the events.
    dry_run: bool,
    /// The number of events so far.
    events: u64,
    /// The number of messages so far, by topic.
    topics: BTreeMap<String, u64>,
    /// The sequence of the record that is read next; 0 before the replay has begun.
    next_sequence: u64,
    /// The sequence of the last record that is read.
    to_sequence: u64,
    /// The time when the replay was requested.
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
