//! The damage that was found while the journal was read. It is logged once for each place, and
//! reported to an observer every time.

use crate::error::Error;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// The number of places that are remembered. Beyond that, the log may report a place again.
const PLACES_MAX: usize = 10_000;

/// An observer of damage. It is called for every read of the journal that finds damage, on the
/// thread that reads, so it must be fast.
pub trait DamageObserver: Send + Sync {
    /// Reports that a read failed because `file` is damaged. `frame` is the first sequence of the
    /// damaged frame, or the record that was asked for if no frame could be read.
    fn damaged(&self, file: &str, frame: u64, what: &str);
}

impl DamageObserver for () {
    fn damaged(&self, _file: &str, _frame: u64, _what: &str) {}
}

/// The damage that was found since the start.
pub(crate) struct Damages {
    places: Mutex<BTreeSet<(String, u64)>>,
    observer: Arc<dyn DamageObserver>,
}

impl std::fmt::Debug for Damages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Damages").finish_non_exhaustive()
    }
}

impl Damages {
    pub(crate) fn new(observer: Arc<dyn DamageObserver>) -> Damages {
        Damages {
            places: Mutex::default(),
            observer,
        }
    }

    /// Reports an error of a read near record `sequence`, if it is damage.
    pub(crate) fn note(&self, error: &Error, sequence: u64) {
        if !error.is_damage() {
            return;
        }
        let (file, frame, what) = match error {
            Error::Damaged {
                file,
                sequence,
                what,
            } => (file.as_str(), *sequence, what.clone()),
            Error::Store { file, source } => (file.as_str(), sequence, source.to_string()),
            other => ("journal", sequence, other.to_string()),
        };
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= PLACES_MAX {
            places.clear();
        }
        let is_new = places.insert((file.to_owned(), frame));
        drop(places);
        if is_new {
            tracing::error!(segment = file, frame, reason = %what, "the journal is damaged");
        }
        self.observer.damaged(file, frame, &what);
    }
}
