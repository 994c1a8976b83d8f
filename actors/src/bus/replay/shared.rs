//! The replays in memory and in their file, as the handle and the worker share them.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use florin_storage::Reader;

use super::file::write;
use super::{OpenTarget, Replay, ReplayError, ReplayState};
use crate::bus::bindings::Bindings;
use crate::words::OperationId;

/// The state shared by the handle of the replays and their worker.
pub(super) struct Shared {
    pub(super) reader: Reader,
    pub(super) bindings: Bindings,
    pub(super) file: PathBuf,
    pub(super) open: Option<OpenTarget>,
    pub(super) replays: Mutex<Vec<Replay>>,
    /// Notified when the state of a replay changes or the worker must end.
    pub(super) changed: Condvar,
    pub(super) ending: AtomicBool,
}

impl Shared {
    /// Tells the worker to end.
    pub(super) fn end(&self) {
        self.ending.store(true, Ordering::Release);
        // The lock is taken once, so that a worker that is about to wait sees the flag.
        drop(self.lock());
        self.changed.notify_all();
    }

    /// Locks the replays.
    pub(super) fn lock(&self) -> MutexGuard<'_, Vec<Replay>> {
        self.replays.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes `all` to the file, then replaces the replays in memory.
    pub(super) fn save(&self, replays: &mut Vec<Replay>, all: Vec<Replay>) -> io::Result<()> {
        write(&self.file, &all)?;
        *replays = all;
        self.changed.notify_all();
        Ok(())
    }

    /// Updates a replay, which may have been stopped or removed meanwhile.
    pub(super) fn note(&self, id: OperationId, change: impl FnOnce(&mut Replay)) -> io::Result<()> {
        let mut replays = self.lock();
        let mut all = replays.clone();
        if let Some(replay) = all.iter_mut().find(|replay| replay.id == id) {
            change(replay);
        }
        self.save(&mut replays, all)
    }

    /// Returns the running replay.
    pub(super) fn running(&self) -> Option<Replay> {
        let replays = self.lock();
        let mut replays = replays.iter();
        replays
            .find(|replay| replay.state == ReplayState::Running)
            .cloned()
    }

    /// Returns whether the replay must continue.
    pub(super) fn goes_on(&self, id: OperationId) -> bool {
        !self.ending.load(Ordering::Acquire)
            && self.running().is_some_and(|running| running.id == id)
    }
}

/// Returns an error if a replay is running.
pub(super) fn check_none_runs(replays: &[Replay]) -> Result<(), ReplayError> {
    let mut running = replays.iter();
    let running = running.find(|replay| replay.state == ReplayState::Running);
    running.map_or(Ok(()), |replay| Err(ReplayError::Busy(replay.id)))
}
