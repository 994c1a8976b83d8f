//! Panics of the embedded store, turned into errors: on some damaged pages redb panics, and a
//! rotten sector must name its file instead of ending a thread.

use crate::error::Error;
use std::cell::Cell;
use std::panic::{
    AssertUnwindSafe, PanicHookInfo, catch_unwind, resume_unwind, set_hook, take_hook,
};
use std::thread;

/// What is told of a file on which the store panicked.
pub(crate) const NOT_UNDERSTOOD: &str = "the store can't make sense of what it read there";

thread_local! {
    /// Whether a panic would be an error of the store's, told by its caller.
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Has panics that are turned into errors go to the log at its finest instead of to standard error;
/// all others go where they went. To be called once, by an executable.
pub fn hush_contained_panics() {
    let told = take_hook();
    set_hook(Box::new(move |panic: &PanicHookInfo<'_>| {
        if CONTAINED.get() {
            tracing::trace!(%panic, "the store panicked");
        } else {
            told(panic);
        }
    }));
}

/// Runs `work` of the store and catches its panic.
pub(crate) fn caught<R>(work: impl FnOnce() -> R) -> thread::Result<R> {
    let outer = CONTAINED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    CONTAINED.set(outer);
    result
}

/// Runs `work` on a file of the store. A panic inside says that the file is damaged.
///
/// What `work` changes must not be used after a panic: here it only reads, or its file is
/// stopped for writing.
pub(crate) fn contain<R>(
    file: &str,
    sequence: u64,
    work: impl FnOnce() -> Result<R, Error>,
) -> Result<R, Error> {
    caught(work).unwrap_or_else(|_| Err(Error::damaged(file, sequence, NOT_UNDERSTOOD)))
}

/// Drops a part of the store: a file, a transaction, its tables. A panic there leaves it to the
/// next opening to find out what is wrong.
pub(crate) fn close<T>(part: T) {
    if caught(move || drop(part)).is_err() {
        tracing::error!("the store failed while it was closed");
    }
}

/// Drops a part of the store of which nothing has to be written: closing one, the store writes what
/// makes the next opening quick, and on damaged pages it panics in that, then again while the panic
/// unwinds, which ends the process. It writes nothing while a panic unwinds: this is one.
pub(crate) fn abandon<T>(part: T) {
    let unwound: thread::Result<()> = caught(move || {
        let _part = part;
        resume_unwind(Box::new(()));
    });
    // Its own panic, which has done its part.
    drop(unwound);
}
