//! Reading of events from the journal: selected events, in order, in pages.

use florin_storage::Reader;

use crate::events::{BusEvent, EventType, events_of};
use crate::record_codec::{RecordError, decode_record};
use crate::words::{EntityId, Timestamp};

/// The number of bytes of the journal that are read at a time.
const SCAN_BYTES: usize = 1 << 18;
/// The maximum number of records that one page examines. The last frame is always examined to its
/// end.
pub const RECORDS_LOOKED_MAX: u64 = 10_000;

/// The criteria for events. A criterion that is not given matches every event.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Selection {
    /// The sequence of the first record; 0 means the same as 1.
    pub from: u64,
    /// The sequence of the last record.
    pub to: Option<u64>,
    /// The earliest record time, inclusive.
    pub from_time: Option<Timestamp>,
    /// The latest record time, exclusive.
    pub to_time: Option<Timestamp>,
    /// The event types; empty for all types.
    pub types: Vec<EventType>,
    /// The key of the events.
    pub key: Option<EntityId>,
    /// The correlation id of the events.
    pub correlation: Option<String>,
}

impl Selection {
    /// Returns whether an event matches the criteria, apart from its sequence.
    pub fn takes(&self, event: &BusEvent) -> bool {
        (self.types.is_empty() || self.types.contains(&event.event_type))
            && self.key.is_none_or(|key| key == event.key)
            && self.from_time.is_none_or(|from| event.time >= from)
            && self.to_time.is_none_or(|to| event.time < to)
            && self
                .correlation
                .as_ref()
                .is_none_or(|wanted| event.correlation.to_string() == *wanted)
    }

    /// Returns the place before which no event can match.
    ///
    /// # Errors
    /// Returns an error if the disk fails or the journal is damaged.
    pub fn start(&self, reader: &Reader) -> Result<EventPlace, HistoryError> {
        let by_time = match self.from_time {
            Some(time) => first_at(reader, time)?,
            None => 1,
        };
        let sequence = self.from.max(by_time).max(1);
        Ok(EventPlace { sequence, index: 0 })
    }
}

/// A place in the sequence of all events: the next event to examine.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct EventPlace {
    /// The sequence of the event's record.
    pub sequence: u64,
    /// The event's index among the record's events.
    pub index: u32,
}

/// A page of the selected events.
#[derive(Debug)]
pub struct EventPage {
    /// The events, in the journal's order.
    pub events: Vec<BusEvent>,
    /// The place at which the next page begins.
    pub next: EventPlace,
    /// True if no selected event follows in the durable part of the journal.
    pub is_end: bool,
}

/// The reason why events can't be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The journal can't be read.
    #[error(transparent)]
    Journal(#[from] florin_storage::Error),
    /// A record can't be decoded.
    #[error("record {sequence}: {fault}")]
    Record {
        /// The sequence of the record.
        sequence: u64,
        /// The decoding error.
        fault: RecordError,
    },
}

impl HistoryError {
    /// Returns whether the journal is damaged, so that reading again can't help.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Journal(error) => error.is_damage(),
            Self::Record { .. } => true,
        }
    }
}

/// Finds up to `events_max` selected events from `place` on, in at most [`RECORDS_LOOKED_MAX`]
/// records. Reads the disk.
///
/// # Errors
/// Returns an error if the disk fails or the journal is damaged.
pub fn look(
    reader: &Reader,
    selection: &Selection,
    place: EventPlace,
    events_max: usize,
) -> Result<EventPage, HistoryError> {
    let last = selection.to.unwrap_or(u64::MAX).min(reader.durable());
    let mut part = EventPage {
        events: Vec::new(),
        next: place,
        is_end: false,
    };
    let far = place.sequence.saturating_add(RECORDS_LOOKED_MAX);
    while part.next.sequence <= last {
        if part.next.sequence >= far || part.events.len() >= events_max {
            return Ok(part);
        }
        let frames = reader.scan(part.next.sequence, SCAN_BYTES)?;
        if frames.is_empty() {
            break;
        }
        for frame in frames {
            for (sequence, bytes) in frame.iter() {
                if sequence < part.next.sequence {
                    continue;
                }
                if sequence > last {
                    break;
                }
                let record = decode_record(bytes)
                    .map_err(|fault| HistoryError::Record { sequence, fault })?;
                if selection.to_time.is_some_and(|to| record.time >= to) {
                    // Record times never decrease.
                    part.is_end = true;
                    return Ok(part);
                }
                for event in events_of(&record)
                    .into_iter()
                    .skip(part.next.index as usize)
                {
                    if part.events.len() >= events_max {
                        return Ok(part);
                    }
                    part.next.index = event.index + 1;
                    if selection.takes(&event) {
                        part.events.push(event);
                    }
                }
                part.next = EventPlace {
                    sequence: sequence + 1,
                    index: 0,
                };
            }
            if part.next.sequence >= far || part.events.len() >= events_max {
                break;
            }
        }
    }
    part.is_end = true;
    Ok(part)
}

/// Returns the first record that may have been created at `time` or later; one past the journal's
/// end if there is none.
fn first_at(reader: &Reader, time: Timestamp) -> Result<u64, HistoryError> {
    let (mut low, mut high) = (1, reader.durable() + 1);
    // Every record below `low` is older than `time`; no record from `high` on is.
    while low < high {
        let middle = low + (high - low) / 2;
        let frames = reader.scan(middle, 1)?;
        let Some(frame) = frames.first() else {
            return Ok(low);
        };
        if frame.last_time < time.as_micros() {
            low = frame.last_sequence + 1;
        } else {
            high = frame.first_sequence.min(middle);
            if frame.first_sequence <= low {
                // This frame contains the record.
                return Ok(low);
            }
        }
    }
    Ok(low)
}
