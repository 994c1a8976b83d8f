//! An entity's history: its own chain of records, walked back from its last one.

use florin_storage::Reader;

use super::Views;
use crate::messages::{EntityId, Kind, Movement, Record, Timestamp};
use crate::runtime::{Page, read_record};

/// A time from its beginning to just before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Where it begins.
    pub from: Timestamp,
    /// Where it ends; this moment isn't in it.
    pub to: Timestamp,
}

impl Period {
    /// All times but the very last.
    pub const ALWAYS: Self = Self {
        from: Timestamp::from_micros(i64::MIN),
        to: Timestamp::from_micros(i64::MAX),
    };
}

impl Views {
    /// The record from which the movements of `entity` in `period` are to be read back, if that is
    /// known to be earlier than its last one.
    ///
    /// # Errors
    /// What can't be read, as a sentence.
    pub fn begin(&self, entity: EntityId, period: Period) -> Result<Option<u64>, String> {
        let last = period.to.as_micros().saturating_sub(1);
        self.milestone_after(entity, Timestamp::from_micros(last))
    }
}

/// Movements of `entity` in `period`, newest first, from record `head` back. `next` is the record
/// to go on with. Blocks on the disk.
///
/// # Errors
/// What can't be read, as a sentence.
pub fn read_movements(
    reader: &Reader,
    entity: EntityId,
    head: u64,
    period: Period,
    limit: usize,
) -> Result<Page<Movement, u64>, String> {
    let mut entries = Vec::new();
    let mut next = head;
    while entries.len() < limit {
        let Some((_, movement, before)) = next_movement(reader, entity, next, period)? else {
            next = 0;
            break;
        };
        entries.push(movement);
        next = before;
    }
    // What is left may move nothing, as the record that opens an account: then this is the end.
    let next = next_movement(reader, entity, next, period)?.map(|(record, ..)| record);
    Ok(Page { entries, next })
}

/// The last movement in `period` at or before record `from`: its record, itself, and the record
/// before.
fn next_movement(
    reader: &Reader,
    entity: EntityId,
    from: u64,
    period: Period,
) -> Result<Option<(u64, Movement, u64)>, String> {
    let mut next = from;
    while next > 0 {
        let (record, place) = read_change(reader, entity, next)?;
        if record.time < period.from {
            break;
        }
        let before = record.changes[place].previous;
        if record.time < period.to
            && let Some(movement) = movement(&record, place)
        {
            return Ok(Some((next, movement, before)));
        }
        next = before;
    }
    Ok(None)
}

/// A record, and which of its changes is the entity's.
pub(super) fn read_change(
    reader: &Reader,
    entity: EntityId,
    sequence: u64,
) -> Result<(Record, usize), String> {
    let record = read_record(reader, sequence)?;
    let place = record
        .changes
        .iter()
        .position(|change| change.entity == entity);
    match place {
        Some(place) => Ok((record, place)),
        None => Err(format!("record {sequence} doesn't change {entity}")),
    }
}

/// The movement of the entity of the change at `place`, if the record moved its money.
fn movement(record: &Record, place: usize) -> Option<Movement> {
    let own = record
        .postings
        .iter()
        .find(|posting| posting.change as usize == place && posting.amount != 0)?;
    let change = &record.changes[place];
    let other = record
        .postings
        .iter()
        .find(|posting| posting.change as usize != place);
    let counterparty = other
        .and_then(|posting| record.changes.get(posting.change as usize))
        .filter(|change| change.kind() != Some(Kind::External))
        .map(|change| change.entity);
    let (reference, metadata) = record.command.notes();
    Some(Movement {
        transaction_id: record.operation_id,
        transaction_type: record.transaction_type(),
        amount: own.amount,
        balance_after: i64::try_from(own.balance).ok()?,
        version: change.version,
        counterparty,
        reference: reference.map(str::to_owned),
        metadata: metadata.cloned().unwrap_or_default(),
        timestamp: record.time,
    })
}
