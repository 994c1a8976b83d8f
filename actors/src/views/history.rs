//! The history of an entity: its own chain of records, read back from the last one.

use florin_storage::Reader;

use super::Views;
use crate::base::{Page, ReadFault, read_record};
use crate::entities::Kind;
use crate::record::{Movement, Posting, Record};
use crate::words::{EntityId, Timestamp};

/// A half-open period of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// The first moment of the period.
    pub from: Timestamp,
    /// The end of the period; this moment isn't a part of it.
    pub to: Timestamp,
}

impl Period {
    /// The period of all times except the very last one.
    pub const ALWAYS: Self = Self {
        from: Timestamp::from_micros(i64::MIN),
        to: Timestamp::from_micros(i64::MAX),
    };
}

impl Views {
    /// Returns the record from which the movements of `entity` in `period` are read back, if a
    /// milestone shows that it is not the entity's last record.
    ///
    /// # Errors
    /// Returns an error if something can't be read.
    pub fn begin(&self, entity: EntityId, period: Period) -> Result<Option<u64>, String> {
        self.milestone_after(entity, period.to.just_before())
    }
}

/// The position from which a list of an entity's movements continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The record with which the list continues.
    pub record: u64,
    /// The number of the entity's movements in that record, the newest first, that were shown
    /// already.
    pub shown: u32,
}

/// Reads a page of the movements of `entity` in `period`, newest first, from `mark` back. The
/// page's `next` is the mark of the next page. Blocks on the disk.
///
/// # Errors
/// Returns an error if something can't be read.
pub fn read_movements(
    reader: &Reader,
    entity: EntityId,
    mark: Mark,
    period: Period,
    limit: usize,
) -> Result<Page<Movement, Mark>, ReadFault> {
    let mut entries = Vec::new();
    let mut next = mark;
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
        for movement in moved.into_iter().skip(next.shown as usize) {
            // Another page is announced only once a further movement is found, because the
            // remaining records may move nothing, e.g. the record that opens an account.
            if entries.len() == limit {
                return Ok(Page {
                    entries,
                    next: Some(next),
                });
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

/// Reads a record. Returns it with the index of the entity's change.
pub(super) fn read_change(
    reader: &Reader,
    entity: EntityId,
    sequence: u64,
) -> Result<(Record, usize), ReadFault> {
    let record = read_record(reader, sequence)?;
    let place = record
        .changes
        .iter()
        .position(|change| change.entity == entity);
    match place {
        Some(place) => Ok((record, place)),
        None => Err(format!("record {sequence} doesn't change {entity}").into()),
    }
}

/// Returns the movements of the entity of the change at `place`, newest first.
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

/// Returns the movement of the posting at index `at`.
fn movement(
    record: &Record,
    at: usize,
    own: &Posting,
    balance_after: i64,
    version: u64,
) -> Movement {
    let item = record.item(own.item);
    // The postings of a batch's item are next to each other. If the movement has more than two
    // ends, there is no single counterparty.
    let among = if item.is_some() {
        &record.postings[at.saturating_sub(1)..(at + 2).min(record.postings.len())]
    } else {
        &record.postings[..]
    };
    let mut others = among
        .iter()
        .filter(|posting| posting.item == own.item && posting.change != own.change);
    let other = others.next().filter(|_| others.next().is_none());
    let counterparty = other
        .and_then(|posting| record.changes.get(posting.change as usize))
        .filter(|change| change.kind() != Some(Kind::External))
        .map(|change| change.entity);
    let (transaction_id, reference, metadata) = match item {
        Some((item, _)) => {
            let transfer = &item.transfer;
            let id = record.operation_id.item(own.item, transfer.from.shard());
            (id, transfer.reference.as_deref(), Some(&transfer.metadata))
        }
        None => {
            let (reference, metadata) = record.notes();
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
