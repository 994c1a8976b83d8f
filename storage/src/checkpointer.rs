//! Brings what the write-ahead log holds into the live segment's file, many commits in one
//! transaction, beside the committer, which does it itself when the log has no room left.

use crate::error::Error;
use crate::shelf::Shelf;
use crate::sync::{Condvar, Mutex, lock, wait};
use std::sync::Arc;

/// Asks for checkpoints: the committer's end.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    state: Mutex<State>,
    rung: Condvar,
}

#[derive(Debug, Default)]
struct State {
    due: bool,
    closed: bool,
}

impl Bell {
    /// Asks for a checkpoint.
    pub(crate) fn ring(&self) {
        lock(&self.state).due = true;
        self.rung.notify_one();
    }

    /// Lets the checkpointer end.
    pub(crate) fn close(&self) {
        lock(&self.state).closed = true;
        self.rung.notify_one();
    }

    /// Whether one was asked for since the last look.
    fn take(&self) -> bool {
        std::mem::take(&mut lock(&self.state).due)
    }

    /// Waits until one is asked for; false once the committer has ended.
    fn wait(&self) -> bool {
        let mut state = lock(&self.state);
        while !state.due && !state.closed {
            state = wait(&self.rung, state);
        }
        state.due = false;
        !state.closed
    }
}

/// Makes checkpoints beside the committer. A thread gives itself to [`Checkpointer::run`]; without
/// one the committer makes them all.
#[derive(Debug)]
pub struct Checkpointer {
    shelf: Arc<Shelf>,
    bell: Arc<Bell>,
}

impl Checkpointer {
    pub(crate) fn new(shelf: Arc<Shelf>, bell: Arc<Bell>) -> Checkpointer {
        Checkpointer { shelf, bell }
    }

    /// Makes a checkpoint if one is due.
    ///
    /// # Errors
    /// What the disk refused; the committer writes nothing more then, and the process has to end.
    pub fn run_pending(&mut self) -> Result<(), Error> {
        if self.bell.take() {
            self.checkpoint()?;
        }
        Ok(())
    }

    /// Makes checkpoints until the committer has ended.
    ///
    /// # Errors
    /// Those of [`Checkpointer::run_pending`].
    pub fn run(self) -> Result<(), Error> {
        while self.bell.wait() {
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

/// Every interleaving of the real code, by loom, with the mutation that it catches.
#[cfg(test)]
#[cfg(florin_loom)]
mod models {
    use super::*;
    use crate::sync::modelled::How::Skipped;
    use crate::sync::modelled::{check, mutation};
    use crate::watermark::Watermark;
    use std::time::Duration;

    #[test]
    fn no_ring_is_missed_and_the_end_is_heard() {
        let model = || {
            let bell = Arc::new(Bell::default());
            let made = Arc::new(Watermark::new(0));
            let checkpointer = {
                let (bell, made) = (bell.clone(), made.clone());
                loom::thread::spawn(move || {
                    while bell.wait() {
                        made.advance(1);
                    }
                })
            };
            bell.ring();
            assert_eq!(made.wait_past(0, Duration::MAX), 1);
            bell.close();
            checkpointer.join().unwrap();
        };
        check(model, &[mutation("checkpointer.rs", "notify_one", Skipped)]);
    }
}
