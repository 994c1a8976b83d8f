//! The only place that starts threads. Each thread has a name from a fixed list. A panic in a
//! thread is caught and reported to the watch of its spawner. The consequence of a thread's end
//! depends only on its name.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle, Scope, ScopedJoinHandle};
use std::time::Duration;

/// The pause before a thread's first restart. Each further restart doubles it, up to the maximum.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// The interval at which a paused restart checks whether the thread is still wanted.
const LOOK: Duration = Duration::from_millis(20);
/// A thread counts as working once it has reached the beginning of its loop for the second time.
const PULSES_TO_WORK: u32 = 2;

/// The longest time without a pulse of a thread that waits for work.
pub const PULSE: Duration = Duration::from_secs(1);

/// The consequence of a thread that ends without being asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenEnded {
    /// The process ends with a documented exit code.
    ProcessEnds,
    /// The thread is started again after a pause. A condition is reported until the thread works.
    StartedAgain,
}

macro_rules! thread_names {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal, $when:ident;)*) => {
        /// The name of a thread.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ThreadName {
            $($(#[doc = $doc])* $variant,)*
        }

        impl ThreadName {
            /// All names, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns the name as the system shows it, at most 15 bytes.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// Returns the consequence of the thread ending without being asked to.
            pub const fn when_ended(self) -> WhenEnded {
                match self {
                    $(Self::$variant => WhenEnded::$when,)*
                }
            }
        }
    };
}

thread_names! {
    /// Decides commands: the process's first thread, with all actors.
    Ledger = "ledger", ProcessEnds;
    /// Serves HTTP connections.
    Lane = "lane", ProcessEnds;
    /// Writes the journal.
    Journal = "journal", ProcessEnds;
    /// Writes the content of the write-ahead log into the live segment.
    Checkpoints = "checkpoints", ProcessEnds;
    /// Keeps the views up to date.
    Projector = "projector", ProcessEnds;
    /// Removes erased personal values from the disk.
    Eraser = "eraser", StartedAgain;
    /// Merges files of the index.
    Index = "index", StartedAgain;
    /// Runs consumers of the process's own journal.
    Bus = "bus", StartedAgain;
    /// Publishes events again.
    Replay = "replay", StartedAgain;
    /// Writes a read model's file.
    ReadModel = "read-model", StartedAgain;
    /// Publishes events to Kafka.
    Publisher = "publisher", StartedAgain;
    /// Prepares the next events to publish.
    Outbox = "outbox", StartedAgain;
    /// Consumes messages from Kafka.
    Consumer = "consumer", StartedAgain;
    /// Writes dead letters to Kafka.
    DeadLetters = "dead-letters", StartedAgain;
    /// Reads the journal's tail at a start, and to verify the journal.
    Recovery = "recovery", ProcessEnds;
    /// Writes the log.
    Log = "log", StartedAgain;
}

impl fmt::Display for ThreadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An observer of threads.
pub trait ThreadWatch: Send + Sync {
    /// Reports that a thread panicked, failed with an error, or was refused by the system. If there
    /// is a pause `again_in`, the thread is started again after it; otherwise
    /// [`ThreadName::when_ended`] and the thread's owner decide.
    fn ended(&self, thread: ThreadName, reason: &str, again_in: Option<Duration>);

    /// Reports that a thread has reached the beginning of its loop for the second time since its
    /// start.
    fn works(&self, thread: ThreadName);

    /// Called before a thread is started. An error is treated as the system's refusal, for tests.
    ///
    /// # Errors
    /// Returns an error if a test asked for one.
    fn starting(&self, _thread: ThreadName) -> io::Result<()> {
        Ok(())
    }

    /// Reports that a thread is at the beginning of its loop. A test may panic here.
    fn pulse(&self, _thread: ThreadName) {}
}

/// A watch that only logs the end of threads.
impl ThreadWatch for () {
    fn ended(&self, thread: ThreadName, reason: &str, _: Option<Duration>) {
        tracing::error!(%thread, reason, "a thread failed");
    }

    fn works(&self, _: ThreadName) {}
}

/// Starts threads and reports their end to its watch.
#[derive(Clone)]
pub struct Spawner(Arc<dyn ThreadWatch>);

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spawner")
    }
}

/// The default watch only logs.
impl Default for Spawner {
    fn default() -> Self {
        Self(Arc::new(()))
    }
}

impl Spawner {
    /// Creates a spawner that reports to `watch`.
    pub fn new(watch: Arc<dyn ThreadWatch>) -> Self {
        Self(watch)
    }

    /// Starts a thread that runs once. The handle returns `None` if the thread panicked; the panic
    /// is then already reported to the watch.
    ///
    /// # Errors
    /// Returns an error if the system can't start a thread.
    pub fn start<T: Send + 'static>(
        &self,
        name: ThreadName,
        run: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<JoinHandle<Option<T>>> {
        let watch = Arc::clone(&self.0);
        let started = self.0.starting(name);
        let started = started.and_then(|()| spawn(name, move || watched(name, &watch, run)));
        self.report_refusal(name, started)
    }

    /// Reports a thread that the system refused to start, if the thread's owner will try again.
    fn report_refusal<T>(&self, name: ThreadName, started: io::Result<T>) -> io::Result<T> {
        if name.when_ended() == WhenEnded::StartedAgain
            && let Err(error) = &started
        {
            let reason = format!("the system can't start a thread: {error}");
            self.0.ended(name, &reason, None);
        }
        started
    }

    /// Starts a thread inside a scope, like [`Spawner::start`].
    ///
    /// # Errors
    /// Returns an error if the system can't start a thread.
    pub fn start_scoped<'scope, T: Send + 'scope>(
        &self,
        scope: &'scope Scope<'scope, '_>,
        name: ThreadName,
        run: impl FnOnce() -> T + Send + 'scope,
    ) -> io::Result<ScopedJoinHandle<'scope, Option<T>>> {
        let watch = Arc::clone(&self.0);
        let started = self.0.starting(name);
        let started =
            started.and_then(|()| spawn_scoped(scope, name, move || watched(name, &watch, run)));
        self.report_refusal(name, started)
    }

    /// Starts a thread that runs `run` again after a panic or an error, with a pause that doubles,
    /// until `is_over` returns true. The thread ends when `run` returns successfully.
    ///
    /// # Errors
    /// Returns an error if the system can't start a thread.
    pub fn start_and_restart(
        &self,
        name: ThreadName,
        is_over: impl Fn() -> bool + Send + 'static,
        mut run: impl FnMut() -> Result<(), String> + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        self.0.starting(name)?;
        let watch = Arc::clone(&self.0);
        spawn(name, move || {
            let mut backoff = BACKOFF_MIN;
            loop {
                enter(name, &watch);
                let reason = match catch_unwind(AssertUnwindSafe(&mut run)) {
                    Ok(Ok(())) => return,
                    Ok(Err(reason)) => reason,
                    Err(panic) => reason_of(panic.as_ref()),
                };
                if is_over() {
                    return;
                }
                if has_worked() {
                    backoff = BACKOFF_MIN;
                }
                watch.ended(name, &reason, Some(backoff));
                let mut rested = Duration::ZERO;
                while rested < backoff && !is_over() {
                    std::thread::sleep(LOOK);
                    rested += LOOK;
                }
                backoff = (backoff * 2).min(BACKOFF_MAX);
            }
        })
    }

    /// Reports to the watch that a task of a thread panicked, which ends the thread's work.
    pub fn panicked(&self, name: ThreadName, panic: &(dyn Any + Send)) {
        self.0.ended(name, &reason_of(panic), None);
    }

    /// Does the same as [`pulse`], from a task. `name` is the thread that the task stands for.
    pub fn pulse(&self, name: ThreadName) {
        self.0.pulse(name);
    }
}

/// The state of the current thread.
struct Current {
    name: ThreadName,
    watch: Arc<dyn ThreadWatch>,
    /// The number of pulses that are missing until the thread counts as working.
    unproven: Cell<u32>,
}

thread_local! {
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
}

/// Reports that the current thread is at the beginning of its loop. Every thread's loop calls it,
/// at least once per [`PULSE`] while it waits for work. The exceptions are `journal` and
/// `checkpoints`, which must not be woken without work: they call it when there is work. It does
/// nothing on a thread that no spawner started.
pub fn pulse() {
    CURRENT.with_borrow(|current| {
        let Some(current) = current else { return };
        current.watch.pulse(current.name);
        match current.unproven.get() {
            0 => {}
            left => {
                current.unproven.set(left - 1);
                if left == 1 {
                    current.watch.works(current.name);
                }
            }
        }
    });
}

/// Checks whether the system can run this many threads at the same time, by starting and ending
/// them. It is called before starting a library's threads if that library panics or waits forever
/// when there are too few.
///
/// # Errors
/// Returns the system's error.
pub fn can_start(count: usize) -> io::Result<()> {
    let mut started = Vec::new();
    for _ in 0..count {
        let (end, ended) = std::sync::mpsc::channel::<()>();
        // The thread ends when its sender is dropped, here or by an early return.
        let thread = spawn_named("probe", move || {
            let _ = ended.recv();
        })?;
        started.push((end, thread));
    }
    for (end, thread) in started {
        drop(end);
        // The thread does nothing that could panic.
        let _ = thread.join();
    }
    Ok(())
}

/// Returns the message of a panic.
pub fn reason_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without a message".to_owned())
}

fn enter(name: ThreadName, watch: &Arc<dyn ThreadWatch>) {
    let current = Current {
        name,
        watch: Arc::clone(watch),
        unproven: Cell::new(PULSES_TO_WORK),
    };
    CURRENT.set(Some(current));
}

fn has_worked() -> bool {
    CURRENT.with_borrow(|current| {
        current
            .as_ref()
            .is_some_and(|current| current.unproven.get() == 0)
    })
}

fn watched<T>(
    name: ThreadName,
    watch: &Arc<dyn ThreadWatch>,
    run: impl FnOnce() -> T,
) -> Option<T> {
    enter(name, watch);
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(ended) => Some(ended),
        Err(panic) => {
            watch.ended(name, &reason_of(panic.as_ref()), None);
            None
        }
    }
}

fn spawn<T: Send + 'static>(
    name: ThreadName,
    run: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    spawn_named(name.name(), run)
}

#[expect(clippy::disallowed_methods, reason = "this is the place")]
fn spawn_named<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    Builder::new().name(name.to_owned()).spawn(run)
}

#[expect(clippy::disallowed_methods, reason = "this is the place")]
fn spawn_scoped<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: ThreadName,
    run: impl FnOnce() -> T + Send + 'scope,
) -> io::Result<ScopedJoinHandle<'scope, T>> {
    let builder = Builder::new().name(name.name().to_owned());
    builder.spawn_scoped(scope, run)
}

#[cfg(test)]
#[cfg(not(florin_loom))]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[derive(Default)]
    struct Notes(Mutex<Vec<String>>);

    impl ThreadWatch for Notes {
        fn ended(&self, thread: ThreadName, reason: &str, again_in: Option<Duration>) {
            let again = again_in.is_some();
            let note = format!("{thread} ended: {reason}, again: {again}");
            self.0.lock().unwrap().push(note);
        }

        fn works(&self, thread: ThreadName) {
            self.0.lock().unwrap().push(format!("{thread} works"));
        }
    }

    #[test]
    fn a_panic_is_told_and_ends_the_thread_or_starts_it_again() {
        let notes = Arc::new(Notes::default());
        let spawner = Spawner::new(Arc::clone(&notes) as Arc<dyn ThreadWatch>);
        let once = spawner.start(ThreadName::Projector, || panic!("so it is"));
        let ended: Option<()> = once.unwrap().join().unwrap();
        assert_eq!(ended, None);
        let runs = Arc::new(AtomicU32::new(0));
        let run = move || {
            if runs.fetch_add(1, Ordering::SeqCst) == 0 {
                panic!("{}", "the first time");
            }
            pulse();
            pulse();
            pulse();
            Ok(())
        };
        let again = spawner.start_and_restart(ThreadName::Eraser, || false, run);
        again.unwrap().join().unwrap();
        assert_eq!(
            *notes.0.lock().unwrap(),
            [
                "projector ended: so it is, again: false",
                "eraser ended: the first time, again: true",
                "eraser works",
            ]
        );
    }

    #[test]
    fn a_thread_that_nobody_wants_any_more_is_not_started_again() {
        let notes = Arc::new(Notes::default());
        let spawner = Spawner::new(Arc::clone(&notes) as Arc<dyn ThreadWatch>);
        let thread = spawner.start_and_restart(ThreadName::Bus, || true, || panic!("once"));
        thread.unwrap().join().unwrap();
        assert!(notes.0.lock().unwrap().is_empty());
    }

    #[test]
    fn names_are_short_enough_for_the_system_and_differ() {
        let mut names: Vec<_> = ThreadName::ALL.iter().map(|name| name.name()).collect();
        assert!(names.iter().all(|name| name.len() <= 15));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ThreadName::ALL.len());
    }
}
