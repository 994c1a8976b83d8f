//! The state that all requests share: the core, the limits, the measurements and the pages made at
//! the start.

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use florin_actors::bus::{DeadLetters, Replays};
use florin_actors::runtime::{Core, Permits};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::limits::Limits;
use crate::http::Pages;
use crate::metrics::{Metrics, Pressure};
use crate::node::{Backups, EventLog, Events, Services};

/// The interval at which the lag of the views is sampled.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// The state that all requests share.
pub struct Gateway {
    /// The core.
    pub core: Core,
    /// The limits of requests.
    pub limits: Limits,
    /// The permits for the bytes of large bodies that are being read.
    pub bodies: Arc<Permits>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The measurements of events.
    pub events: Arc<Events>,
    /// The events of the journal.
    pub event_log: EventLog,
    /// The replays of events.
    pub replays: Replays,
    /// The pages made at the start.
    pub pages: Pages,
    /// The services of this process, and the addresses of the others.
    pub services: Services,
    /// The maker of backups.
    pub backups: Backups,
    /// The dead letters, if this process has consumers.
    pub dead_letters: Option<Arc<dyn DeadLetters>>,
    /// The runtime for work that would block the ledger's thread.
    pub beside: Handle,
    /// The signal that the server stops.
    pub stop_signal: StopSignal,
}

/// The signal that the server stops.
#[derive(Debug, Default)]
pub struct StopSignal {
    is_stopping: AtomicBool,
    stop: Notify,
}

impl Gateway {
    /// Samples the lag of the views and the counts of refused requests every second, as long as the
    /// process runs. A sample that panics is logged, and the next one runs nevertheless.
    pub async fn sample(self: Arc<Self>) {
        let pressure = Arc::new(Mutex::new(Pressure::default()));
        loop {
            let (gateway, pressure) = (Arc::clone(&self), Arc::clone(&pressure));
            let look = tokio::spawn(async move {
                let health = gateway.metrics.sample(&gateway.core);
                let counted = gateway.metrics.pressure(&health);
                let mut pressure = pressure.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(counts) = pressure.look(counted, gateway.core.conditions()) {
                    tracing::warn!(counts, "load is shed: requests or connections were refused");
                }
            });
            // The panic is logged where it happens.
            let _ = look.await;
            tokio::time::sleep(SAMPLE_EVERY).await;
        }
    }

    /// Stops accepting commands, and ends each connection with its next answer.
    pub fn stop(&self) {
        self.stop_signal.is_stopping.store(true, Ordering::Release);
        self.stop_signal.stop.notify_waiters();
    }

    /// Returns whether the server is stopping.
    pub fn is_stopping(&self) -> bool {
        self.stop_signal.is_stopping.load(Ordering::Acquire)
    }

    /// Waits until the server stops.
    pub async fn stopped(&self) {
        let mut told = pin!(self.stop_signal.stop.notified());
        told.as_mut().enable();
        if !self.is_stopping() {
            told.await;
        }
    }

    /// Returns a future that wakes its task when the server stops. Poll it before you check
    /// [`Self::is_stopping`], so that the stop is not missed.
    pub fn stopping(&self) -> impl Future<Output = ()> {
        self.stop_signal.stop.notified()
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
