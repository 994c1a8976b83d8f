//! The personal rows that are no longer served but may still be on the disk: their erasure is
//! durable and not yet carried out. The set is small, because a row leaves it once it is gone from
//! the disk.

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

    /// Withholds these rows, then calls `then`. [`Withheld::at`] sees the state before both or
    /// after both.
    pub(crate) fn add_and(&self, sequences: impl IntoIterator<Item = u64>, then: impl FnOnce()) {
        let mut sequences = sequences.into_iter().peekable();
        // Nearly every commit withholds nothing, and then needs no lock.
        if sequences.peek().is_none() {
            return then();
        }
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        rows.extend(sequences);
        then();
    }

    /// Returns the withheld rows and the result of `now`, both of the same moment.
    pub(crate) fn at<R>(&self, now: impl FnOnce() -> R) -> (BTreeSet<u64>, R) {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        (rows.clone(), now())
    }

    /// Forgets rows that are gone from the disk.
    pub(crate) fn forget(&self, sequences: &[u64]) {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        for sequence in sequences {
            rows.remove(sequence);
        }
    }

    /// Returns the number of withheld rows.
    pub(crate) fn len(&self) -> usize {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        rows.len()
    }

    /// Returns whether a row is withheld.
    pub(crate) fn has(&self, sequence: u64) -> bool {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        rows.contains(&sequence)
    }
}
