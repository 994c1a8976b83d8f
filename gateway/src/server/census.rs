//! Counts the open connections, and reports when the last one has closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The number of connections past the limit that are still served, so that they get an answer that
/// says so, and health checks are answered.
pub(super) const SPARE: usize = 64;

/// A counter of open connections.
#[derive(Debug)]
pub struct Census {
    open: AtomicUsize,
    max: usize,
    emptied: Notify,
}

/// The place of a connection in the count. Dropping it frees the place.
#[derive(Debug)]
pub struct Place {
    census: Arc<Census>,
    /// Whether the connection is past the limit.
    pub spare: bool,
}

impl Census {
    /// Creates a counter with a limit of `max` connections.
    pub fn new(max: usize) -> Self {
        Self {
            open: AtomicUsize::new(0),
            max,
            emptied: Notify::new(),
        }
    }

    /// Takes a place for one more connection. Returns `None` if no spare place is left either.
    pub fn enter(self: &Arc<Self>) -> Option<Place> {
        let before = self.open.fetch_add(1, Ordering::AcqRel);
        let place = Place {
            census: Arc::clone(self),
            spare: before >= self.max,
        };
        (before < self.max + SPARE).then_some(place)
    }

    /// Returns the number of open connections.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// Waits until no connection is open.
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
