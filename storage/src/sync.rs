//! The locks and atomics of [`crate::Queue`] and [`crate::Watermark`]. Behind one shim, so that
//! a model checker runs that code as it is: `RUSTFLAGS="--cfg florin_loom"` puts loom's in.

use std::sync::PoisonError;
use std::time::Duration;

#[cfg(not(florin_loom))]
mod kinds {
    pub(crate) use atomic_waker::AtomicWaker;
    pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
    pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
}

#[cfg(florin_loom)]
mod kinds {
    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
    pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};

    /// loom's waker, called as the real one is.
    #[derive(Debug)]
    pub(crate) struct AtomicWaker(loom::future::AtomicWaker);

    impl AtomicWaker {
        pub(crate) fn new() -> AtomicWaker {
            AtomicWaker(loom::future::AtomicWaker::new())
        }

        pub(crate) fn register(&self, waker: &std::task::Waker) {
            self.0.register_by_ref(waker);
        }

        pub(crate) fn wake(&self) {
            self.0.wake();
        }
    }
}

pub(crate) use kinds::{AtomicU64, AtomicWaker, Condvar, Mutex, MutexGuard, Ordering};

/// Locks, also after a panic elsewhere: what the locks here guard is whole between statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits to be notified.
pub(crate) fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condvar.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

/// Waits as long as `condition` holds, `timeout` at most. A model has no time: there it waits
/// until the condition ends, so that a lost notification shows as a deadlock.
pub(crate) fn wait_while<T>(
    condvar: &Condvar,
    guard: MutexGuard<'_, T>,
    timeout: Duration,
    condition: impl Fn() -> bool,
) {
    #[cfg(not(florin_loom))]
    drop(condvar.wait_timeout_while(guard, timeout, |_| condition()));
    #[cfg(florin_loom)]
    {
        let _ = timeout;
        let mut guard = guard;
        while condition() {
            guard = wait(condvar, guard);
        }
    }
}
