//! The journal's events, as operators look at them.

use std::fmt;
use std::sync::Arc;

use florin_actors::bus::{
    Bindings, BusState, HistoryError, Outbox, Part, Place, Selection, Telemetry, look,
};

/// What is needed to tell of the journal's events.
pub struct EventLog {
    outbox: Outbox,
    telemetry: Arc<Telemetry>,
    bindings: Bindings,
}

impl EventLog {
    /// The events of a journal, where they go and how far they went.
    pub const fn new(outbox: Outbox, telemetry: Arc<Telemetry>, bindings: Bindings) -> Self {
        Self {
            outbox,
            telemetry,
            bindings,
        }
    }

    /// The last record whose events are out. On the embedded bus the journal is the topics: all are.
    pub fn published(&self) -> u64 {
        match self.telemetry.state() {
            BusState::Embedded => u64::MAX,
            _ => self.telemetry.published(),
        }
    }

    /// Where each type of event goes.
    pub const fn bindings(&self) -> &Bindings {
        &self.bindings
    }

    /// A part of the events that are meant, from `place` on or from their beginning. Reads the disk.
    ///
    /// # Errors
    /// The disk refuses, or the journal is damaged.
    pub fn look(
        &self,
        selection: &Selection,
        place: Option<Place>,
        events_max: usize,
    ) -> Result<Part, HistoryError> {
        let reader = &self.outbox.reader;
        let place = match place {
            Some(place) => place,
            None => selection.start(reader)?,
        };
        look(reader, selection, place, events_max)
    }
}

impl fmt::Debug for EventLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLog").finish_non_exhaustive()
    }
}
