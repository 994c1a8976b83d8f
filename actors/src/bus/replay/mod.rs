//! Replay: events of the journal are sent to a target again, in order. A replayed event has the
//! same id and value as before, so that a reader that has already seen it skips it.
//!
//! The state of replays is stored in a file that is replaced as a whole. A target may also store
//! the progress itself, together with the events; then each event is delivered exactly once, even
//! if the process is killed.

mod file;
mod kept;
mod replays;
mod shared;
mod worker;

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

use super::history::{EventPlace, Selection};
use crate::events::BusEvent;
use crate::words::{OperationId, Timestamp};

pub use replays::Replays;

/// The specification of a replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The criteria for the events.
    pub selection: Selection,
    /// The topics to which the events are sent, out of the topics to which they are bound; empty
    /// for all.
    pub topics: Vec<String>,
    /// True if events are only counted and not sent.
    pub dry_run: bool,
}

/// The state of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplayState {
    /// The replay is running, and continues after a restart.
    Running,
    /// The replay was stopped, and can be resumed.
    Stopped,
    /// All selected events were sent.
    Completed,
    /// The replay failed. It can be resumed once the cause is removed.
    Failed,
}

impl ReplayState {
    /// Returns the state's external name, for example `running`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

/// The progress of a replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The next event to examine.
    pub next: EventPlace,
    /// The number of events that were sent.
    pub events: u64,
    /// The number of messages that were sent, by topic.
    pub topics: BTreeMap<String, u64>,
}

/// A replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// The replay's id, which is also the header `x-florin-replay`.
    pub id: OperationId,
    /// The specification of the replay. Its last record was durable when the replay was requested.
    pub order: Order,
    /// The state of the replay.
    pub state: ReplayState,
    /// The reason why the replay failed or is waiting.
    pub reason: Option<String>,
    /// The progress of the replay.
    pub progress: Progress,
    /// The total number of messages, by topic; `None` until they are counted. A dry run doesn't
    /// count them in advance.
    pub totals: Option<BTreeMap<String, u64>>,
    /// True if the replay contains every event of its topics, up to the last record that was
    /// durable when the replay was requested.
    pub is_whole: bool,
    /// The time at which the replay was requested.
    pub created_at: Timestamp,
}

/// An event, and the topics to which it is sent.
#[derive(Debug)]
pub struct Replayed<'a> {
    /// The event.
    pub event: BusEvent,
    /// The topics, at least one, each with the number of the message among the replay's messages to
    /// the topic, from 1.
    pub topics: Vec<(&'a str, u64)>,
}

/// The reason why a target can't accept events.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetFault {
    /// A temporary fault. The target is reopened after a backoff.
    #[error("{0}")]
    Transient(String),
    /// A permanent fault.
    #[error("{0}")]
    Final(String),
}

/// A target of replayed events.
pub trait ReplayTarget {
    /// Returns the progress of this replay, if the target stores it. Called once, before the first
    /// events.
    fn progress(&mut self) -> Result<Option<Progress>, TargetFault>;

    /// Sends events, in order, and stores the progress after them together with the events.
    fn put(&mut self, events: &[Replayed<'_>], progress: &Progress) -> Result<(), TargetFault>;
}

/// Opens a target. The target calls the second argument while it waits, and gives up when it
/// returns false.
pub type OpenTarget = Box<
    dyn Fn(&Replay, &dyn Fn() -> bool) -> Result<Box<dyn ReplayTarget>, TargetFault> + Send + Sync,
>;

/// The reason why a replay can't be started, stopped or resumed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Another replay is running. Only one can run at a time, because they share the output.
    #[error("the replay {0} is running; stop it, or wait for its end")]
    Busy(OperationId),
    /// No replay has the id.
    #[error("no replay has this id")]
    Unknown,
    /// The replay is completed.
    #[error("the replay is completed")]
    Ended,
    /// There is no target for replays.
    #[error("without Kafka there are no topics to replay to; only dry runs are possible")]
    NoTarget,
    /// The file of replays can't be read or written.
    #[error("the file of replays: {0}")]
    File(#[from] io::Error),
}
