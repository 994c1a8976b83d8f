//! Stops by SIGTERM or SIGINT at any time, also during a start. A start may take long on the
//! ledger's own thread, which can't react to a signal meanwhile.

use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::error::RunError;
use super::exit::Exit;
use crate::log;

/// The signals that ask for a stop. No signal after [`Stop::listen`] is missed.
#[derive(Debug)]
pub struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    /// Starts to listen for the signals.
    ///
    /// # Errors
    /// Returns an error if the system refuses to register the signals.
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

    /// Waits for the first of the signals.
    pub async fn told(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// A start that a signal can cut short.
#[derive(Debug)]
pub struct Start {
    /// Whether it is decided how the start ends: completed or cut short.
    ended: Arc<AtomicBool>,
}

impl Start {
    /// Watches a start: if a signal arrives before the start is completed, the process exits at
    /// once with the code for success. No caller has been answered by then, and a start can be cut
    /// short at any point.
    ///
    /// # Errors
    /// Returns an error if the system refuses to register the signals.
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
                log::flush();
                exit(Exit::Done as i32);
            }
        });
        Ok(Self { ended })
    }

    /// Marks the start as completed. Returns false if it was cut short before.
    pub fn done(self) -> bool {
        !self.ended.swap(true, Ordering::AcqRel)
    }
}
