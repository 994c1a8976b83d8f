//! An entity's history: its own chain of records, walked back from its last one.

use florin_storage::Reader;

use crate::messages::{EntityId, Kind, Movement, Record};
use crate::runtime::{Page, read_record};

/// Movements of `entity`, newest first, from record `head` back. `next` is the record to go on
/// with. Blocks on the disk.
///
/// # Errors
/// What can't be read, as a sentence.
pub fn read_movements(
    reader: &Reader,
    entity: EntityId,
    head: u64,
    limit: usize,
) -> Result<Page<Movement, u64>, String> {
    let mut entries = Vec::new();
    let mut next = head;
    while next > 0 && entries.len() < limit {
        let (record, place) = read_change(reader, entity, next)?;
        if let Some(movement) = movement(&record, place) {
            entries.push(movement);
        }
        next = record.changes[place].previous;
    }
    // An entity's first record opens it and moves nothing: with only that left, this is the end.
    let next = if next > 0 && has_movement(reader, entity, next)? {
        Some(next)
    } else {
        None
    };
    Ok(Page { entries, next })
}

/// Whether there is a movement at or before record `from`.
fn has_movement(reader: &Reader, entity: EntityId, from: u64) -> Result<bool, String> {
    let mut next = from;
    while next > 0 {
        let (record, place) = read_change(reader, entity, next)?;
        if movement(&record, place).is_some() {
            return Ok(true);
        }
        next = record.changes[place].previous;
    }
    Ok(false)
}

/// A record, and which of its changes is the entity's.
fn read_change(
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
        .find(|posting| posting.change as usize == place)?;
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
        transaction_type: record.command.kind().name(),
        amount: own.amount,
        balance_after: i64::try_from(own.balance).ok()?,
        version: change.version,
        counterparty,
        reference: reference.map(str::to_owned),
        metadata: metadata.cloned().unwrap_or_default(),
        timestamp: record.time,
    })
}
