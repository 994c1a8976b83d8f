//! Which personal rows are served no more, though they may still be on the disk: their erasure is
//! durable and was not carried out yet. Small: a row leaves it once it is gone.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

/// The records whose personal rows are withheld.
#[derive(Debug, Default)]
pub(crate) struct Withheld {
    rows: RwLock<BTreeSet<u64>>,
}

impl Withheld {
    /// Withholds these rows.
    pub(crate) fn add(&self, sequences: impl IntoIterator<Item = u64>) {
        self.add_and(sequences, || {});
    }

    /// Withholds these rows, then does `then`; [`Withheld::at`] sees neither or both.
    pub(crate) fn add_and(&self, sequences: impl IntoIterator<Item = u64>, then: impl FnOnce()) {
        let mut sequences = sequences.into_iter().peekable();
        // Nearly every commit: nothing to withhold, no lock.
        if sequences.peek().is_none() {
            return then();
        }
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        rows.extend(sequences);
        then();
    }

    /// What is withheld at one moment, and what `now` says of that moment.
    pub(crate) fn at<R>(&self, now: impl FnOnce() -> R) -> (BTreeSet<u64>, R) {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        (rows.clone(), now())
    }

    /// Forgets rows that are gone.
    pub(crate) fn forget(&self, sequences: &[u64]) {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        for sequence in sequences {
            rows.remove(sequence);
        }
    }

    /// How many rows are withheld.
    pub(crate) fn len(&self) -> usize {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        rows.len()
    }

    /// Whether a row is withheld.
    pub(crate) fn has(&self, sequence: u64) -> bool {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        rows.contains(&sequence)
    }
}
