//! The measurements of events that `/health` and `/metrics` show.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use florin_actors::bus::{BusState, Outbox, Telemetry};
use florin_actors::messages::Timestamp;

/// The measurements of the bus, and the records that wait to be published.
pub struct Events {
    telemetry: Arc<Telemetry>,
    outbox: Outbox,
    /// The first record that waited at the last look, and the time when it was made. It saves a
    /// read of the disk while this record still waits.
    oldest: Mutex<Option<(u64, Timestamp)>>,
}

/// The records that are durable and not yet published.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Waiting {
    /// The number of records.
    pub records: u64,
    /// The age in seconds of the oldest of them; 0 if there is none.
    pub oldest_age_seconds: f64,
}

impl Events {
    /// Creates the measurements from those of the bus and the journal's outbox.
    pub fn new(telemetry: Arc<Telemetry>, outbox: Outbox) -> Self {
        let oldest = Mutex::new(None);
        Self {
            telemetry,
            outbox,
            oldest,
        }
    }

    /// Returns the measurements of the bus.
    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// Returns the shared measurements of the bus, for the parts that update them.
    pub const fn shared_telemetry(&self) -> &Arc<Telemetry> {
        &self.telemetry
    }

    /// Returns the records that wait at `now`. It reads the disk. With the embedded bus no record
    /// waits, because the journal itself serves as the topics.
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

    /// Returns the time when a durable record was made, or `None` if it can't be read.
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
