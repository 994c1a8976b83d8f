//! What a node is started with, and why it may not start.

use std::sync::Arc;
use std::time::Duration;

use florin_storage::{Disk, ViewError};

use super::clock::Clock;
use super::intercept::Intercept;
use super::observer::Observer;
use super::passivation::PassivationOptions;
use super::supervision::SupervisionOptions;
use crate::messages::Assets;
use crate::views::ProjectorOptions;

/// Why a node doesn't start, or doesn't end well.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The journal or its directory.
    #[error(transparent)]
    Storage(#[from] florin_storage::Error),
    /// The views' file.
    #[error(transparent)]
    Views(#[from] ViewError),
    /// The index's files.
    #[error("the index can't be opened: {0}")]
    Index(#[from] std::io::Error),
    /// The data is not what it was.
    #[error("{0}")]
    Damaged(String),
    /// A thread ended with a fault.
    #[error("{0}")]
    Thread(String),
}

/// The bounds of a node; each is a setting.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Commands under way.
    pub in_flight_max: usize,
    /// Commands accepted and not yet executed.
    pub accepted_max: usize,
    /// Bytes of memory for the items of batches under way, or accepted and not yet executed.
    pub items_bytes_max: usize,
    /// Bytes waiting for the journal.
    pub queue_bytes_max: u64,
    /// Bytes of one record.
    pub record_bytes_max: usize,
    /// Bytes at which a journal segment is sealed.
    pub segment_bytes_max: u64,
    /// Bytes of the journal's write-ahead log.
    pub wal_bytes: u64,
    /// Bytes of a frame.
    pub frame_bytes_max: usize,
    /// Bytes of cache for the live journal segment.
    pub journal_cache_bytes: usize,
    /// Bytes of cache for the views.
    pub views_cache_bytes: usize,
    /// Records that the views may be behind before commands are refused.
    pub lag_records_max: u64,
    /// How long a list waits for the views.
    pub list_wait: Duration,
    /// How long a read waits for the entity and for what it shows to be durable.
    pub read_wait: Duration,
    /// Entries of an index segment, and of an index generation in memory.
    pub index_entries_max: usize,
    /// How far the clock may leap ahead and still be believed.
    pub clock_jump_max: Duration,
    /// Free bytes below which commands are refused.
    pub free_bytes_min: u64,
    /// How long recorded erasures gather before they are carried out on the disk.
    pub erase_interval: Duration,
    /// When actors are started anew, and when no more.
    pub supervision: SupervisionOptions,
    /// When entities leave memory.
    pub passivation: PassivationOptions,
    /// When the views are written, and keys forgotten.
    pub projector: ProjectorOptions,
}

/// What commits, projects and reads.
pub enum Threads {
    /// Threads of their own; reads on this runtime's blocking threads.
    Real(tokio::runtime::Handle),
    /// Tasks on the current thread, for simulations: each call gives how long the next commit, the
    /// next step of the projector, or the next read beside the arbiter takes.
    Simulated {
        /// How long the next commit takes.
        commit: Box<dyn FnMut() -> Duration>,
        /// How long until the projector's next step; `None`: it has stopped.
        project: Box<dyn FnMut() -> Option<Duration>>,
        /// How long the next read takes.
        read: Arc<dyn Fn() -> Duration + Send + Sync>,
    },
}

impl std::fmt::Debug for Threads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Real(_) => "Real",
            Self::Simulated { .. } => "Simulated",
        })
    }
}

/// What a node starts with.
#[derive(Debug)]
pub struct NodeOptions {
    /// Where the data lies.
    pub disk: Arc<dyn Disk>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// What ids and salts are drawn from.
    pub seed: [u8; 32],
    /// The bounds.
    pub limits: Limits,
    /// The assets that may move, beside the currencies of ISO 4217.
    pub assets: Assets,
    /// Takes measurements.
    pub observer: Arc<dyn Observer>,
    /// What commits, projects and reads.
    pub threads: Threads,
    /// What makes entities fail, in tests; `()` otherwise.
    pub intercept: Arc<dyn Intercept>,
}
