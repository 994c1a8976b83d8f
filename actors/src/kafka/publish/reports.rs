//! The reports whether events are published: the log, the state of the bus, and the condition of an
//! event that is too large for its topic.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cursor::PublishCursor;
use crate::bus::{BusState, Telemetry};
use crate::conditions::{ConditionCode, Conditions};
use crate::kafka::fault::{Fault, TooLarge};

/// The interval at which the log repeats that events wait.
const REPEAT_EVERY: Duration = Duration::from_secs(60);

/// The reason why events have waited since the last successful publication.
#[derive(Debug)]
struct Trouble {
    /// The text that identifies the problem, to recognize it when it occurs again.
    about: String,
    /// The time of the last log line about the problem.
    logged_at: Instant,
    /// The event that is too large for its topic, if one is the reason.
    too_large: Option<TooLarge>,
}

/// The reports whether events are published.
#[derive(Debug)]
pub(super) struct Reports {
    telemetry: Arc<Telemetry>,
    conditions: Arc<Conditions>,
    transactional_id: String,
    /// `None` while events are published.
    trouble: Option<Trouble>,
}

impl Reports {
    /// Creates the reports of a publisher.
    pub(super) const fn new(
        telemetry: Arc<Telemetry>,
        conditions: Arc<Conditions>,
        transactional_id: String,
    ) -> Self {
        Self {
            telemetry,
            conditions,
            transactional_id,
            trouble: None,
        }
    }

    /// Returns whether events wait.
    pub(super) const fn has_trouble(&self) -> bool {
        self.trouble.is_some()
    }

    /// Returns whether events wait behind one that is too large for its topic.
    pub(super) fn waits_for_large_event(&self) -> bool {
        let trouble = self.trouble.as_ref();
        trouble.is_some_and(|trouble| trouble.too_large.is_some())
    }

    /// Reports that events wait, and why. The log gets a line if the reason is new, and once a
    /// minute.
    pub(super) fn note_trouble(&mut self, fault: Fault) {
        let reason = fault.to_string();
        let (too_large, about) = match fault {
            Fault::TooLarge(one) => {
                let about = format!("{} {:?}", one.topic, one.sequence);
                (Some(one), about)
            }
            Fault::Fenced(_) | Fault::Broken(_) => (None, reason.clone()),
        };
        let before = self.trouble.take();
        let known = before.as_ref().filter(|known| known.about == about);
        let logged_at = known.map(|known| known.logged_at);
        let logged_at = logged_at.filter(|logged| logged.elapsed() <= REPEAT_EVERY);
        let logged_at = logged_at.unwrap_or_else(|| {
            match &too_large {
                None => tracing::warn!(reason, "events wait to be published"),
                Some(one) => tracing::error!(
                    topic = one.topic,
                    sequence = one.sequence,
                    bytes = one.bytes,
                    reason,
                    "events wait to be published"
                ),
            }
            Instant::now()
        });
        // An event stays too large if another problem, for example with the connection, occurs
        // before it is published.
        let too_large = too_large.or(before.and_then(|before| before.too_large));
        if let Some(one) = &too_large {
            let code = ConditionCode::EventTooLarge;
            self.conditions.raise(code, &one.topic, one.to_string());
        }
        self.telemetry.set_state(BusState::Away(reason));
        self.trouble = Some(Trouble {
            about,
            logged_at,
            too_large,
        });
    }

    /// Reports that events are published, up to the cursor.
    pub(super) fn note_connected(&mut self, cursor: &PublishCursor) {
        let trouble = self.trouble.take();
        if let Some(one) = trouble.and_then(|trouble| trouble.too_large)
            && self
                .conditions
                .clear(ConditionCode::EventTooLarge, &one.topic)
        {
            tracing::info!(
                topic = one.topic,
                sequence = one.sequence,
                "the event was published"
            );
        }
        self.telemetry.set_state(BusState::Connected);
        tracing::info!(
            transactional_id = self.transactional_id,
            epoch = cursor.epoch,
            sequence = cursor.sequence,
            "events are published to Kafka"
        );
    }

    /// Reports that events were published or none is waiting. Ends the trouble, unless an event that
    /// is too large was not reached yet.
    pub(super) fn note_progress(&mut self, cursor: &PublishCursor) {
        let Some(trouble) = &self.trouble else {
            return;
        };
        let too_large = trouble.too_large.as_ref();
        let is_behind = too_large.is_none_or(|one| {
            one.sequence
                .is_none_or(|sequence| cursor.sequence >= sequence)
        });
        if is_behind {
            self.note_connected(cursor);
        }
    }
}
