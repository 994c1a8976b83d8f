//! What is derived from the journal and can be rebuilt from it: snapshots of entities, lists,
//! totals, and the index of keys and operations.
//!
//! One projector reads durable records and keeps what changed in memory; now and then
//! it writes all of it, sorted, with the position it reaches, in one transaction. Queries see
//! memory over store, so they are as new as the projector's position.

mod as_of;
mod audit;
mod history;
mod index_files;
mod index_job;
mod indexes;
mod lists;
mod memory;
mod milestones;
mod projector;
mod queries;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::thread::Thread;

use florin_storage::{Disk, Position, ViewError, ViewOptions, ViewStore};
use tokio::sync::Notify;

pub use as_of::as_of;
pub(crate) use audit::read_all;
pub use history::{Period, read_movements};
pub use index_job::Crew;
pub use indexes::{IndexMemory, Indexes};
pub use lists::AccountFilter;
pub use milestones::Standing;
pub use projector::{Projector, ProjectorOptions};

use crate::messages::EntityId;
use crate::runtime::Present;
use memory::Memory;

#[cfg(test)]
mod as_of_tests;
#[cfg(test)]
mod index_tests;
#[cfg(test)]
mod sample;

/// The file of the entities' view.
const FILE: &str = "views/entities.redb";
/// Raised when the rows' form changes: the view is then rebuilt.
const SCHEMA: u32 = 2;
const SNAPSHOTS: &str = "snapshots";
const ROWS: &str = "rows";
const TOTALS: &str = "totals";

/// The views as queries and loads see them.
#[derive(Debug)]
pub struct Views {
    store: ViewStore,
    memory: RwLock<Memory>,
    position: AtomicU64,
    /// Wakes those who wait for the position, in the order in which they came.
    moved: Notify,
    projector: OnceLock<Thread>,
    running: AtomicBool,
    index_memory: Arc<IndexMemory>,
}

impl Views {
    /// Opens the view's file; a damaged one, or one of another version, is removed and made anew.
    ///
    /// # Errors
    /// What the disk refused.
    pub fn open(
        disk: &dyn Disk,
        cache_bytes: usize,
        forget_cached: bool,
    ) -> Result<(Arc<Self>, Option<Position>), ViewError> {
        let options = ViewOptions {
            cache_bytes,
            forget_cached,
        };
        let store = match ViewStore::open(disk, FILE, SCHEMA, options) {
            Err(ViewError::Unusable { reason, .. }) => {
                tracing::warn!(
                    file = FILE,
                    reason,
                    "a view is damaged and is rebuilt from the journal"
                );
                disk.remove(FILE)
                    .map_err(|source| florin_storage::Error::Io {
                        file: FILE.to_owned(),
                        source,
                    })?;
                ViewStore::open(disk, FILE, SCHEMA, options)?
            }
            opened => opened?,
        };
        let position = store.position()?;
        let sequence = position.map_or(0, |position| position.sequence);
        let totals = memory::read_totals(&store.read()?)?;
        let views = Self {
            store,
            memory: RwLock::new(Memory::new(sequence, totals)),
            position: AtomicU64::new(sequence),
            moved: Notify::new(),
            projector: OnceLock::new(),
            running: AtomicBool::new(true),
            index_memory: Arc::default(),
        };
        Ok((Arc::new(views), position))
    }

    /// The last record that queries see.
    pub fn position(&self) -> u64 {
        self.position.load(Ordering::Acquire)
    }

    /// What the indexes of keys and operations take of memory.
    pub fn index_memory(&self) -> Arc<IndexMemory> {
        Arc::clone(&self.index_memory)
    }

    /// Whether the projector still follows the journal.
    pub fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }

    /// Waits until queries see `sequence`; the caller bounds the wait.
    pub async fn reach(&self, sequence: u64) {
        loop {
            let moved = self.moved.notified();
            if self.position() >= sequence {
                return;
            }
            if let Some(projector) = self.projector.get() {
                projector.unpark();
            }
            moved.await;
        }
    }

    /// Queries see `sequence` from now on.
    fn reached(&self, sequence: u64) {
        self.position.store(sequence, Ordering::Release);
        self.moved.notify_waiters();
    }

    /// An entity as the views know it, without its holder's name; blocks on the disk.
    ///
    /// # Errors
    /// What can't be read, as a sentence.
    pub fn snapshot(&self, entity: EntityId) -> Result<Option<Present>, String> {
        let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(present) = memory.present(entity) {
            return Ok(Some(present.clone()));
        }
        let read = self.store.read().map_err(|error| error.to_string())?;
        drop(memory);
        memory::read_snapshot(&read, entity).map_err(|error| error.to_string())
    }

    fn stopped(&self) {
        self.running.store(false, Ordering::Release);
    }
}
