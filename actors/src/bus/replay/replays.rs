//! The replays of a journal, and the thread that carries one out.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use florin_storage::Reader;

use super::file::{read, write};
use super::{
    OpenTarget, Order, Progress, Replay, ReplayError, ReplayState, ReplayTarget, Replayed,
    TargetFault,
};
use crate::bus::bindings::Bindings;
use crate::bus::event::BusEvent;
use crate::bus::history::{HistoryError, Place, look};
use crate::messages::{OperationId, Timestamp};

/// Replays that are remembered; past that the oldest that ended go.
const KEPT: usize = 100;
/// Events that a target takes at a time, at most.
const EVENTS_AT_ONCE: usize = 1_000;
/// The pause before a target is tried again; it doubles up to the longest.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// The replays of a journal.
pub struct Replays {
    shared: Arc<Shared>,
    worker: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    reader: Reader,
    bindings: Bindings,
    file: PathBuf,
    open: Option<OpenTarget>,
    replays: Mutex<Vec<Replay>>,
    /// Told when there is something to do.
    changed: Condvar,
    ending: AtomicBool,
}

impl Replays {
    /// Reads what is known of replays from `file`, and goes on with the one that was running. Without
    /// `open` there are only dry runs.
    ///
    /// # Errors
    /// The file can't be read, or the system gives no thread.
    pub fn start(
        reader: Reader,
        bindings: Bindings,
        file: PathBuf,
        open: Option<OpenTarget>,
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
        let working = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("replay".to_owned());
        let worker = thread.spawn(move || working.work())?;
        Ok(Self {
            shared,
            worker: Mutex::new(Some(worker)),
        })
    }

    /// Begins a replay of what is durable now.
    ///
    /// # Errors
    /// Another one is running, there is nowhere to replay to, or the disk refuses.
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
        selection.to = Some(selection.to.unwrap_or(durable).min(durable));
        let replay = Replay {
            id,
            state: ReplayState::Running,
            reason: None,
            progress: Progress {
                // Where it begins is found by the worker.
                next: Place {
                    sequence: 0,
                    index: 0,
                },
                events: 0,
                topics: BTreeMap::new(),
            },
            order,
            created_at: now,
        };
        let mut replays = self.shared.lock();
        free(&replays)?;
        let mut all = replays.clone();
        let ended = |replay: &Replay| replay.state == ReplayState::Completed;
        while all.len() >= KEPT {
            let oldest = all.iter().position(ended).unwrap_or(0);
            all.remove(oldest);
        }
        all.push(replay.clone());
        self.shared.save(&mut replays, all)?;
        Ok(replay)
    }

    /// The replay of that id.
    pub fn get(&self, id: OperationId) -> Option<Replay> {
        let replays = self.shared.lock();
        replays.iter().find(|replay| replay.id == id).cloned()
    }

    /// Stops a running replay after the events that are under way; one that stands stays so.
    ///
    /// # Errors
    /// There is none, it is completed, or the disk refuses.
    pub fn stop(&self, id: OperationId) -> Result<Replay, ReplayError> {
        self.turn(id, |replay, _| {
            if replay.state == ReplayState::Running {
                replay.state = ReplayState::Stopped;
                replay.reason = None;
            }
            Ok(())
        })
    }

    /// Goes on with a replay that was stopped or has failed; one that runs goes on running.
    ///
    /// # Errors
    /// There is none, it is completed, another one is running, or the disk refuses.
    pub fn resume(&self, id: OperationId) -> Result<Replay, ReplayError> {
        self.turn(id, |replay, others| {
            if replay.state != ReplayState::Running {
                free(others)?;
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

    /// Ends the worker and waits until the events that are under way are out: a running replay goes on
    /// at the next start.
    pub fn end(&self) {
        self.shared.end();
        let mut worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(worker) = worker.take() {
            // A panic there is told by the thread itself.
            let _ = worker.join();
        }
    }
}

impl Drop for Replays {
    fn drop(&mut self) {
        // Nobody waits here: a target may take its time.
        self.shared.end();
    }
}

impl std::fmt::Debug for Replays {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replays").finish_non_exhaustive()
    }
}

fn free(replays: &[Replay]) -> Result<(), ReplayError> {
    let mut running = replays.iter();
    let running = running.find(|replay| replay.state == ReplayState::Running);
    running.map_or(Ok(()), |replay| Err(ReplayError::Busy(replay.id)))
}

impl Shared {
    fn end(&self) {
        self.ending.store(true, Ordering::Release);
        // Taken once, so that a worker about to wait sees it.
        drop(self.lock());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Replay>> {
        self.replays.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes `all` what is known, on disk first.
    fn save(&self, replays: &mut Vec<Replay>, all: Vec<Replay>) -> io::Result<()> {
        write(&self.file, &all)?;
        *replays = all;
        self.changed.notify_all();
        Ok(())
    }

    /// Notes what became of a replay that may have been stopped meanwhile.
    fn note(&self, id: OperationId, change: impl FnOnce(&mut Replay)) -> io::Result<()> {
        let mut replays = self.lock();
        let mut all = replays.clone();
        if let Some(replay) = all.iter_mut().find(|replay| replay.id == id) {
            change(replay);
        }
        self.save(&mut replays, all)
    }

    fn running(&self) -> Option<Replay> {
        let replays = self.lock();
        let mut replays = replays.iter();
        replays
            .find(|replay| replay.state == ReplayState::Running)
            .cloned()
    }

    /// Whether this replay is still to go on.
    fn goes_on(&self, id: OperationId) -> bool {
        !self.ending.load(Ordering::Acquire)
            && self.running().is_some_and(|running| running.id == id)
    }

    fn work(&self) {
        let mut pause = PAUSE_MIN;
        while !self.ending.load(Ordering::Acquire) {
            let Some(replay) = self.running() else {
                let replays = self.lock();
                let nothing = |replays: &mut Vec<Replay>| {
                    !self.ending.load(Ordering::Acquire) && free(replays).is_ok()
                };
                // Poisoned or not: it is looked at anew.
                drop(self.changed.wait_while(replays, nothing));
                continue;
            };
            let before = replay.progress.events;
            let noted = match self.replay(&replay) {
                Ok(true) => self.note(replay.id, |replay| {
                    replay.state = ReplayState::Completed;
                    replay.reason = None;
                }),
                Ok(false) => Ok(()),
                Err(TargetFault::Final(reason)) => {
                    tracing::error!(replay = %replay.id, reason, "a replay failed");
                    self.note(replay.id, |replay| {
                        replay.state = ReplayState::Failed;
                        replay.reason = Some(reason);
                    })
                }
                Err(TargetFault::Transient(reason)) => {
                    tracing::warn!(replay = %replay.id, reason, "a replay waits");
                    if self
                        .running()
                        .is_some_and(|now| now.progress.events > before)
                    {
                        pause = PAUSE_MIN;
                    }
                    let noted = self.note(replay.id, |replay| replay.reason = Some(reason));
                    self.rest(replay.id, pause);
                    pause = (pause * 2).min(PAUSE_MAX);
                    noted
                }
            };
            if let Err(error) = noted {
                tracing::error!(%error, "the file of replays can't be written");
                self.rest(replay.id, PAUSE_MAX);
            }
        }
    }

    /// Waits, unless the replay is stopped.
    fn rest(&self, id: OperationId, time: Duration) {
        let replays = self.lock();
        let goes_on = |replays: &mut Vec<Replay>| {
            let running = |replay: &Replay| replay.id == id && replay.state == ReplayState::Running;
            !self.ending.load(Ordering::Acquire) && replays.iter().any(running)
        };
        // Woken or not, poisoned or not: it is looked at anew.
        drop(self.changed.wait_timeout_while(replays, time, goes_on));
    }

    /// Goes on with a replay; whether it came to its end.
    fn replay(&self, replay: &Replay) -> Result<bool, TargetFault> {
        let go_on = || self.goes_on(replay.id);
        let mut target: Box<dyn ReplayTarget> = match &self.open {
            _ if replay.order.dry_run => Box::new(Counting),
            Some(open) => open(replay, &go_on)?,
            None => return Err(TargetFault::Final(ReplayError::NoTarget.to_string())),
        };
        let mut progress = target
            .progress()?
            .unwrap_or_else(|| replay.progress.clone());
        let selection = &replay.order.selection;
        if progress.next.sequence == 0 {
            progress.next = selection.start(&self.reader).map_err(unreadable)?;
        }
        while go_on() {
            let part = look(&self.reader, selection, progress.next, EVENTS_AT_ONCE);
            let part = part.map_err(unreadable)?;
            progress.next = part.next;
            let mut events = Vec::with_capacity(part.events.len());
            for event in part.events {
                let topics = self.topics(&replay.order, &event);
                if topics.is_empty() {
                    continue;
                }
                progress.events += 1;
                for topic in &topics {
                    *progress.topics.entry((*topic).to_owned()).or_default() += 1;
                }
                events.push(Replayed { event, topics });
            }
            if !events.is_empty() {
                target.put(&events, &progress)?;
            }
            let now = progress.clone();
            self.note(replay.id, |replay| {
                replay.progress = now;
                replay.reason = None;
            })
            .map_err(|error| TargetFault::Transient(ReplayError::File(error).to_string()))?;
            if part.is_end {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn topics(&self, order: &Order, event: &BusEvent) -> Vec<&str> {
        let topics = self.bindings.topics(event.event_type).iter();
        let topics = topics.map(String::as_str);
        let is_asked = |topic: &&str| {
            order.topics.is_empty() || order.topics.iter().any(|asked| asked == topic)
        };
        topics.filter(is_asked).collect()
    }
}

fn unreadable(error: HistoryError) -> TargetFault {
    TargetFault::Final(error.to_string())
}

/// Takes everything and keeps nothing: for dry runs.
struct Counting;

impl ReplayTarget for Counting {
    fn progress(&mut self) -> Result<Option<Progress>, TargetFault> {
        Ok(None)
    }

    fn put(&mut self, _: &[Replayed<'_>], _: &Progress) -> Result<(), TargetFault> {
        Ok(())
    }
}
