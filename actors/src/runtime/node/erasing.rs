//! The place where the eraser runs: a thread of its own, or a task in a simulation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use florin_storage::threads::{Spawner, ThreadName};

use crate::views::Eraser;

/// The running eraser.
#[derive(Debug)]
pub(in crate::runtime) enum Erasing {
    /// The eraser runs on a thread, which checks the flag, and is parked while it pauses.
    Thread(Arc<AtomicBool>, JoinHandle<()>),
    /// The eraser runs in a task.
    Task(tokio::task::JoinHandle<()>),
}

impl Erasing {
    /// Starts the eraser on a thread of its own.
    ///
    /// # Errors
    /// Returns an error if the system can't start a thread.
    pub(in crate::runtime) fn thread(
        mut eraser: Eraser,
        spawner: &Spawner,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (seen, looked) = (Arc::clone(&stop), Arc::clone(&stop));
        let is_over = move || looked.load(Ordering::Acquire);
        let thread = spawner.start_and_restart(ThreadName::Eraser, is_over, move || {
            eraser.run(&seen);
            Ok(())
        })?;
        Ok(Self::Thread(stop, thread))
    }

    /// Starts the eraser in a task of this thread; `pause` returns how long each step takes.
    pub(in crate::runtime) fn task(
        mut eraser: Eraser,
        pause: Arc<dyn Fn() -> Duration + Send + Sync>,
    ) -> Self {
        Self::Task(actix_rt::spawn(async move {
            loop {
                let next = eraser.step(&|| true);
                tokio::time::sleep(next + pause()).await;
            }
        }))
    }

    /// Tells the eraser to stop, and returns whether it has stopped. A rewrite in progress is
    /// abandoned; a task ends between two steps.
    pub(in crate::runtime) fn stop(&self) -> bool {
        match self {
            Self::Thread(stop, thread) => {
                stop.store(true, Ordering::Release);
                thread.thread().unpark();
                thread.is_finished()
            }
            Self::Task(task) => {
                task.abort();
                task.is_finished()
            }
        }
    }
}
