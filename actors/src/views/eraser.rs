//! The eraser, which carries out the recorded erasures. The projector notes them in the views' own
//! store. The eraser removes the personal rows from the disk, and then the note. A note that comes
//! back, e.g. because the view is rebuilt, is carried out once more and changes nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use florin_storage::threads::{self, PULSE};
use florin_storage::{Erasure, Reader, ViewError};

use super::Views;
use super::tables::ERASURES;

/// The number of notes read at a time.
const NOTES_MAX: usize = 10_000;
/// The pause before a segment that is to be sealed is checked again.
const SEALING: Duration = Duration::from_millis(10);

/// The options of the eraser.
#[derive(Debug, Clone, Copy)]
pub struct EraserOptions {
    /// The time for which erasures are collected, so that the erasures of one segment need one
    /// rewrite.
    pub interval: Duration,
    /// The number of free bytes that a rewrite leaves on the disk.
    pub free_bytes_min: u64,
}

/// The eraser, which carries out erasures. It belongs to one thread or task.
#[derive(Debug)]
pub struct Eraser {
    views: Arc<Views>,
    journal: florin_storage::Eraser,
    options: EraserOptions,
}

impl Eraser {
    /// Creates an eraser for the erasures that the views note.
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

    /// Carries out a part of the noted erasures by rewriting one segment. Returns the pause before
    /// the next call. A fault is logged and the step is retried later; nothing is lost by it.
    pub fn step(&mut self, goes_on: &dyn Fn() -> bool) -> Duration {
        match self.try_step(goes_on) {
            Ok(pause) => pause,
            Err(fault) => {
                tracing::error!(
                    fault,
                    "personal data can't be erased now; the erasure is retried"
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

    /// Works on a thread of its own until `stop` is set. The code that sets it must unpark the
    /// thread.
    pub fn run(&mut self, stop: &AtomicBool) {
        let goes_on = || !stop.load(Ordering::Acquire);
        while goes_on() {
            let mut pause = self.step(&goes_on);
            threads::pulse();
            while pause > Duration::ZERO && goes_on() {
                std::thread::park_timeout(pause.min(PULSE));
                pause = pause.saturating_sub(PULSE);
                threads::pulse();
            }
        }
    }
}

impl Views {
    /// Stops the journal's reader from serving the personal values that are noted for erasure.
    ///
    /// # Errors
    /// Returns an error if the notes can't be read.
    pub fn withhold(&self, reader: &Reader) -> Result<(), ViewError> {
        reader.withhold(self.erasures(usize::MAX)?);
        Ok(())
    }

    /// Returns the sequences of the records whose personal values are to be erased, in order, at
    /// most `max` of them.
    fn erasures(&self, max: usize) -> Result<Vec<u64>, ViewError> {
        let mut notes = Vec::new();
        for row in self.store().read()?.range(ERASURES, ..)?.take(max) {
            let (key, _) = row?;
            notes.extend(key.last_chunk().copied().map(u64::from_be_bytes));
        }
        Ok(notes)
    }

    /// Removes the notes of erasures that were carried out.
    fn erased(&self, rows: &[u64]) -> Result<(), ViewError> {
        self.store().write(|write| {
            for row in rows {
                write.remove(ERASURES, &row.to_be_bytes())?;
            }
            Ok(())
        })
    }
}
