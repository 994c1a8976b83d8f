//! The options that a node starts with, and the errors that stop it from starting.

use std::sync::Arc;
use std::time::Duration;

use florin_storage::{Disk, ViewError};

use crate::base::Clock;
use crate::runtime::intercept::Intercept;
use crate::runtime::observer::Observer;
use crate::runtime::rules::{PassivationOptions, SupervisionOptions};
use crate::upkeep::Upkeep;
use crate::views::ProjectorOptions;
use crate::words::Assets;

/// The reason why a node can't start, or can't shut down cleanly.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The journal or its directory failed.
    #[error(transparent)]
    Storage(#[from] florin_storage::Error),
    /// The views file failed.
    #[error(transparent)]
    Views(#[from] ViewError),
    /// The index files failed.
    #[error("the index can't be opened: {0}")]
    Index(#[from] std::io::Error),
    /// The stored data is damaged or inconsistent.
    #[error("{0}")]
    Damaged(String),
    /// A thread failed or panicked.
    #[error("{0}")]
    Thread(String),
    /// The system can't start another thread.
    #[error("can't start a thread: {0}")]
    NoThread(std::io::Error),
}

/// The limits of a node; each one is a setting.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The maximum number of commands in flight.
    pub in_flight_max: usize,
    /// The maximum number of commands accepted and not yet executed.
    pub accepted_max: usize,
    /// The maximum memory, in bytes, for the items of batches. It applies separately to the batches
    /// in flight and to the batches accepted and not yet executed.
    pub items_bytes_max: usize,
    /// The number of bytes in the journal's queue above which commands are refused.
    pub queue_bytes_max: u64,
    /// The maximum size of a record, in bytes.
    pub record_bytes_max: usize,
    /// The size at which a journal segment is sealed, in bytes.
    pub segment_bytes_max: u64,
    /// The size of the journal's write-ahead log, in bytes.
    pub wal_bytes: u64,
    /// The maximum size of a frame, in bytes.
    pub frame_bytes_max: usize,
    /// The size of the cache for the live journal segment, in bytes.
    pub journal_cache_bytes: usize,
    /// The size of the cache for the views, in bytes.
    pub views_cache_bytes: usize,
    /// The lag of the views, in records, above which commands are refused.
    pub lag_records_max: u64,
    /// The longest time a list waits for the views to catch up.
    pub list_wait: Duration,
    /// The longest time a read waits for the entity to load and for its state to become durable.
    pub read_wait: Duration,
    /// The maximum number of entries in an index segment, and in an in-memory index generation.
    pub index_entries_max: usize,
    /// The largest forward jump of the clock that is still trusted.
    pub clock_jump_max: Duration,
    /// The free disk space, in bytes, below which commands are refused.
    pub free_bytes_min: u64,
    /// The time for which recorded erasures are collected before they are carried out on disk.
    pub erase_interval: Duration,
    /// The rules for restarting actors and for taking them out of service.
    pub supervision: SupervisionOptions,
    /// The rules for removing entities from memory.
    pub passivation: PassivationOptions,
    /// The rules for writing the views to disk and for forgetting old keys.
    pub projector: ProjectorOptions,
}

/// The threads, or the simulated tasks, that run commits, the projector and blocking reads.
pub enum Threads {
    /// Commits and the projector run on threads of their own, blocking reads on the blocking
    /// threads of this runtime.
    Real(tokio::runtime::Handle),
    /// Everything runs in tasks on the current thread, for simulations. Each function returns the
    /// simulated duration of one step.
    Simulated {
        /// Returns how long the next commit takes.
        commit: Box<dyn FnMut() -> Duration>,
        /// Returns the time until the projector's next step, or `None` if the projector has
        /// stopped.
        project: Box<dyn FnMut() -> Option<Duration>>,
        /// Returns how long the next blocking read takes.
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

/// The options that a node starts with.
#[derive(Debug)]
pub struct NodeOptions {
    /// The disk that holds the data.
    pub disk: Arc<dyn Disk>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The random seed for ids and salts.
    pub seed: [u8; 32],
    /// The node's limits.
    pub limits: Limits,
    /// The declared assets that money may move in, in addition to the currencies of ISO 4217.
    pub assets: Assets,
    /// The receiver of measurements.
    pub observer: Arc<dyn Observer>,
    /// The threads or tasks that run commits, the projector and blocking reads.
    pub threads: Threads,
    /// The hook that makes entities fail in tests; `()` otherwise.
    pub intercept: Arc<dyn Intercept>,
    /// The spawner of threads, and the registry of conditions where problems are reported.
    pub upkeep: Upkeep,
}
