//! The runtime that runs beside the ledger's thread.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use florin_storage::threads::{self, reason_of};
use tokio::runtime::{Builder, Runtime};

use crate::process::RunError;

/// The worker threads of the runtime that runs beside the ledger's thread. They serve lists,
/// documents and large bodies.
const BESIDE_THREADS: usize = 2;
/// The most threads of that runtime for blocking work, such as reading the disk.
const BLOCKING_THREADS_MAX: usize = 16;
/// The time for which an idle thread for blocking work is kept: a year, which means as long as the
/// process runs.
const BLOCKING_KEPT: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// The longest time that the first of these threads may take to start.
const STARTING_MAX: Duration = Duration::from_secs(30);

/// Returns the error that the system gives no thread.
pub const fn no_threads(source: io::Error) -> RunError {
    RunError::System {
        what: "the system can't provide a thread, or a file descriptor for it",
        source,
    }
}

/// Starts the runtime that runs beside the ledger's thread. The runtime panics if the system can't
/// start a thread; here the panic becomes an error. Its worker threads and one thread for blocking
/// work are started here. If the system can't start another one later, blocking work waits for that
/// one.
pub fn beside() -> Result<Runtime, RunError> {
    // If the system has fewer threads than the runtime wants, building it may never return.
    threads::can_start(BESIDE_THREADS + 1).map_err(no_threads)?;
    let build = || {
        let runtime = Builder::new_multi_thread()
            .worker_threads(BESIDE_THREADS)
            .max_blocking_threads(BLOCKING_THREADS_MAX)
            // The blocking thread that is started below is kept, so that there is always one.
            .thread_keep_alive(BLOCKING_KEPT)
            .thread_name("beside")
            .enable_all()
            .build()?;
        let (started, told) = sync_channel(1);
        runtime.spawn_blocking(move || started.send(()));
        told.recv_timeout(STARTING_MAX).map_err(io::Error::other)?;
        Ok(runtime)
    };
    let built = catch_unwind(AssertUnwindSafe(build));
    built
        .unwrap_or_else(|panic| Err(io::Error::other(reason_of(panic.as_ref()))))
        .map_err(no_threads)
}
