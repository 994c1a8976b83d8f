//! An entity's history: its own chain of records, walked back from its last one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use florin_storage::Reader;

use super::Views;
use crate::messages::{
    Command, EntityId, Event, Kind, Metadata, Movement, Posting, Record, Timestamp, TransferEvent,
};
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

/// Where an entity's movements go on: with a record, and how many of its movements, the newest first,
/// were shown already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The record.
    pub record: u64,
    /// How many of its movements of this entity come no more.
    pub shown: u32,
}

/// Movements of `entity` in `period`, newest first, from `mark` back. `next` is where to go on.
/// Blocks on the disk.
///
/// # Errors
/// What can't be read, as a sentence.
pub fn read_movements(
    reader: &Reader,
    entity: EntityId,
    mark: Mark,
    period: Period,
    limit: usize,
) -> Result<Page<Movement, Mark>, String> {
    let mut entries = Vec::new();
    let mut next = mark;
    let mut notes = HashMap::new();
    while next.record > 0 {
        let (record, place) = read_change(reader, entity, next.record)?;
        if record.time < period.from {
            break;
        }
        let moved = if record.time < period.to {
            movements(&record, place)
        } else {
            Vec::new()
        };
        for mut movement in moved.into_iter().skip(next.shown as usize) {
            // What is left may move nothing, as the record that opens an account: only a movement
            // that is there makes another page.
            if entries.len() == limit {
                return Ok(Page {
                    entries,
                    next: Some(next),
                });
            }
            if let Command::Post(post) = &record.command {
                let notes = match notes.entry(post.transfer) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(place) => place.insert(notes_of(reader, &record, post.transfer)?),
                };
                (movement.reference, movement.metadata) = notes.clone();
            }
            entries.push(movement);
            next.shown += 1;
        }
        next = Mark {
            record: record.changes[place].previous,
            shown: 0,
        };
    }
    Ok(Page {
        entries,
        next: None,
    })
}

/// The reference and metadata of the pending transfer that a record posts: those of the record that
/// made it, found along the transfer's own chain.
fn notes_of(
    reader: &Reader,
    record: &Record,
    transfer: EntityId,
) -> Result<(Option<String>, Metadata), String> {
    let own = record
        .changes
        .iter()
        .find(|change| change.entity == transfer);
    let mut at = own.map_or(0, |change| change.previous);
    while at > 0 {
        let (earlier, place) = read_change(reader, transfer, at)?;
        let change = &earlier.changes[place];
        if let Some(Event::Transfer(TransferEvent::Pending(made))) = change.events.first() {
            return Ok((made.reference.clone(), made.metadata.clone()));
        }
        at = change.previous;
    }
    Ok((None, Metadata::default()))
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

/// The movements of the entity of the change at `place`, newest first.
fn movements(record: &Record, place: usize) -> Vec<Movement> {
    let change = &record.changes[place];
    let mut version = change.version;
    let mut found = Vec::new();
    for (at, own) in record.postings.iter().enumerate().rev() {
        if own.change as usize != place {
            continue;
        }
        if own.amount != 0
            && let Ok(balance_after) = i64::try_from(own.balance)
        {
            found.push(movement(record, at, own, balance_after, version));
        }
        version -= 1;
    }
    found
}

/// The movement of the posting at `at`.
fn movement(
    record: &Record,
    at: usize,
    own: &Posting,
    balance_after: i64,
    version: u64,
) -> Movement {
    // An item's postings stand side by side; with more than two ends there is no other one.
    let near = &record.postings[at.saturating_sub(1)..(at + 2).min(record.postings.len())];
    let among = match &record.command {
        Command::Batch(_) => near,
        _ => &record.postings[..],
    };
    let mut others = among
        .iter()
        .filter(|posting| posting.item == own.item && posting.change != own.change);
    let other = others.next().filter(|_| others.next().is_none());
    let counterparty = other
        .and_then(|posting| record.changes.get(posting.change as usize))
        .filter(|change| change.kind() != Some(Kind::External))
        .map(|change| change.entity);
    let (transaction_id, reference, metadata) = match record.item(own.item) {
        Some((item, _)) => {
            let transfer = &item.transfer;
            let id = record.operation_id.item(own.item, transfer.from.shard());
            (id, transfer.reference.as_deref(), Some(&transfer.metadata))
        }
        None => {
            let (reference, metadata) = record.command.notes();
            (record.operation_id, reference, metadata)
        }
    };
    Movement {
        transaction_id,
        transaction_type: record.transaction_type(),
        amount: own.amount,
        balance_after,
        version,
        counterparty,
        reference: reference.map(str::to_owned),
        metadata: metadata.cloned().unwrap_or_default(),
        timestamp: record.time,
    }
}
