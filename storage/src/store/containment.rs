//! Turns panics of the embedded store into errors. redb panics on some damaged pages; an unreadable
//! sector must be reported with its file's name instead of ending a thread.

use crate::error::Error;
use crate::threads::reason_of;
use std::cell::Cell;
use std::panic::{
    AssertUnwindSafe, PanicHookInfo, catch_unwind, resume_unwind, set_hook, take_hook,
};
use std::thread;

/// The damage that is reported for a file on which the store panicked.
pub(crate) const NOT_UNDERSTOOD: &str = "the store can't interpret the data that it read";

thread_local! {
    /// Whether a panic on this thread would be turned into an error, which the caller reports.
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Installs a panic hook that logs panics that are turned into errors at the finest level, instead
/// of printing them to standard error. All other panics go to the hook that was installed before.
/// An executable calls this once.
pub fn hush_contained_panics() {
    let previous = take_hook();
    set_hook(Box::new(move |panic: &PanicHookInfo<'_>| {
        if CONTAINED.get() {
            tracing::trace!(%panic, "the store panicked");
        } else {
            previous(panic);
        }
    }));
}

/// Installs a panic hook that logs every panic: those that are turned into errors at the finest
/// level, all others as errors. The panicking thread writes nothing to standard error, where it
/// could block on a slow reader. An executable whose log never blocks calls this once.
pub fn log_panics() {
    set_hook(Box::new(|panic: &PanicHookInfo<'_>| {
        if CONTAINED.get() {
            tracing::trace!(%panic, "the store panicked");
        } else {
            let thread = thread::current();
            let thread = thread.name().unwrap_or_default();
            let reason = reason_of(panic.payload());
            let place = panic.location().map(ToString::to_string);
            tracing::error!(thread, reason, place, "a panic");
        }
    }));
}

/// Runs `work` on the store and catches its panic.
pub(crate) fn caught<R>(work: impl FnOnce() -> R) -> thread::Result<R> {
    let outer = CONTAINED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    CONTAINED.set(outer);
    result
}

/// Runs `work` on a file of the store. A panic inside means that the file is damaged.
///
/// State that `work` changes must not be used after a panic. Here `work` only reads, or its file is
/// stopped for writing.
pub(crate) fn contain<R>(
    file: &str,
    sequence: u64,
    work: impl FnOnce() -> Result<R, Error>,
) -> Result<R, Error> {
    caught(work).unwrap_or_else(|_| Err(Error::damaged(file, sequence, NOT_UNDERSTOOD)))
}

/// Drops a part of the store: a file, a transaction or its tables. A panic during the drop is
/// logged, and the next opening finds out what is wrong.
pub(crate) fn close<T>(part: T) {
    if caught(move || drop(part)).is_err() {
        tracing::error!("the store failed while it was closed");
    }
}

/// Drops a part of the store without letting it write. When redb closes a file normally, it writes
/// data that makes the next opening fast. On damaged pages it panics there, and panics again during
/// the unwinding, which would abort the process. But redb writes nothing while a panic unwinds, so
/// this function drops the part inside a panic of its own.
pub(crate) fn abandon<T>(part: T) {
    let unwound: thread::Result<()> = caught(move || {
        let _part = part;
        resume_unwind(Box::new(()));
    });
    // This is the function's own panic, which has served its purpose.
    drop(unwound);
}
