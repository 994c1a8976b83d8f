//! How events travel, as `/health` and `/metrics` tell it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use florin_actors::bus::{BusState, Outbox, Telemetry};
use florin_actors::messages::Timestamp;

/// What is known of events.
pub struct Events {
    telemetry: Arc<Telemetry>,
    outbox: Outbox,
    /// The first record that waited when it was last looked, and when that was made.
    oldest: Mutex<Option<(u64, Timestamp)>>,
}

/// What is durable and not yet published.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Waiting {
    /// Records.
    pub records: u64,
    /// The age of the first of them, in seconds; 0 where there is none.
    pub oldest_age_seconds: f64,
}

impl Events {
    /// The events of a journal.
    pub fn new(telemetry: Arc<Telemetry>, outbox: Outbox) -> Self {
        let oldest = Mutex::new(None);
        Self {
            telemetry,
            outbox,
            oldest,
        }
    }

    /// The measurements.
    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// The measurements, for whoever takes them too.
    pub const fn shared_telemetry(&self) -> &Arc<Telemetry> {
        &self.telemetry
    }

    /// What waits at `now`. Reads the disk. Nothing waits on the embedded bus: the journal is its
    /// topics.
    pub fn waiting(&self, now: Timestamp) -> Waiting {
        if self.telemetry.state() == BusState::Embedded {
            return Waiting::default();
        }
        let published = self.telemetry.published();
        let records = self.outbox.reader.durable().saturating_sub(published);
        if records == 0 {
            return Waiting::default();
        }
        let made = self.made(published + 1).unwrap_or(now);
        let age_micros = now.as_micros().saturating_sub(made.as_micros()).max(0);
        Waiting {
            records,
            oldest_age_seconds: age_micros as f64 / 1e6,
        }
    }

    /// When a durable record was made; `None` where it can't be read.
    fn made(&self, sequence: u64) -> Option<Timestamp> {
        let mut oldest = self.oldest.lock().unwrap_or_else(PoisonError::into_inner);
        match *oldest {
            Some((known, made)) if known == sequence => Some(made),
            _ => {
                let made = self.outbox.made(sequence)?;
                *oldest = Some((sequence, made));
                Some(made)
            }
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("state", &self.telemetry.state())
            .finish_non_exhaustive()
    }
}
