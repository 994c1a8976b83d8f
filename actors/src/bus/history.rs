//! The journal's events as they lie there: some of them, in order, a part at a time.

use florin_storage::Reader;

use super::event::BusEvent;
use super::event_type::EventType;
use super::mapping::events_of;
use crate::messages::{EntityId, Timestamp};
use crate::record_codec::{RecordError, decode_record};

/// How much of the journal is read at a time.
const SCAN_BYTES: usize = 1 << 18;
/// Records that one part looks at, at most; the last frame is looked at to its end.
pub const RECORDS_LOOKED_MAX: u64 = 10_000;

/// Which events are meant; what isn't given doesn't matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Selection {
    /// The first record; 0 as 1.
    pub from: u64,
    /// The last record.
    pub to: Option<u64>,
    /// Records made then or later.
    pub from_time: Option<Timestamp>,
    /// Records made before.
    pub to_time: Option<Timestamp>,
    /// Events of these types; empty: of all.
    pub types: Vec<EventType>,
    /// Events of this key.
    pub key: Option<EntityId>,
    /// Events of what belongs to this.
    pub correlation: Option<String>,
}

impl Selection {
    /// Whether an event is meant, by what it is itself.
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

    /// Where the events that are meant begin at the earliest.
    ///
    /// # Errors
    /// The disk refuses, or the journal is damaged.
    pub fn start(&self, reader: &Reader) -> Result<Place, HistoryError> {
        let by_time = match self.from_time {
            Some(time) => first_at(reader, time)?,
            None => 1,
        };
        let sequence = self.from.max(by_time).max(1);
        Ok(Place { sequence, index: 0 })
    }
}

/// A place among all events: the next one to be looked at.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct Place {
    /// Its record.
    pub sequence: u64,
    /// Its place among that record's events.
    pub index: u32,
}

/// The events that one look found.
#[derive(Debug)]
pub struct Part {
    /// The events, in the journal's order.
    pub events: Vec<BusEvent>,
    /// Where the next look goes on.
    pub next: Place,
    /// Whether there is nothing to be found from there on, as far as the journal is durable.
    pub is_end: bool,
}

/// Why events can't be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] florin_storage::Error),
    /// A record that can't be read.
    #[error("record {sequence}: {fault}")]
    Record {
        /// The record.
        sequence: u64,
        /// What is wrong with it.
        fault: RecordError,
    },
}

/// Looks for up to `events_max` events that are meant, from `place` on and through no more than
/// [`RECORDS_LOOKED_MAX`] records. Reads the disk.
///
/// # Errors
/// The disk refuses, or the journal is damaged.
pub fn look(
    reader: &Reader,
    selection: &Selection,
    place: Place,
    events_max: usize,
) -> Result<Part, HistoryError> {
    let last = selection.to.unwrap_or(u64::MAX).min(reader.durable());
    let mut part = Part {
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
                    // Times never go back.
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
                part.next = Place {
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

/// The first record that may have been made at `time` or later; past the journal's end if none was.
fn first_at(reader: &Reader, time: Timestamp) -> Result<u64, HistoryError> {
    let (mut low, mut high) = (1, reader.durable() + 1);
    // Everything below `low` was made earlier, everything from `high` on was not.
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
                // The frame that holds it.
                return Ok(low);
            }
        }
    }
    Ok(low)
}
