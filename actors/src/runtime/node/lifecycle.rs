//! A node: it opens and recovers the data directory, starts the threads, and shuts them down.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::Duration;

use florin_storage::threads::ThreadName;
use florin_storage::{Checkpointer, CommitObserver, Committer, Head, Journal, Queue, Reader};
use tokio::sync::watch;

use super::damage::Damage;
use super::erasing::Erasing;
use super::recovery::{Opened, Recovery};
use crate::base::{Clock, GuardedClock, Outbox, Random};
use crate::entities::Stamp;
use crate::record::Record;
use crate::runtime::admission::core::{Core, Shared};
use crate::runtime::admission::inbox::Inbox;
use crate::runtime::beside::Beside;
use crate::runtime::ledger::loading::read_record;
use crate::runtime::ledger::sequencer::Sequencer;
use crate::runtime::ledger::state::{Ledger, Parts};
use crate::runtime::observer::Observer;
use crate::runtime::options::{Limits, NodeOptions, StartError, Threads};
use crate::runtime::permits::Permits;
use crate::runtime::read_fault::ReadFault;
use crate::runtime::replies::deadline;
use crate::runtime::replies::lane::Lanes;
use crate::runtime::rules::Rules;
use crate::views::{Crew, Eraser, EraserOptions, Projector};
use crate::words::Timestamp;

/// The interval at which the free disk space is checked.
const DISK_CHECK: Duration = Duration::from_secs(1);
/// The interval at which a drain checks whether it is done.
const DRAIN_CHECK: Duration = Duration::from_millis(5);

/// A running node. It belongs to the thread that started it, the ledger arbiter.
#[derive(Debug)]
pub struct Node {
    core: Core,
    ledger: Rc<Ledger>,
    queue: Arc<Queue>,
    stop_projector: Arc<AtomicBool>,
    committer: Option<Worker>,
    projector: Option<Worker>,
    eraser: Option<Erasing>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    failure: watch::Receiver<Option<String>>,
    journal_id: [u8; 16],
}

/// The thread or task that runs the committer or the projector.
#[derive(Debug)]
enum Worker {
    Thread(JoinHandle<Option<()>>),
    Task(tokio::task::JoinHandle<()>),
}

impl Worker {
    fn is_finished(&self) -> bool {
        match self {
            Self::Thread(thread) => thread.is_finished(),
            Self::Task(task) => task.is_finished(),
        }
    }
}

impl Node {
    /// Opens the data directory, recovers it, and starts to serve. Call it on the thread that is to
    /// become the ledger arbiter, inside a `LocalSet` or an actix system.
    ///
    /// # Errors
    /// Returns an error if the directory can't be used or its data is damaged. The directory is
    /// left unchanged.
    pub fn start(options: NodeOptions) -> Result<Self, StartError> {
        let NodeOptions {
            disk,
            clock,
            seed,
            limits,
            assets,
            observer,
            threads,
            intercept,
            upkeep,
        } = options;
        let jump_max = i64::try_from(limits.clock_jump_max.as_micros()).unwrap_or(i64::MAX);
        let guarded = Arc::new(GuardedClock::new(clock, jump_max));
        let clock: Arc<dyn Clock> = Arc::clone(&guarded) as Arc<dyn Clock>;
        let random = Arc::new(Random::seeded(seed));
        let lanes = Arc::new(Lanes::default());
        let journal_options = journal_options(
            &limits,
            (&random, &clock),
            Commits {
                lanes: Arc::clone(&lanes),
                observer: Arc::clone(&observer),
            },
            Damage {
                conditions: Arc::clone(&upkeep.conditions),
                observer: Arc::clone(&observer),
            },
        );
        let now = clock.now();
        let journal = Journal::open(Arc::clone(&disk), journal_options, now.as_micros())?;
        let (head, reader) = (journal.head, journal.reader);

        let opened = Opened {
            reader: &reader,
            head,
            clean_start: journal.clean_start,
        };
        let crew = Crew::new(matches!(threads, Threads::Real(_)).then(|| Arc::clone(&clock)))
            .on(upkeep.spawner.clone());
        let beside = matches!(threads, Threads::Real(_)).then_some(&upkeep.spawner);
        let Recovery {
            views,
            indexes,
            keys,
            operations,
            known,
        } = Recovery::read(&disk, &opened, &limits, crew, beside)?;
        log_open(head, views.position(), journal.clean_start);

        let last = Stamp {
            sequence: head.sequence,
            time: Timestamp::from_micros(head.time_micros),
        };
        let beside = match &threads {
            Threads::Real(handle) => Beside::Runtime(handle.clone()),
            Threads::Simulated { read, .. } => Beside::Simulated(Arc::clone(read)),
        };
        let shared = Arc::new(Shared {
            number: next_number(),
            mail: Inbox::new(),
            permits: Permits::new(limits.in_flight_max),
            places: Permits::new(limits.accepted_max),
            items: Permits::new(limits.items_bytes_max),
            accepted_items: Permits::new(limits.items_bytes_max),
            queue: Arc::clone(&journal.queue),
            queue_bytes_max: limits.queue_bytes_max,
            lag_records_max: limits.lag_records_max,
            list_wait: limits.list_wait,
            read_wait: limits.read_wait,
            clock: Arc::clone(&clock),
            guarded,
            random: Arc::clone(&random),
            observer: Arc::clone(&observer),
            watermark: Arc::clone(&journal.watermark),
            lanes: Arc::clone(&lanes),
            reader: reader.clone(),
            views: Arc::clone(&views),
            beside: beside.clone(),
            draining: AtomicBool::new(false),
            disk_low: AtomicBool::new(false),
            disk: Arc::clone(&disk),
            upkeep: upkeep.clone(),
        });
        let core = Core(shared);
        let accepted = known.accepted.iter();
        let accepted: Result<Vec<Record>, ReadFault> = accepted
            .map(|sequence| read_record(&reader, *sequence))
            .collect();
        let accepted = accepted.map_err(|fault| StartError::Damaged(fault.to_string()))?;
        let ledger = Ledger::new(Parts {
            clock: Arc::clone(&clock),
            random,
            observer,
            reader: reader.clone(),
            watermark: Arc::clone(&journal.watermark),
            lanes,
            views: Arc::clone(&views),
            beside,
            heads: known.heads,
            quarantined: known.quarantined,
            rules: Rules {
                supervision: limits.supervision,
                passivation: limits.passivation,
                assets,
            },
            intercept,
            keys,
            operations,
            sequencer: Sequencer::new(Arc::clone(&journal.queue), last, limits.record_bytes_max),
        });
        core.enter_ledger(&ledger);

        let letters = core.clone();
        let sealed = Box::new(move |(keys, operations)| {
            letters.tell(move |ledger| ledger.settled.sealed(keys, operations));
        });
        let eraser = EraserOptions {
            interval: limits.erase_interval,
            free_bytes_min: limits.free_bytes_min,
        };
        let eraser = Eraser::new(Arc::clone(&views), journal.eraser, eraser);
        let projector = Projector::new(views, reader, clock, limits.projector, indexes, sealed);
        let (failed, failure) = watch::channel(None);
        let mut node = Self {
            core: core.clone(),
            ledger: Rc::clone(&ledger),
            queue: journal.queue,
            stop_projector: Arc::default(),
            committer: None,
            projector: None,
            eraser: None,
            tasks: Vec::new(),
            failure,
            journal_id: journal.journal_id,
        };
        node.start_ledger(accepted);
        node.task(watch_disk(core, limits.free_bytes_min, failed.clone()));
        match threads {
            Threads::Real(_) => {
                node.eraser =
                    Some(Erasing::thread(eraser, &upkeep.spawner).map_err(StartError::NoThread)?);
                let writers = (journal.committer, journal.checkpointer);
                node.start_threads(writers, projector, failed)?;
            }
            Threads::Simulated {
                commit,
                project,
                read,
            } => {
                let writers = (journal.committer, journal.checkpointer);
                node.start_tasks(writers, projector, failed, commit, project);
                node.eraser = Some(Erasing::task(eraser, read));
            }
        }
        Ok(node)
    }

    /// Returns the handle that other components and threads use.
    pub const fn core(&self) -> &Core {
        &self.core
    }

    /// Returns the journal's reader.
    pub fn reader(&self) -> &Reader {
        &self.core.0.reader
    }

    /// Returns the outbox through which the bus reads the journal.
    pub fn outbox(&self) -> Outbox {
        Outbox {
            reader: self.reader().clone(),
            watermark: Arc::clone(&self.core.0.watermark),
            last_unmoving: self.ledger.writer.last_unmoving(),
            id: self.journal_id,
            upkeep: self.core.upkeep().clone(),
        }
    }

    /// Waits until the journal fails or the data directory is no longer this node's, and returns
    /// the reason. From then on nothing can become durable, so the process has to end.
    pub async fn failed(&self) -> String {
        let mut failure = self.failure.clone();
        loop {
            if let Some(reason) = failure.borrow_and_update().clone() {
                self.ledger.fail();
                return reason;
            }
            if failure.changed().await.is_err() {
                // The committer ended without a failure, so no failure will come.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Starts the drain: new commands are refused from now on.
    pub fn drain(&self) {
        self.core.0.draining.store(true, Ordering::Release);
    }

    /// Shuts the node down cleanly: it takes no new commands, sends every answer, makes everything
    /// durable, and sets the clean mark. The caller limits the time. If the future is dropped
    /// before it completes, the next start recovers the journal.
    ///
    /// # Errors
    /// Returns an error if a thread failed.
    pub async fn shutdown(self) -> Result<(), StartError> {
        self.drain();
        while self.core.0.permits.taken() > 0 {
            tokio::time::sleep(DRAIN_CHECK).await;
        }
        self.ledger.close();
        self.ledger.writer.flush();
        while self.queue.backlog_records() > 0 && self.failure.borrow().is_none() {
            tokio::time::sleep(DRAIN_CHECK).await;
        }
        while self.eraser.as_ref().is_some_and(|eraser| !eraser.stop()) {
            tokio::time::sleep(DRAIN_CHECK).await;
        }
        self.stop_projector.store(true, Ordering::Release);
        while self
            .projector
            .as_ref()
            .is_some_and(|worker| !worker.is_finished())
        {
            tokio::time::sleep(DRAIN_CHECK).await;
        }
        self.queue.close();
        while self
            .committer
            .as_ref()
            .is_some_and(|worker| !worker.is_finished())
        {
            tokio::time::sleep(DRAIN_CHECK).await;
        }
        match self.failure.borrow().clone() {
            Some(reason) => Err(StartError::Thread(reason)),
            None => Ok(()),
        }
    }

    /// Starts the ledger's tasks, and continues the commands that were accepted before the node
    /// ended.
    fn start_ledger(&mut self, accepted: Vec<Record>) {
        let (core, ledger) = (self.core.clone(), Rc::clone(&self.ledger));
        self.task(deadline::sweep());
        self.task(Rc::clone(&ledger).flush_chunks());
        self.task(Rc::clone(&ledger).release_held());
        self.task(core.deliver(Arc::clone(&ledger.home)));
        self.task(core.clone().read_mail(Rc::clone(&ledger)));
        self.task(Rc::clone(&ledger).passivate_idle());
        self.task(Rc::clone(&ledger).prepare_generations());
        self.task(Rc::clone(&ledger).leave_accepted());
        self.task(core.clone().expire_transfers());
        ledger.seat_quarantined();
        ledger.resume_accepted(accepted, (&core.0.places, &core.0.accepted_items));
    }

    /// Starts a task on the ledger's thread. A panic in the task ends the process, because commands
    /// depend on each of these tasks.
    fn task(&mut self, task: impl Future<Output = ()> + 'static) {
        let spawner = self.core.upkeep().spawner.clone();
        let mut task = Box::pin(task);
        self.tasks.push(actix_rt::spawn(poll_fn(move |context| {
            let polled = catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(context)));
            polled.unwrap_or_else(|panic| {
                spawner.panicked(ThreadName::Ledger, panic.as_ref());
                Poll::Ready(())
            })
        })));
    }

    fn start_threads(
        &mut self,
        (committer, checkpointer): (Committer, Checkpointer),
        projector: Projector,
        failed: watch::Sender<Option<String>>,
    ) -> Result<(), StartError> {
        let spawner = self.core.upkeep().spawner.clone();
        let spawn = |name: ThreadName, run: Box<dyn FnOnce() + Send>| {
            let thread = spawner.start(name, run);
            thread.map(Worker::Thread).map_err(StartError::NoThread)
        };
        let checkpoints_failed = failed.clone();
        let checkpoints = Box::new(move || {
            let _panics = FailsByPanic(ThreadName::Checkpoints, &checkpoints_failed);
            if let Err(error) = checkpointer.run() {
                fail(&checkpoints_failed, &error.to_string());
            }
        });
        // The thread needs no join: it ends with the committer, and the committer itself makes any
        // checkpoint that is left.
        drop(spawn(ThreadName::Checkpoints, checkpoints)?);
        let journal = Box::new(move || {
            let _panics = FailsByPanic(ThreadName::Journal, &failed);
            if let Err(error) = committer.run() {
                fail(&failed, &error.to_string());
            }
        });
        self.committer = Some(spawn(ThreadName::Journal, journal)?);
        let watermark = Arc::clone(&self.core.0.watermark);
        let stop = Arc::clone(&self.stop_projector);
        let follow = Box::new(move || projector.run(&watermark, &stop));
        self.projector = Some(spawn(ThreadName::Projector, follow)?);
        Ok(())
    }

    fn start_tasks(
        &mut self,
        (mut committer, mut checkpointer): (Committer, Checkpointer),
        mut projector: Projector,
        failed: watch::Sender<Option<String>>,
        mut commit: Box<dyn FnMut() -> Duration>,
        mut project: Box<dyn FnMut() -> Option<Duration>>,
    ) {
        let queue = Arc::clone(&self.queue);
        let commit = actix_rt::spawn(async move {
            while queue.filled().await {
                tokio::time::sleep(commit()).await;
                let committed = committer.run_pending().map(drop);
                if let Err(error) = committed.and_then(|()| checkpointer.run_pending()) {
                    fail(&failed, &error.to_string());
                    return;
                }
            }
            if let Err(error) = committer.finish() {
                fail(&failed, &error.to_string());
            }
        });
        self.committer = Some(Worker::Task(commit));
        let stop = Arc::clone(&self.stop_projector);
        let project = actix_rt::spawn(async move {
            while let Some(pause) = project() {
                tokio::time::sleep(pause).await;
                match projector.step() {
                    Ok(false) if stop.load(Ordering::Acquire) => {
                        if let Err(fault) = projector.flush() {
                            projector.stop(&fault);
                        }
                        return;
                    }
                    Ok(_) => {}
                    Err(fault) => return projector.stop(&fault),
                }
            }
        });
        self.projector = Some(Worker::Task(project));
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        for worker in [&self.committer, &self.projector].into_iter().flatten() {
            if let Worker::Task(task) = worker {
                task.abort();
            }
        }
        if let Some(eraser) = &self.eraser {
            eraser.stop();
        }
        self.stop_projector.store(true, Ordering::Release);
        self.queue.close();
        self.ledger.disband();
    }
}

/// Returns the options of the journal that follow from the node's limits.
fn journal_options(
    limits: &Limits,
    (random, clock): (&Random, &Arc<dyn Clock>),
    commits: Commits,
    damage: Damage,
) -> florin_storage::Options {
    let mut options = florin_storage::Options::new(random.salt());
    options.segment_bytes_max = limits.segment_bytes_max;
    options.wal_bytes = Some(limits.wal_bytes);
    options.frame_bytes_max = limits.frame_bytes_max;
    options.record_bytes_max = limits.record_bytes_max;
    options.live_cache_bytes = limits.journal_cache_bytes;
    let nanos = Arc::clone(clock);
    options.nanos = Arc::new(move || nanos.nanos());
    options.observer = Arc::new(commits);
    options.damage_observer = Arc::new(damage);
    options
}

fn log_open(head: Head, views_position: u64, clean_start: bool) {
    if head.sequence == 0 {
        tracing::info!("the journal is new");
    } else {
        tracing::info!(
            records = head.sequence,
            replayed = head.sequence.saturating_sub(views_position),
            clean = clean_start,
            head = %const_hex::encode(head.link),
            "the journal is open"
        );
    }
}

/// Checks at intervals the free disk space, and whether this node still holds the data directory.
async fn watch_disk(core: Core, free_bytes_min: u64, failed: watch::Sender<Option<String>>) {
    loop {
        core.upkeep().spawner.pulse(ThreadName::Ledger);
        let disk = Arc::clone(&core.0.disk);
        let looked = core
            .0
            .beside
            .run(move || (disk.check_held(), disk.free_bytes()));
        let (held, free) = looked.await.unzip();
        if let Some(Err(error)) = held {
            // The process that opened the other directory may already acknowledge commands there.
            failed.send_if_modified(|reason| {
                let is_first = reason.is_none();
                reason.get_or_insert_with(|| error.to_string());
                is_first
            });
            return;
        }
        if let Some(Ok(free)) = free {
            let low = free < free_bytes_min;
            if core.0.disk_low.swap(low, Ordering::AcqRel) != low {
                tracing::warn!(
                    free_bytes = free,
                    free_bytes_min,
                    low,
                    "free disk passed its limit"
                );
            }
        }
        tokio::time::sleep(DISK_CHECK).await;
    }
}

/// Reports to the node why the journal failed. Only the first reason is kept.
fn fail(failed: &watch::Sender<Option<String>>, error: &str) {
    failed.send_if_modified(|reason| {
        let is_first = reason.is_none();
        reason.get_or_insert_with(|| error.to_owned());
        is_first
    });
}

/// A guard that reports a journal failure to the node if the thread that holds the guard panics.
struct FailsByPanic<'f>(ThreadName, &'f watch::Sender<Option<String>>);

impl Drop for FailsByPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            fail(self.1, &format!("the thread {} ended unexpectedly", self.0));
        }
    }
}

/// Reports each commit to the lanes and to the node's observer.
struct Commits {
    lanes: Arc<Lanes>,
    observer: Arc<dyn Observer>,
}

impl CommitObserver for Commits {
    fn committed(&self, last: u64, records: usize, bytes: usize, duration: Duration) {
        self.lanes.moved(last);
        self.observer
            .committed(records, bytes, duration.as_secs_f64());
    }
}

/// Returns a number that distinguishes the cores of one process.
fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
