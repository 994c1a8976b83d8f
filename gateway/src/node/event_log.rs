//! The events of the journal, for operators to look at.

use std::fmt;
use std::sync::Arc;

use florin_actors::bus::{
    Bindings, BusState, EventPage, EventPlace, HistoryError, Outbox, Selection, Telemetry, look,
};

/// Reads the events of the journal, and knows their topics and the published position.
pub struct EventLog {
    outbox: Outbox,
    telemetry: Arc<Telemetry>,
    bindings: Bindings,
}

impl EventLog {
    /// Creates the log from a journal's outbox, the measurements of the bus, and the bindings of
    /// types to topics.
    pub const fn new(outbox: Outbox, telemetry: Arc<Telemetry>, bindings: Bindings) -> Self {
        Self {
            outbox,
            telemetry,
            bindings,
        }
    }

    /// Returns the sequence of the last record whose events are published. With the embedded bus
    /// every event counts as published, because the journal itself serves as the topics.
    pub fn published(&self) -> u64 {
        match self.telemetry.state() {
            BusState::Embedded => u64::MAX,
            BusState::Connecting
            | BusState::Connected
            | BusState::Away(_)
            | BusState::Halted(_) => self.telemetry.published(),
        }
    }

    /// Returns the bindings, which say to which topics each type of event goes.
    pub const fn bindings(&self) -> &Bindings {
        &self.bindings
    }

    /// Returns a part of the selected events, starting at `place`, or at the start of the selection
    /// if that is `None`. It reads the disk.
    ///
    /// # Errors
    /// Returns an error if the disk refuses, or if the journal is damaged.
    pub fn look(
        &self,
        selection: &Selection,
        place: Option<EventPlace>,
        events_max: usize,
    ) -> Result<EventPage, HistoryError> {
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
