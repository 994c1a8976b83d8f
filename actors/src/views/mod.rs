//! The views: data that is derived from the journal and can be rebuilt from it. They are snapshots
//! of entities, lists, totals, and the indexes of idempotency keys and operations.
//!
//! A single projector reads durable records and keeps the changes in memory. From time to time it
//! writes all of them, sorted, in one transaction together with the position that it has reached.
//! Queries read the memory first and then the store, so their results are as recent as the
//! projector's position.

mod as_of;
mod audit;
mod eraser;
mod history;
mod index_files;
mod index_job;
mod index_segments;
mod indexes;
mod lists;
mod memory;
mod milestone_queries;
mod milestones;
mod options;
mod pace;
mod projector;
mod queries;
mod tables;
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
pub use options::ProjectorOptions;
pub use projector::Projector;
pub use transfers::{TransferFilter, TransferMark};

use crate::base::Present;
use crate::words::{EntityId, InputPositions};
use memory::Memory;
use tables::{FILE, SCHEMA};

#[cfg(test)]
mod as_of_tests;
#[cfg(test)]
mod index_tests;
#[cfg(test)]
pub(crate) mod sample;

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
    /// Whether the views turned out to be damaged. The projector then rebuilds them.
    damaged: AtomicBool,
    /// The sequence of the record from which on the views are complete. Until a rebuild reaches it,
    /// an entity that is missing in the views may still exist.
    whole_from: AtomicU64,
    /// Wakes the tasks that wait for a position, in the order in which they began to wait.
    moved: Notify,
    projector: OnceLock<Thread>,
    running: AtomicBool,
    index_memory: Arc<IndexMemory>,
}

impl Views {
    /// Opens the views' file. A file that is damaged or has another version is removed and created
    /// again.
    ///
    /// # Errors
    /// Returns an error if the disk fails.
    pub fn open(
        disk: &Arc<dyn Disk>,
        cache_bytes: usize,
        forget_cached: bool,
    ) -> Result<(Arc<Self>, Option<Position>), ViewError> {
        let store = open_store(disk.as_ref(), cache_bytes, forget_cached)?;
        let position = store.position()?;
        let memory = read_memory(store)?;
        let sequence = memory.sequence;
        let views = Self {
            disk: Arc::clone(disk),
            cache_bytes,
            memory: RwLock::new(memory),
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

    /// Returns the sequence of the last record that queries see.
    pub fn position(&self) -> u64 {
        self.position.load(Ordering::Acquire)
    }

    /// Returns the counter of the memory that the indexes of keys and operations take.
    pub fn index_memory(&self) -> Arc<IndexMemory> {
        Arc::clone(&self.index_memory)
    }

    /// Returns the sequence of the last record that the file holds.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Returns the entities that are quarantined by records up to the views' position, with the
    /// reasons.
    pub fn quarantined(&self) -> BTreeMap<EntityId, String> {
        let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
        memory.quarantined.clone()
    }

    /// Returns the positions up to which partitions of command topics were read, according to the
    /// records up to the views' position.
    pub fn inputs(&self) -> InputPositions {
        let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
        memory.inputs.clone()
    }

    /// Returns whether the projector still follows the journal.
    pub fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }

    /// Waits until queries see record `sequence`. The caller bounds the wait.
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

    /// Lets queries see records up to `sequence` from now on.
    fn reached(&self, sequence: u64) {
        self.position.store(sequence, Ordering::Release);
        self.moved.notify_waiters();
    }

    /// Returns whether the views turned out to be damaged and are not complete again yet.
    pub fn is_rebuilding(&self) -> bool {
        self.damaged.load(Ordering::Acquire)
            || self.position() < self.whole_from.load(Ordering::Acquire)
    }

    /// Waits until no rebuild is under way, or until the views have stopped.
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

    /// Returns an entity as the views know it, without its holder's name. Blocks on the disk.
    ///
    /// # Errors
    /// Returns a sentence if something can't be read.
    pub fn snapshot(&self, entity: EntityId) -> Result<Option<Present>, String> {
        let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
        if memory.sequence < self.whole_from.load(Ordering::Acquire) {
            return Err("the views are being rebuilt".to_owned());
        }
        if let Some(present) = memory.present(entity) {
            return Ok(Some(present.clone()));
        }
        let read = memory.store.read().map_err(|error| self.fault(error))?;
        drop(memory);
        memory::read_snapshot(&read, entity).map_err(|error| self.fault(error))
    }

    /// Converts an error to a sentence. If the error says that the views are damaged, a rebuild is
    /// requested.
    fn fault(&self, error: ViewError) -> String {
        if matches!(error, ViewError::Unusable { .. }) {
            self.damaged.store(true, Ordering::Release);
            self.wake_projector();
        }
        error.to_string()
    }

    /// Starts a rebuild of the views: replaces the damaged file by an empty one. Queries wait until
    /// the views hold all records that they held before.
    ///
    /// # Errors
    /// Returns an error if the disk fails.
    fn begin_anew(&self) -> Result<(), ViewError> {
        let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        self.whole_from.fetch_max(memory.sequence, Ordering::AcqRel);
        remove(self.disk.as_ref())?;
        let store = open_store(self.disk.as_ref(), self.cache_bytes, true)?;
        let (totals, quarantined) = (BTreeMap::new(), BTreeMap::new());
        *memory = Memory::new(Arc::new(store), 0, totals, quarantined, BTreeMap::new());
        self.position.store(0, Ordering::Release);
        self.damaged.store(false, Ordering::Release);
        // If the views held nothing before, they are complete already, so waiting tasks are woken.
        self.moved.notify_waiters();
        Ok(())
    }

    /// Reopens the file after a fault, if it accepts no more writes. Returns the position of the
    /// views after that.
    ///
    /// # Errors
    /// Returns an error if the disk fails.
    fn open_again(&self) -> Result<u64, ViewError> {
        let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        if !memory.store.has_failed() {
            return Ok(memory.sequence);
        }
        self.whole_from.fetch_max(memory.sequence, Ordering::AcqRel);
        // Readers may still hold the old store, which writes nothing more.
        let store = open_store(self.disk.as_ref(), self.cache_bytes, true)?;
        *memory = read_memory(store)?;
        let sequence = memory.sequence;
        self.position.store(sequence, Ordering::Release);
        self.written.store(sequence, Ordering::Release);
        Ok(sequence)
    }

    /// Returns the current store. A rebuild replaces it by another one.
    fn store(&self) -> Arc<ViewStore> {
        let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&memory.store)
    }

    fn wake_projector(&self) {
        if let Some(projector) = self.projector.get() {
            projector.unpark();
        }
    }

    /// Marks the views as stopped. Returns whether they ran before.
    fn stopped(&self) -> bool {
        let ran = self.running.swap(false, Ordering::AcqRel);
        self.moved.notify_waiters();
        ran
    }

    /// Marks the views as running. Returns whether they had stopped before.
    fn go_on(&self) -> bool {
        !self.running.load(Ordering::Acquire) && !self.running.swap(true, Ordering::AcqRel)
    }
}

/// Reads the part of the views' file that is kept in memory.
fn read_memory(store: ViewStore) -> Result<Memory, ViewError> {
    let sequence = store.position()?.map_or(0, |position| position.sequence);
    let totals = memory::read_totals(&store.read()?)?;
    let quarantined = memory::read_quarantined(&store.read()?)?;
    let inputs = memory::read_inputs(&store.read()?)?;
    Ok(Memory::new(
        Arc::new(store),
        sequence,
        totals,
        quarantined,
        inputs,
    ))
}

/// Opens the views' file. A file that is damaged or has another version is removed and created
/// again.
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
