//! What is derived from the journal and can be rebuilt from it: snapshots of entities, lists,
//! totals, and the index of keys and operations.
//!
//! One projector reads durable records and keeps what changed in memory; now and then
//! it writes all of it, sorted, with the position it reaches, in one transaction. Queries see
//! memory over store, so they are as new as the projector's position.

mod as_of;
mod audit;
mod eraser;
mod history;
mod index_files;
mod index_job;
mod indexes;
mod lists;
mod memory;
mod milestones;
mod pace;
mod projector;
mod queries;
mod transfers;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::thread::Thread;

use florin_storage::{Disk, Position, ViewError, ViewOptions, ViewStore};
use tokio::sync::Notify;

pub use as_of::as_of;
pub(crate) use audit::read_all;
pub use eraser::{Eraser, EraserOptions};
pub use history::{Mark, Period, read_movements};
pub use index_job::Crew;
pub use indexes::{IndexMemory, Indexes};
pub use lists::AccountFilter;
pub use milestones::Standing;
pub use projector::{Projector, ProjectorOptions};
pub use transfers::{TransferFilter, TransferMark};

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
const SCHEMA: u32 = 3;
const SNAPSHOTS: &str = "snapshots";
const ROWS: &str = "rows";
const TOTALS: &str = "totals";
/// Erasures recorded and not carried out: a row is the sequence of the record whose personal values
/// are to go.
const ERASURES: &str = "erasures";
const QUARANTINED: &str = "quarantined";

/// See [`crate::fuzzing::is_snapshot`].
#[cfg(fuzzing)]
pub(crate) fn is_snapshot(bytes: &[u8]) -> bool {
    memory::decode_snapshot(bytes).is_ok()
}

/// The views as queries and loads see them.
#[derive(Debug)]
pub struct Views {
    disk: Arc<dyn Disk>,
    cache_bytes: usize,
    memory: RwLock<Memory>,
    position: AtomicU64,
    written: AtomicU64,
    /// Set when they turned out to be damaged: the projector makes them anew.
    damaged: AtomicBool,
    /// Until they hold this record, what they don't hold says nothing: they are being made anew.
    whole_from: AtomicU64,
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
        disk: &Arc<dyn Disk>,
        cache_bytes: usize,
        forget_cached: bool,
    ) -> Result<(Arc<Self>, Option<Position>), ViewError> {
        let store = open_store(disk.as_ref(), cache_bytes, forget_cached)?;
        let position = store.position()?;
        let sequence = position.map_or(0, |position| position.sequence);
        let totals = memory::read_totals(&store.read()?)?;
        let quarantined = memory::read_quarantined(&store.read()?)?;
        let views = Self {
            disk: Arc::clone(disk),
            cache_bytes,
            memory: RwLock::new(Memory::new(Arc::new(store), sequence, totals, quarantined)),
            position: AtomicU64::new(sequence),
            written: AtomicU64::new(sequence),
            damaged: AtomicBool::new(false),
            whole_from: AtomicU64::new(0),
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

    /// The last record that the file holds.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// The entities out of service by a record up to the views' position, and why.
    pub fn quarantined(&self) -> BTreeMap<EntityId, String> {
        let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
        memory.quarantined.clone()
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
            self.wake_projector();
            moved.await;
        }
    }

    /// Queries see `sequence` from now on.
    fn reached(&self, sequence: u64) {
        self.position.store(sequence, Ordering::Release);
        self.moved.notify_waiters();
    }

    /// Whether they turned out to be damaged and are not what they were yet.
    pub fn is_rebuilding(&self) -> bool {
        self.damaged.load(Ordering::Acquire)
            || self.position() < self.whole_from.load(Ordering::Acquire)
    }

    /// Waits until they are not being made anew, or have stopped.
    pub async fn whole(&self) {
        loop {
            let moved = self.moved.notified();
            if !self.is_rebuilding() || !self.is_running() {
                return;
            }
            self.wake_projector();
            moved.await;
        }
    }

    /// An entity as the views know it, without its holder's name; blocks on the disk.
    ///
    /// # Errors
    /// What can't be read, as a sentence.
    pub fn snapshot(&self, entity: EntityId) -> Result<Option<Present>, String> {
        let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
        if memory.sequence < self.whole_from.load(Ordering::Acquire) {
            return Err("the views are being made anew".to_owned());
        }
        if let Some(present) = memory.present(entity) {
            return Ok(Some(present.clone()));
        }
        let read = memory.store.read().map_err(|error| self.fault(error))?;
        drop(memory);
        memory::read_snapshot(&read, entity).map_err(|error| self.fault(error))
    }

    /// An error as a sentence. If it says that the views are damaged, they are made anew.
    fn fault(&self, error: ViewError) -> String {
        if matches!(error, ViewError::Unusable { .. }) {
            self.damaged.store(true, Ordering::Release);
            self.wake_projector();
        }
        error.to_string()
    }

    /// Begins the views anew: an empty file in place of the damaged one. What they are asked waits
    /// until they hold again what they held.
    ///
    /// # Errors
    /// What the disk refused.
    fn begin_anew(&self) -> Result<(), ViewError> {
        let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        self.whole_from.fetch_max(memory.sequence, Ordering::AcqRel);
        remove(self.disk.as_ref())?;
        let store = open_store(self.disk.as_ref(), self.cache_bytes, true)?;
        *memory = Memory::new(Arc::new(store), 0, BTreeMap::new(), BTreeMap::new());
        self.position.store(0, Ordering::Release);
        self.damaged.store(false, Ordering::Release);
        // Where they held nothing yet, they hold all of it again.
        self.moved.notify_waiters();
        Ok(())
    }

    /// The file as it is now; it is another one once the views are made anew.
    fn store(&self) -> Arc<ViewStore> {
        let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&memory.store)
    }

    fn wake_projector(&self) {
        if let Some(projector) = self.projector.get() {
            projector.unpark();
        }
    }

    fn stopped(&self) {
        self.running.store(false, Ordering::Release);
        self.moved.notify_waiters();
    }
}

/// Opens the views' file; a damaged one, or one of another version, is removed and made anew.
fn open_store(
    disk: &dyn Disk,
    cache_bytes: usize,
    forget_cached: bool,
) -> Result<ViewStore, ViewError> {
    let options = ViewOptions {
        cache_bytes,
        forget_cached,
    };
    match ViewStore::open(disk, FILE, SCHEMA, options) {
        Err(ViewError::Unusable { reason, .. }) => {
            tracing::warn!(
                file = FILE,
                reason,
                "a view is damaged and is rebuilt from the journal"
            );
            remove(disk)?;
            ViewStore::open(disk, FILE, SCHEMA, options)
        }
        opened => opened,
    }
}

fn remove(disk: &dyn Disk) -> Result<(), ViewError> {
    disk.remove(FILE).map_err(|source| {
        ViewError::Disk(florin_storage::Error::Io {
            file: FILE.to_owned(),
            source,
        })
    })
}
