//! Locks and atomics for the lock-free code here and in the crates above. They are re-exported so
//! that a model checker can run that code unchanged: `RUSTFLAGS="--cfg florin_loom"` replaces them
//! with loom's.

use std::sync::PoisonError;
use std::time::Duration;

#[cfg(florin_loom)]
pub mod modelled;

#[cfg(not(florin_loom))]
mod kinds {
    pub use atomic_waker::AtomicWaker;
    pub use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize};
    pub use std::sync::{Condvar, Mutex, MutexGuard};
}

#[cfg(florin_loom)]
mod kinds {
    pub use super::modelled::{AtomicU8, AtomicU64, AtomicUsize, AtomicWaker, Condvar};
    pub use loom::sync::{Mutex, MutexGuard};
}

pub use kinds::{AtomicU8, AtomicU64, AtomicUsize, AtomicWaker, Condvar, Mutex, MutexGuard};
pub use std::sync::atomic::Ordering;

/// Locks a mutex, also after a panic of another thread: the data that the locks here guard is
/// consistent between statements.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until the current holder of the lock has released it.
#[track_caller]
pub fn pass<T>(mutex: &Mutex<T>) {
    #[cfg(florin_loom)]
    if modelled::is_skipped("pass") {
        return;
    }
    drop(lock(mutex));
}

/// Waits to be notified.
pub fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condvar.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

/// Waits as long as `condition` holds, at most for `timeout`. A model has no time, so there it
/// waits until the condition ends; a lost notification then shows as a deadlock.
pub fn wait_while<T>(
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
