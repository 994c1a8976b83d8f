//! The services that every part of a node uses: the thread spawner and the registry of conditions.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use florin_storage::threads::{Spawner, ThreadName, ThreadWatch, WhenEnded};
use tokio::sync::watch;

use crate::conditions::{ConditionCode, Conditions};

/// The thread spawner and the registry of conditions of a node. The default has its own registry
/// and a spawner that only logs.
#[derive(Debug, Clone, Default)]
pub struct Upkeep {
    /// The spawner that starts the node's threads.
    pub spawner: Spawner,
    /// The registry of everything that is wrong with the node.
    pub conditions: Arc<Conditions>,
}

/// Injects thread faults in tests. `()` injects none.
pub trait ThreadFaults: Send + Sync {
    /// Called before a thread is started. An error is treated as if the operating system had
    /// refused to start the thread.
    ///
    /// # Errors
    /// Returns the error that a test injects.
    fn starting(&self, thread: ThreadName) -> io::Result<()>;

    /// Called at each pulse of a thread, normally at the beginning of its loop. May panic to inject
    /// a fault.
    fn pulse(&self, thread: ThreadName);
}

impl ThreadFaults for () {
    fn starting(&self, _: ThreadName) -> io::Result<()> {
        Ok(())
    }

    fn pulse(&self, _: ThreadName) {}
}

/// The end of a thread that the process can't run without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadEnd {
    /// The name of the thread.
    pub thread: ThreadName,
    /// The reason for its end, as a sentence.
    pub reason: String,
}

/// A receiver that is notified when the first thread ends that the process can't run without.
#[derive(Debug, Clone)]
pub struct Ends(watch::Receiver<Option<ThreadEnd>>);

impl Ends {
    /// Waits until such a thread ends.
    pub async fn first(&mut self) -> ThreadEnd {
        loop {
            if let Some(end) = self.0.borrow_and_update().clone() {
                return end;
            }
            if self.0.changed().await.is_err() {
                // The sender is gone, so no thread can end any more.
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Upkeep {
    /// Creates the upkeep of a process and the receiver of thread ends. `faults` injects thread
    /// faults in tests.
    pub fn watched(faults: Arc<dyn ThreadFaults>) -> (Self, Ends) {
        let conditions = Arc::<Conditions>::default();
        let (ended, told) = watch::channel(None);
        let watch = Watch {
            conditions: Arc::clone(&conditions),
            ended,
            faults,
        };
        let spawner = Spawner::new(Arc::new(watch));
        let upkeep = Self {
            spawner,
            conditions,
        };
        (upkeep, Ends(told))
    }
}

/// A thread watch that translates the ends and restarts of threads into conditions and log lines,
/// and reports the ends that end the process.
struct Watch {
    conditions: Arc<Conditions>,
    ended: watch::Sender<Option<ThreadEnd>>,
    faults: Arc<dyn ThreadFaults>,
}

impl ThreadWatch for Watch {
    fn ended(&self, thread: ThreadName, reason: &str, again_in: Option<Duration>) {
        let ends_process = thread.when_ended() == WhenEnded::ProcessEnds;
        let decision = if ends_process { "ends" } else { "restarted" };
        let backoff_ms = again_in.map(|pause| pause.as_millis() as u64);
        tracing::error!(%thread, reason, backoff_ms, decision, "a thread ended unexpectedly");
        let then = if ends_process {
            "the process ends"
        } else {
            "it is started again"
        };
        let detail = format!("the thread {thread} ended unexpectedly, {then}: {reason}");
        self.conditions
            .raise(ConditionCode::ThreadEnded, thread.name(), detail);
        if ends_process {
            self.ended.send_if_modified(|end| {
                let is_first = end.is_none();
                end.get_or_insert_with(|| ThreadEnd {
                    thread,
                    reason: reason.to_owned(),
                });
                is_first
            });
        }
    }

    fn works(&self, thread: ThreadName) {
        let code = ConditionCode::ThreadEnded;
        if self.conditions.clear(code, thread.name()) {
            tracing::info!(%thread, "a thread that had ended works again");
        }
    }

    fn starting(&self, thread: ThreadName) -> io::Result<()> {
        self.faults.starting(thread)
    }

    fn pulse(&self, thread: ThreadName) {
        self.faults.pulse(thread);
    }
}
