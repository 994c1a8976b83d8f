//! Being told to stop, by SIGTERM or SIGINT, at any time: also during a start, which may take long
//! on the ledger's own thread and can't look up meanwhile.

use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;
use crate::run::RunError;

/// The signals that ask for a stop. None that comes after [`Stop::listen`] is missed.
#[derive(Debug)]
pub struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    /// Listens from now on.
    ///
    /// # Errors
    /// The system gives no signals.
    pub fn listen() -> Result<Self, RunError> {
        let of = |kind| {
            signal(kind).map_err(|source| RunError::System {
                what: "signals",
                source,
            })
        };
        Ok(Self {
            terminate: of(SignalKind::terminate())?,
            interrupt: of(SignalKind::interrupt())?,
        })
    }

    /// Waits until it is told.
    pub async fn told(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// A start that a stop cuts short.
#[derive(Debug)]
pub struct Start {
    /// Whether it is decided how the start ends: done, or cut short.
    ended: Arc<AtomicBool>,
}

impl Start {
    /// Has the process end at once, and well, when it is told to stop before the start is done:
    /// nothing was promised to anyone, and a start can be cut anywhere.
    ///
    /// # Errors
    /// The system gives no signals.
    pub fn watched(beside: &Runtime) -> Result<Self, RunError> {
        let ended = Arc::new(AtomicBool::new(false));
        let own = Arc::clone(&ended);
        let within = beside.enter();
        let mut stop = Stop::listen()?;
        drop(within);
        beside.spawn(async move {
            stop.told().await;
            if !own.swap(true, Ordering::AcqRel) {
                tracing::info!("stopped during the start");
                exit(Exit::Done as i32);
            }
        });
        Ok(Self { ended })
    }

    /// The start is done. False if it was cut short before.
    pub fn done(self) -> bool {
        !self.ended.swap(true, Ordering::AcqRel)
    }
}
