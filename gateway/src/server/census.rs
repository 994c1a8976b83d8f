//! How many connections are open, and when the last one has closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Connections past the limit that are still read, so that they can be told so, and so that health
/// checks are answered.
pub(super) const SPARE: usize = 64;

/// Counts open connections.
#[derive(Debug)]
pub struct Census {
    open: AtomicUsize,
    max: usize,
    emptied: Notify,
}

/// A connection's place; it ends with its value.
#[derive(Debug)]
pub struct Place {
    census: Arc<Census>,
    /// Whether it is past the limit.
    pub spare: bool,
}

impl Census {
    /// Nobody there; room for `max`.
    pub fn new(max: usize) -> Self {
        Self {
            open: AtomicUsize::new(0),
            max,
            emptied: Notify::new(),
        }
    }

    /// A place for one more; `None` when there is not even a spare one.
    pub fn enter(self: &Arc<Self>) -> Option<Place> {
        let before = self.open.fetch_add(1, Ordering::AcqRel);
        let place = Place {
            census: Arc::clone(self),
            spare: before >= self.max,
        };
        (before < self.max + SPARE).then_some(place)
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// Waits until none is open.
    pub async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.open() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.census.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.census.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn places_past_the_limit_are_spare_and_then_there_are_none() {
        let census = Arc::new(Census::new(1));
        let first = census.enter().unwrap();
        assert!(!first.spare);
        let spare: Vec<Place> = (0..SPARE).map(|_| census.enter().unwrap()).collect();
        assert!(spare.iter().all(|place| place.spare));
        assert!(census.enter().is_none());
        assert_eq!(census.open(), SPARE + 1);
        drop((first, spare));
        census.empty().await;
        assert!(!census.enter().unwrap().spare);
    }
}
