//! The replays of a journal: they are begun, stopped and resumed here, and executed by the worker.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use florin_storage::Reader;
use florin_storage::threads::{Spawner, ThreadName};

use super::file::read;
use super::kept::make_room;
use super::shared::{Shared, check_none_runs};
use super::{OpenTarget, Order, Progress, Replay, ReplayError, ReplayState};
use crate::bus::bindings::Bindings;
use crate::bus::history::{EventPlace, Selection};
use crate::words::{OperationId, Timestamp};

/// The replays of a journal.
pub struct Replays {
    shared: Arc<Shared>,
    worker: Mutex<Option<JoinHandle<()>>>,
}

impl Replays {
    /// Reads the replays from `file` and continues the running one. Without `open`, only dry runs
    /// are possible.
    ///
    /// # Errors
    /// Returns an error if the file can't be read or the thread can't be started.
    pub fn start(
        reader: Reader,
        bindings: Bindings,
        file: PathBuf,
        open: Option<OpenTarget>,
        spawner: &Spawner,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            reader,
            bindings,
            replays: Mutex::new(read(&file)?),
            file,
            open,
            changed: Condvar::new(),
            ending: AtomicBool::new(false),
        });
        let (working, looking) = (Arc::clone(&shared), Arc::clone(&shared));
        let is_over = move || looking.ending.load(Ordering::Acquire);
        let worker = spawner.start_and_restart(ThreadName::Replay, is_over, move || {
            working.work();
            Ok(())
        })?;
        Ok(Self {
            shared,
            worker: Mutex::new(Some(worker)),
        })
    }

    /// Starts a replay of records that are durable now.
    ///
    /// # Errors
    /// Returns an error if another replay is running, if there is no target, or if the disk fails.
    pub fn begin(
        &self,
        id: OperationId,
        mut order: Order,
        now: Timestamp,
    ) -> Result<Replay, ReplayError> {
        if self.shared.open.is_none() && !order.dry_run {
            return Err(ReplayError::NoTarget);
        }
        let durable = self.shared.reader.durable();
        let selection = &mut order.selection;
        let everything = Selection {
            from: selection.from.min(1),
            to: selection.to.filter(|to| *to >= durable),
            ..Selection::default()
        };
        let is_whole = *selection == everything;
        selection.to = Some(selection.to.unwrap_or(durable).min(durable));
        let replay = Replay {
            id,
            state: ReplayState::Running,
            reason: None,
            progress: Progress {
                // The worker determines the first place.
                next: EventPlace {
                    sequence: 0,
                    index: 0,
                },
                events: 0,
                topics: BTreeMap::new(),
            },
            order,
            totals: None,
            is_whole,
            created_at: now,
        };
        let mut replays = self.shared.lock();
        check_none_runs(&replays)?;
        let mut all = replays.clone();
        for removed in make_room(&mut all) {
            if removed.state != ReplayState::Completed {
                tracing::warn!(
                    replay = %removed.id,
                    state = removed.state.name(),
                    "there were too many replays, so the oldest one was removed, although it could still be resumed"
                );
            }
        }
        all.push(replay.clone());
        self.shared.save(&mut replays, all)?;
        Ok(replay)
    }

    /// Returns the replay with the id.
    pub fn get(&self, id: OperationId) -> Option<Replay> {
        let replays = self.shared.lock();
        replays.iter().find(|replay| replay.id == id).cloned()
    }

    /// Stops a running replay after the events in flight. A replay that is not running stays as it
    /// is.
    ///
    /// # Errors
    /// Returns an error if the replay is unknown or completed, or if the disk fails.
    pub fn stop(&self, id: OperationId) -> Result<Replay, ReplayError> {
        self.turn(id, |replay, _| {
            if replay.state == ReplayState::Running {
                replay.state = ReplayState::Stopped;
                replay.reason = None;
            }
            Ok(())
        })
    }

    /// Resumes a replay that was stopped or has failed. A running replay continues.
    ///
    /// # Errors
    /// Returns an error if the replay is unknown or completed, if another one is running, or if the
    /// disk fails.
    pub fn resume(&self, id: OperationId) -> Result<Replay, ReplayError> {
        self.turn(id, |replay, others| {
            if replay.state != ReplayState::Running {
                check_none_runs(others)?;
                replay.state = ReplayState::Running;
                replay.reason = None;
            }
            Ok(())
        })
    }

    fn turn(
        &self,
        id: OperationId,
        turn: impl FnOnce(&mut Replay, &[Replay]) -> Result<(), ReplayError>,
    ) -> Result<Replay, ReplayError> {
        let mut replays = self.shared.lock();
        let mut all = replays.clone();
        let place = all.iter().position(|replay| replay.id == id);
        let place = place.ok_or(ReplayError::Unknown)?;
        if all[place].state == ReplayState::Completed {
            return Err(ReplayError::Ended);
        }
        turn(&mut all[place], &replays)?;
        let turned = all[place].clone();
        self.shared.save(&mut replays, all)?;
        Ok(turned)
    }

    /// Ends the worker and waits until the events in flight are sent. A running replay continues
    /// after the next start.
    pub fn end(&self) {
        self.shared.end();
        let mut worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(worker) = worker.take() {
            // The spawner reports a panic of the thread.
            let _ = worker.join();
        }
    }
}

impl Drop for Replays {
    fn drop(&mut self) {
        // Drop doesn't wait for the worker, because a target may take long.
        self.shared.end();
    }
}

impl std::fmt::Debug for Replays {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replays").finish_non_exhaustive()
    }
}
