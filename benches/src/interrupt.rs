//! SIGINT and SIGTERM set one flag. Loops check it and end as at their deadline, so the node is
//! stopped and everything measured so far is reported.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::signal::unix::{SignalKind, signal};

use crate::error::BenchError;

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Returns whether a signal has asked for the end.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

/// Starts listening for the signals, on a thread that sleeps until one arrives.
pub fn listen() -> Result<(), BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(BenchError::io("start the signal listener"))?;
    let guard = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt()).map_err(BenchError::io("take SIGINT"))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(BenchError::io("take SIGTERM"))?;
    drop(guard);
    thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        REQUESTED.store(true, Ordering::Relaxed);
        eprintln!("interrupted: finishing what is in flight");
    });
    Ok(())
}
