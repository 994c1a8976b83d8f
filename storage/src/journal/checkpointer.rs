//! The checkpointer. It writes the content of the write-ahead log into the live segment's file,
//! many commits in one transaction, in parallel with the committer. The committer makes a
//! checkpoint itself only when the log has no room left.

use crate::error::Error;
use crate::journal::shelf::Shelf;
use crate::sync::{Condvar, Mutex, lock, wait};
use crate::threads;
use std::sync::Arc;

/// A signal with which the committer asks the checkpointer for checkpoints.
#[derive(Debug, Default)]
pub(crate) struct CheckpointSignal {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    due: bool,
    closed: bool,
}

impl CheckpointSignal {
    /// Asks for a checkpoint.
    pub(crate) fn request(&self) {
        lock(&self.state).due = true;
        self.changed.notify_one();
    }

    /// Tells the checkpointer to end.
    pub(crate) fn close(&self) {
        lock(&self.state).closed = true;
        self.changed.notify_one();
    }

    /// Returns whether a checkpoint was asked for since the last call.
    fn take_request(&self) -> bool {
        std::mem::take(&mut lock(&self.state).due)
    }

    /// Waits until a checkpoint is asked for. Returns false once the committer has ended.
    fn wait(&self) -> bool {
        let mut state = lock(&self.state);
        while !state.due && !state.closed {
            state = wait(&self.changed, state);
        }
        state.due = false;
        !state.closed
    }
}

/// Makes checkpoints in parallel with the committer. A thread runs [`Checkpointer::run`]; without
/// that thread the committer makes all checkpoints.
#[derive(Debug)]
pub struct Checkpointer {
    shelf: Arc<Shelf>,
    signal: Arc<CheckpointSignal>,
}

impl Checkpointer {
    pub(crate) fn new(shelf: Arc<Shelf>, signal: Arc<CheckpointSignal>) -> Checkpointer {
        Checkpointer { shelf, signal }
    }

    /// Makes a checkpoint if one is due.
    ///
    /// # Errors
    /// Returns the disk's error. The committer then writes nothing more, and the process has to
    /// end.
    pub fn run_pending(&mut self) -> Result<(), Error> {
        if self.signal.take_request() {
            self.checkpoint()?;
        }
        Ok(())
    }

    /// Makes checkpoints until the committer has ended.
    ///
    /// # Errors
    /// Returns the errors of [`Checkpointer::run_pending`].
    pub fn run(self) -> Result<(), Error> {
        while self.signal.wait() {
            threads::pulse();
            self.checkpoint()?;
        }
        Ok(())
    }

    fn checkpoint(&self) -> Result<(), Error> {
        match self.shelf.live() {
            Some(live) => live
                .checkpoint(&[], std::iter::empty())
                .inspect_err(|_| live.stop()),
            None => Ok(()),
        }
    }
}

/// A loom model: it explores every interleaving of the real code, and must fail with the listed
/// mutation.
#[cfg(test)]
#[cfg(florin_loom)]
mod models {
    use super::*;
    use crate::journal::watermark::Watermark;
    use crate::sync::modelled::How::Skipped;
    use crate::sync::modelled::{check, mutation};
    use std::time::Duration;

    #[test]
    fn no_request_is_missed_and_the_end_is_noticed() {
        let model = || {
            let signal = Arc::new(CheckpointSignal::default());
            let made = Arc::new(Watermark::new(0));
            let checkpointer = {
                let (signal, made) = (signal.clone(), made.clone());
                loom::thread::spawn(move || {
                    while signal.wait() {
                        made.advance(1);
                    }
                })
            };
            signal.request();
            assert_eq!(made.wait_past(0, Duration::MAX), 1);
            signal.close();
            checkpointer.join().unwrap();
        };
        check(model, &[mutation("checkpointer.rs", "notify_one", Skipped)]);
    }
}
