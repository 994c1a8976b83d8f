//! The eraser: carries out what erasures were recorded. The projector notes them in the views' own
//! store; here the personal rows are taken off the disk, and then the note. A note that comes back,
//! as when the view is rebuilt, is carried out once more and changes nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use florin_storage::{Erasure, Reader, ViewError};

use super::{ERASURES, Views};

/// Notes read at a time.
const NOTES_MAX: usize = 10_000;
/// How long until a segment that is to be sealed is looked at again.
const SEALING: Duration = Duration::from_millis(10);

/// How erasures are carried out.
#[derive(Debug, Clone, Copy)]
pub struct EraserOptions {
    /// How long erasures gather, so that those of one segment are one rewrite.
    pub interval: Duration,
    /// Free bytes that a rewrite leaves on the disk.
    pub free_bytes_min: u64,
}

/// Carries erasures out; belongs to one thread or task.
#[derive(Debug)]
pub struct Eraser {
    views: Arc<Views>,
    journal: florin_storage::Eraser,
    options: EraserOptions,
}

impl Eraser {
    /// An eraser of what the views note.
    pub const fn new(
        views: Arc<Views>,
        journal: florin_storage::Eraser,
        options: EraserOptions,
    ) -> Self {
        Self {
            views,
            journal,
            options,
        }
    }

    /// Carries out a part of what is noted: one segment is rewritten. Says when to come again. A
    /// fault is logged, and it is tried again later: nothing is lost by it.
    pub fn step(&mut self, goes_on: &dyn Fn() -> bool) -> Duration {
        match self.try_step(goes_on) {
            Ok(pause) => pause,
            Err(fault) => {
                tracing::error!(
                    fault,
                    "personal values can't be erased now; it is tried again"
                );
                self.options.interval
            }
        }
    }

    fn try_step(&mut self, goes_on: &dyn Fn() -> bool) -> Result<Duration, String> {
        let notes = self.views.erasures(NOTES_MAX);
        let notes = notes.map_err(|error| error.to_string())?;
        if notes.is_empty() {
            return Ok(self.options.interval);
        }
        let erased = self
            .journal
            .erase(&notes, self.options.free_bytes_min, goes_on)
            .map_err(|error| error.to_string())?;
        match erased {
            Erasure::Gone(rows) => {
                let removed = self.views.erased(&rows);
                removed.map_err(|error| error.to_string())?;
                let more = notes.len() > rows.len() || notes.len() == NOTES_MAX;
                Ok(if more {
                    Duration::ZERO
                } else {
                    self.options.interval
                })
            }
            Erasure::Sealing => Ok(SEALING),
            Erasure::Stopped => Ok(self.options.interval),
        }
    }

    /// Works on a thread of its own until `stop` says so; to be unparked then.
    pub fn run(mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Acquire) {
            let pause = self.step(&|| !stop.load(Ordering::Acquire));
            std::thread::park_timeout(pause);
        }
    }
}

impl Views {
    /// Serves the personal values no more that the notes say are to be erased.
    ///
    /// # Errors
    /// What can't be read.
    pub fn withhold(&self, reader: &Reader) -> Result<(), ViewError> {
        reader.withhold(self.erasures(usize::MAX)?);
        Ok(())
    }

    /// The records whose personal values are to be erased, in order, so many at most.
    fn erasures(&self, max: usize) -> Result<Vec<u64>, ViewError> {
        let mut notes = Vec::new();
        for row in self.store().read()?.range(ERASURES, ..)?.take(max) {
            let (key, _) = row?;
            notes.extend(key.last_chunk().copied().map(u64::from_be_bytes));
        }
        Ok(notes)
    }

    /// Takes the notes of what is gone away.
    fn erased(&self, rows: &[u64]) -> Result<(), ViewError> {
        self.store().write(|write| {
            for row in rows {
                write.remove(ERASURES, &row.to_be_bytes())?;
            }
            Ok(())
        })
    }
}
