//! Panics of the embedded store, turned into errors: on some damaged pages redb panics, and a
//! rotten sector must name its file instead of ending a thread.

use crate::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Runs `work` on a file of the store. A panic inside says that the file is damaged.
///
/// What `work` changes must not be used after a panic: here it only reads, or its file is
/// stopped for writing.
pub(crate) fn contain<R>(
    file: &str,
    sequence: u64,
    work: impl FnOnce() -> Result<R, Error>,
) -> Result<R, Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let what = "the store panicked on what it read there";
        Err(Error::damaged(file, sequence, what))
    })
}

/// Drops a part of the store: a file, a transaction, its tables. A panic there leaves it to the
/// next opening to find out what is wrong.
pub(crate) fn close<T>(part: T) {
    if catch_unwind(AssertUnwindSafe(move || drop(part))).is_err() {
        tracing::error!("the store panicked while it was closed");
    }
}

/// Drops a part of the store of which nothing has to be written: closing one, the store writes what
/// makes the next opening quick, and on damaged pages it panics in that, then again while the panic
/// unwinds, which ends the process. It writes nothing while a panic unwinds: this is one.
pub(crate) fn abandon<T>(part: T) {
    let unwound: Result<(), _> = catch_unwind(AssertUnwindSafe(move || {
        let _part = part;
        resume_unwind(Box::new(()));
    }));
    // Its own panic, which has done its part.
    drop(unwound);
}
