//! A queue between threads that wakes its reader once for many entries.

use std::future::poll_fn;
use std::sync::PoisonError;
use std::task::Poll;

use crate::sync::{AtomicWaker, Mutex};

/// First in, first out; any thread puts in, one task takes out.
#[derive(Debug)]
pub struct Inbox<T> {
    entries: Mutex<Vec<T>>,
    waker: AtomicWaker,
}

impl<T> Inbox<T> {
    /// An empty one.
    pub fn new() -> Self {
        Self {
            entries: Mutex::new(Vec::new()),
            waker: AtomicWaker::new(),
        }
    }

    /// Puts one entry in; wakes the reader only if there was none.
    pub fn push(&self, entry: T) {
        let was_empty = {
            let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            entries.push(entry);
            entries.len() == 1
        };
        if was_empty {
            self.waker.wake();
        }
    }

    /// Puts many in, leaving `batch` empty; wakes the reader at most once.
    pub fn append(&self, batch: &mut Vec<T>) {
        if batch.is_empty() {
            return;
        }
        let was_empty = {
            let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            let was_empty = entries.is_empty();
            entries.append(batch);
            was_empty
        };
        if was_empty {
            self.waker.wake();
        }
    }

    /// Waits for entries and moves all of them into `batch`, which must be empty.
    pub async fn take(&self, batch: &mut Vec<T>) {
        poll_fn(|context| {
            self.waker.register(context.waker());
            let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            if entries.is_empty() {
                return Poll::Pending;
            }
            std::mem::swap(&mut *entries, batch);
            Poll::Ready(())
        })
        .await;
    }
}

impl<T> Default for Inbox<T> {
    fn default() -> Self {
        Self::new()
    }
}
