//! Where the eraser works: a thread of its own, or a task in a simulation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::views::Eraser;

/// The eraser at work.
#[derive(Debug)]
pub(super) enum Erasing {
    /// On a thread, which looks at the flag and pauses parked.
    Thread(Arc<AtomicBool>, JoinHandle<()>),
    /// In a task.
    Task(tokio::task::JoinHandle<()>),
}

impl Erasing {
    /// On a thread of its own.
    ///
    /// # Errors
    /// The system starts no thread.
    pub(super) fn thread(eraser: Eraser) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("eraser".to_owned());
        let thread = thread.spawn(move || eraser.run(&seen))?;
        Ok(Self::Thread(stop, thread))
    }

    /// In a task of this thread; `pause` says how long each step takes.
    pub(super) fn task(mut eraser: Eraser, pause: Arc<dyn Fn() -> Duration + Send + Sync>) -> Self {
        Self::Task(actix_rt::spawn(async move {
            loop {
                let next = eraser.step(&|| true);
                tokio::time::sleep(next + pause()).await;
            }
        }))
    }

    /// Has it stop, and says whether it has: a rewrite under way is given up, a task ends between
    /// two steps.
    pub(super) fn stop(&self) -> bool {
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
