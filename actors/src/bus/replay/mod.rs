//! Replay: events of the journal once more, in order, to a target. A replayed event is the same event:
//! the same id and value, so that whoever has seen it skips it.
//!
//! What is known of replays lies in a file that is replaced as a whole. How far a replay is, the target
//! itself may keep together with the events: then each is there once, whenever the process ends.

mod file;
mod replays;

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

use super::event::BusEvent;
use super::history::{Place, Selection};
use crate::messages::{OperationId, Timestamp};

pub use replays::Replays;

/// What a replay is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Which events.
    pub selection: Selection,
    /// To which of their topics; empty: to all.
    pub topics: Vec<String>,
    /// Whether they are only counted.
    pub dry_run: bool,
}

/// How a replay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplayState {
    /// It goes on, also after a restart.
    Running,
    /// It was stopped, and can be resumed.
    Stopped,
    /// Everything that it is of went out.
    Completed,
    /// It can't go on; it can be resumed once the reason is gone.
    Failed,
}

impl ReplayState {
    /// The state's name outside, as `running`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

/// How far a replay is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The next event to be looked at.
    pub next: Place,
    /// Events that went out.
    pub events: u64,
    /// Messages that they made, by topic.
    pub topics: BTreeMap<String, u64>,
}

/// A replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// Its name: the header `x-florin-replay`.
    pub id: OperationId,
    /// What it is of; its last record was durable when it was asked for.
    pub order: Order,
    /// How it is.
    pub state: ReplayState,
    /// Why it failed, or waits.
    pub reason: Option<String>,
    /// How far it is.
    pub progress: Progress,
    /// When it was asked for.
    pub created_at: Timestamp,
}

/// An event, and those of its topics that it goes to.
#[derive(Debug)]
pub struct Replayed<'a> {
    /// The event.
    pub event: BusEvent,
    /// The topics; at least one.
    pub topics: Vec<&'a str>,
}

/// Why a target takes no events.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetFault {
    /// It may later: it is opened anew after a pause.
    #[error("{0}")]
    Transient(String),
    /// It won't.
    #[error("{0}")]
    Final(String),
}

/// What takes replayed events.
pub trait ReplayTarget {
    /// How far this replay is here, where the target keeps that itself; asked once, before the first
    /// events.
    fn progress(&mut self) -> Result<Option<Progress>, TargetFault>;

    /// Takes events, in order, and together with them how far the replay is behind them.
    fn put(&mut self, events: &[Replayed<'_>], progress: &Progress) -> Result<(), TargetFault>;
}

/// Opens targets. `go_on` is asked while it waits.
pub type OpenTarget = Box<
    dyn Fn(&Replay, &dyn Fn() -> bool) -> Result<Box<dyn ReplayTarget>, TargetFault> + Send + Sync,
>;

/// Why a replay isn't begun, stopped or resumed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// One at a time: they would share the way out.
    #[error("the replay {0} is running; stop it, or wait for its end")]
    Busy(OperationId),
    /// There is none of that id.
    #[error("no replay has this id")]
    Unknown,
    /// It has ended.
    #[error("the replay is completed")]
    Ended,
    /// There is nowhere to replay to.
    #[error("without Kafka there are no topics to replay to: only dry runs")]
    NoTarget,
    /// The file of replays.
    #[error("the file of replays: {0}")]
    File(#[from] io::Error),
}
