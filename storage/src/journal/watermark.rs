//! The watermark: the last durable sequence, for all code that may report only durable records.
//! Tasks and plain threads wait for it, and each is woken once per commit.

use crate::sync::{AtomicU64, AtomicWaker, Condvar, Mutex, Ordering, lock, pass, wait_while};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// The last durable sequence. It never decreases.
#[derive(Debug)]
pub struct Watermark {
    durable: AtomicU64,
    listeners: Mutex<Vec<Arc<AtomicWaker>>>,
    moving: Mutex<()>,
    moved: Condvar,
}

impl Watermark {
    pub(crate) fn new(durable: u64) -> Watermark {
        Watermark {
            durable: AtomicU64::new(durable),
            listeners: Mutex::new(Vec::new()),
            moving: Mutex::new(()),
            moved: Condvar::new(),
        }
    }

    /// Returns the last durable sequence, 0 for an empty journal.
    pub fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Creates a listener for one task.
    pub fn subscribe(self: &Arc<Watermark>) -> Listener {
        let waker = Arc::new(AtomicWaker::new());
        lock(&self.listeners).push(waker.clone());
        Listener {
            watermark: self.clone(),
            waker,
        }
    }

    /// Blocks a plain thread until the watermark is past `seen`, at most for `timeout`. Returns the
    /// watermark.
    pub fn wait_past(&self, seen: u64, timeout: Duration) -> u64 {
        let guard = lock(&self.moving);
        wait_while(&self.moved, guard, timeout, || self.durable() <= seen);
        self.durable()
    }

    /// Moves the watermark to `sequence` and wakes all waiters.
    pub(crate) fn advance(&self, sequence: u64) {
        self.durable.store(sequence, Ordering::Release);
        for listener in lock(&self.listeners).iter() {
            listener.wake();
        }
        // A thread holds the lock between its check and its sleep, so it can't miss the
        // notification.
        pass(&self.moving);
        self.moved.notify_all();
    }
}

/// One task's handle to a [`Watermark`].
#[derive(Debug)]
pub struct Listener {
    watermark: Arc<Watermark>,
    waker: Arc<AtomicWaker>,
}

impl Listener {
    /// Waits until the watermark is past `seen` and returns it. It may be dropped and called again.
    pub async fn changed(&mut self, seen: u64) -> u64 {
        poll_fn(|context| {
            self.waker.register(context.waker());
            let durable = self.watermark.durable();
            if durable > seen {
                Poll::Ready(durable)
            } else {
                Poll::Pending
            }
        })
        .await
    }

    /// Returns the last durable sequence.
    pub fn durable(&self) -> u64 {
        self.watermark.durable()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        lock(&self.watermark.listeners).retain(|waker| !Arc::ptr_eq(waker, &self.waker));
    }
}

#[cfg(test)]
#[cfg(not(florin_loom))]
#[allow(
    clippy::disallowed_methods,
    reason = "tests measure time and start threads"
)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::sync::atomic::AtomicUsize;
    use std::task::{Context, Wake};

    #[derive(Default)]
    struct Wakes(AtomicUsize);
    impl Wake for Wakes {
        fn wake(self: Arc<Wakes>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn every_listener_is_woken_once_a_commit() {
        let watermark = Arc::new(Watermark::new(4));
        let wakes = Arc::new(Wakes::default());
        let waker = wakes.clone().into();
        let mut context = Context::from_waker(&waker);
        let (mut one, mut two) = (watermark.subscribe(), watermark.subscribe());
        {
            let mut one = pin!(one.changed(4));
            let mut two = pin!(two.changed(6));
            assert!(one.as_mut().poll(&mut context).is_pending());
            assert!(two.as_mut().poll(&mut context).is_pending());
            watermark.advance(6);
            assert_eq!(wakes.0.load(Ordering::SeqCst), 2);
            assert_eq!(one.as_mut().poll(&mut context), Poll::Ready(6));
            assert!(two.as_mut().poll(&mut context).is_pending());
        }
        drop(one);
        watermark.advance(7);
        assert_eq!(wakes.0.load(Ordering::SeqCst), 3);
        assert_eq!(two.durable(), 7);
    }

    #[test]
    fn a_thread_waits_until_the_watermark_is_past_or_its_time_is_over() {
        let watermark = Arc::new(Watermark::new(0));
        assert_eq!(watermark.wait_past(0, Duration::from_millis(1)), 0);
        let waiting = {
            let watermark = watermark.clone();
            std::thread::spawn(move || watermark.wait_past(0, Duration::from_secs(60)))
        };
        watermark.advance(3);
        assert_eq!(waiting.join().unwrap(), 3);
    }
}
