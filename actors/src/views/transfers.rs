//! Lists of transfers, the newest first. No transfer that is made at once has a row for its ends:
//! those of an entity are found along its own chain of records, which is there anyway. Beside it
//! stand rows that lead to records: of holds by their target, whose chain doesn't know them, and of
//! transfers that carry a reference. Pending ones have rows of their own for as long as they are.

use std::collections::VecDeque;
use std::sync::PoisonError;

use florin_storage::Reader;

use super::lists::{self, PendingRow};
use super::queries::rows_back;
use super::{Views, memory};
use crate::entities::State;
use crate::messages::{
    EntityId, NewTransfer, Record, Timestamp, TransferMade, TransferStatus, TransferView,
};
use crate::runtime::{Page, read_record};

/// How much a page looks at, records and transfers together, before it ends early and leaves the
/// rest to the next one.
const LOOKED_AT_MAX: usize = 10_000;
/// The same for rows of pending transfers, which are cheaper.
const ROWS_LOOKED_AT_MAX: usize = 100_000;
/// How many rows of records are read at a time.
const ROWS_AT_A_TIME: usize = 256;

/// Which transfers a list shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TransferFilter {
    /// Only those with this entity at either end.
    pub entity: Option<EntityId>,
    /// Only these.
    pub status: Option<TransferStatus>,
    /// Only with this reference.
    pub reference: Option<String>,
}

/// Where a list of transfers goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferMark {
    /// With this record of the entity's chain, or the last listed one that is not past a record,
    /// whichever is later; so many of its transfers, the newest first, come no more.
    Record {
        /// The record of the chain; 0: its end was reached.
        chain: u64,
        /// The rows of later records come no more.
        listed: u64,
        /// How many come no more.
        shown: u32,
    },
    /// With the pending transfer before this one, made then.
    Pending(Timestamp, EntityId),
}

impl TransferFilter {
    /// Whether the transfers that it shows are found without a look at every transfer there is.
    pub const fn is_bounded(&self) -> bool {
        self.entity.is_some() || self.reference.is_some() || self.is_of_pending()
    }

    /// Whether the list goes along the rows of pending transfers.
    const fn is_of_pending(&self) -> bool {
        self.reference.is_none() && matches!(self.status, Some(TransferStatus::Pending))
    }

    /// The entity whose chain of records the list goes along.
    pub const fn walks(&self) -> Option<EntityId> {
        match self.entity {
            Some(entity) if self.reference.is_none() && !self.is_of_pending() => Some(entity),
            _ => None,
        }
    }

    fn wants(&self, from: EntityId, to: EntityId, reference: Option<&str>) -> bool {
        self.is_end(from, to)
            && self
                .reference
                .as_deref()
                .is_none_or(|wanted| reference == Some(wanted))
    }

    fn is_end(&self, from: EntityId, to: EntityId) -> bool {
        self.entity
            .is_none_or(|entity| entity == from || entity == to)
    }

    /// What the rows of the list's records start with.
    fn prefix(&self) -> Vec<u8> {
        match (&self.reference, self.entity) {
            (Some(reference), _) => lists::transfers_by_reference(reference),
            (None, entity) => {
                lists::holds_by_target(entity.unwrap_or(EntityId::from_bytes([0; 16])))
            }
        }
    }
}

impl TransferMark {
    /// The mark as bytes, for a cursor.
    pub fn to_bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        match self {
            Self::Record {
                chain,
                listed,
                shown,
            } => {
                bytes[..8].copy_from_slice(&chain.to_be_bytes());
                bytes[8..16].copy_from_slice(&listed.to_be_bytes());
                bytes[16..20].copy_from_slice(&shown.to_be_bytes());
            }
            Self::Pending(time, transfer) => {
                bytes[..8].copy_from_slice(&time.as_micros().to_be_bytes());
                bytes[8..].copy_from_slice(&transfer.to_bytes());
            }
        }
        bytes
    }

    /// The mark that [`Self::to_bytes`] wrote, of a list with this filter.
    pub fn from_bytes(filter: &TransferFilter, bytes: [u8; 24]) -> Self {
        let number = |at: usize| {
            let mut number = [0; 8];
            number.copy_from_slice(&bytes[at..at + 8]);
            u64::from_be_bytes(number)
        };
        if filter.is_of_pending() {
            let mut transfer = [0; 16];
            transfer.copy_from_slice(&bytes[8..]);
            let time = Timestamp::from_micros(number(0) as i64);
            return Self::Pending(time, EntityId::from_bytes(transfer));
        }
        Self::Record {
            chain: number(0),
            listed: number(8),
            shown: (number(16) >> 32) as u32,
        }
    }
}

impl Views {
    /// A page of transfers, the newest first; `head`: the last record of the entity whose chain the
    /// list goes along, 0 without one. A page may be short, and even empty, and yet not the last one:
    /// so much is looked at, not more. Blocks on the disk.
    ///
    /// # Errors
    /// What can't be read, as a sentence.
    pub fn transfers(
        &self,
        reader: &Reader,
        filter: &TransferFilter,
        head: u64,
        after: Option<TransferMark>,
        limit: usize,
    ) -> Result<Page<TransferView, TransferMark>, String> {
        if filter.is_of_pending() {
            let after = match after {
                Some(TransferMark::Pending(time, transfer)) => Some((time, transfer)),
                _ => None,
            };
            return self.pending_transfers(filter, after, limit);
        }
        let mut walk = match after {
            Some(TransferMark::Record {
                chain,
                listed,
                shown,
            }) => Walk::new(filter, chain, listed, shown),
            _ => Walk::new(filter, head, u64::MAX, 0),
        };
        let mut entries = Vec::new();
        let mut looked_at = 0;
        while let Some(at) = walk.next(self)? {
            let record = read_record(reader, at)?;
            let made = record.made(|from, to, reference| filter.wants(from, to, reference));
            looked_at += 1;
            for new in made.into_iter().rev().skip(walk.shown as usize) {
                if looked_at >= LOOKED_AT_MAX {
                    return Ok(page(entries, Some(walk.mark())));
                }
                looked_at += 1;
                let view = self.transfer_view(new)?;
                if filter.status.is_none_or(|status| status == view.status) {
                    // Only a transfer that is there makes another page.
                    if entries.len() == limit {
                        return Ok(page(entries, Some(walk.mark())));
                    }
                    entries.push(view);
                }
                walk.shown += 1;
            }
            walk.done(&record)?;
            if looked_at >= LOOKED_AT_MAX {
                return Ok(page(entries, Some(walk.mark())));
            }
        }
        Ok(page(entries, None))
    }

    /// A transfer as it is now; one that was made at once and never reversed is no entity.
    fn transfer_view(&self, new: NewTransfer) -> Result<TransferView, String> {
        let NewTransfer {
            id,
            made,
            is_pending,
        } = new;
        if let Some(State::Transfer(transfer)) =
            self.snapshot(id)?.and_then(|present| present.state)
        {
            return Ok(transfer.view(id));
        }
        let posted = |made: &TransferMade| if is_pending { 0 } else { made.amount.get() };
        Ok(TransferView {
            id,
            status: if is_pending {
                TransferStatus::Pending
            } else {
                TransferStatus::Posted
            },
            posted_amount: posted(&made),
            made,
        })
    }

    fn pending_transfers(
        &self,
        filter: &TransferFilter,
        after: Option<(Timestamp, EntityId)>,
        limit: usize,
    ) -> Result<Page<TransferView, TransferMark>, String> {
        let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
        let read = memory.store.read().map_err(|error| self.fault(error))?;
        let (from, to) = lists::all_pending();
        // The row goes on after what it starts with: it isn't in the range itself.
        let to = after.map_or(to, |(time, transfer)| lists::pending_since(time, transfer));
        let rows = rows_back(&memory, &read, from, to).map_err(|error| self.fault(error))?;
        let mut entries: Vec<TransferView> = Vec::new();
        let mut last = None;
        for (looked_at, row) in rows.enumerate() {
            let row = row.map_err(|error| self.fault(error))?;
            let row = PendingRow::read(&row).ok_or("a row of pending transfers is none")?;
            let [from, to] = row.ends;
            let is_wanted = filter.is_end(from, to);
            if looked_at == ROWS_LOOKED_AT_MAX || (is_wanted && entries.len() == limit) {
                return Ok(page(entries, last));
            }
            last = Some(TransferMark::Pending(row.made_at, row.transfer));
            if !is_wanted {
                continue;
            }
            let id = row.transfer;
            let present = match memory.present(id) {
                Some(present) => Some(present.clone()),
                None => memory::read_snapshot(&read, id).map_err(|error| self.fault(error))?,
            };
            match present.and_then(|present| present.state) {
                Some(State::Transfer(transfer)) => entries.push(transfer.view(id)),
                _ => return Err(format!("{id} is listed and has no snapshot")),
            }
        }
        Ok(page(entries, None))
    }

    /// Records of a list, the newest first, from one back; at most so many.
    fn records_back(&self, prefix: &[u8], from: u64) -> Result<VecDeque<u64>, String> {
        let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
        let read = memory.store.read().map_err(|error| self.fault(error))?;
        let first = lists::of_sequence(prefix.to_vec(), 0);
        let last = lists::of_sequence(prefix.to_vec(), from);
        let rows = rows_back(&memory, &read, first, last).map_err(|error| self.fault(error))?;
        let mut found = VecDeque::new();
        for row in rows.take(ROWS_AT_A_TIME) {
            let row = row.map_err(|error| self.fault(error))?;
            found.extend(lists::sequence(&row));
        }
        Ok(found)
    }
}

fn page(
    entries: Vec<TransferView>,
    next: Option<TransferMark>,
) -> Page<TransferView, TransferMark> {
    Page { entries, next }
}

/// The way along an entity's chain and a list of records, each record once, the newest first.
struct Walk {
    entity: Option<EntityId>,
    prefix: Vec<u8>,
    /// The chain's next record; 0 at its end.
    chain: u64,
    /// The rows of later records come no more.
    listed: u64,
    /// How many transfers of the next record come no more.
    shown: u32,
    /// The next listed records.
    rows: VecDeque<u64>,
    /// Whether no more rows follow these.
    rows_end: bool,
}

impl Walk {
    fn new(filter: &TransferFilter, chain: u64, listed: u64, shown: u32) -> Self {
        Self {
            entity: filter.walks(),
            prefix: filter.prefix(),
            chain,
            listed,
            shown,
            rows: VecDeque::new(),
            rows_end: false,
        }
    }

    fn mark(&self) -> TransferMark {
        TransferMark::Record {
            chain: self.chain,
            listed: self.listed,
            shown: self.shown,
        }
    }

    /// The next record, which stays the next one until it is done.
    fn next(&mut self, views: &Views) -> Result<Option<u64>, String> {
        if self.rows.is_empty() && !self.rows_end {
            self.rows = views.records_back(&self.prefix, self.listed)?;
            self.rows_end = self.rows.len() < ROWS_AT_A_TIME;
        }
        let next = self.rows.front().copied().unwrap_or(0).max(self.chain);
        Ok((next > 0).then_some(next))
    }

    /// Leaves a record behind.
    fn done(&mut self, record: &Record) -> Result<(), String> {
        let at = record.sequence;
        if let Some(entity) = self.entity.filter(|_| self.chain == at) {
            let change = record.changes.iter().find(|change| change.entity == entity);
            let change = change.ok_or_else(|| format!("record {at} doesn't change {entity}"))?;
            self.chain = change.previous;
        }
        if self.rows.front() == Some(&at) {
            self.rows.pop_front();
        }
        self.listed = at - 1;
        self.shown = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        let filter = |status| TransferFilter {
            entity: Some(EntityId::from_parts(1, 2, 3)),
            status,
            reference: None,
        };
        let record = TransferMark::Record {
            chain: u64::MAX - 1,
            listed: 7,
            shown: u32::MAX - 2,
        };
        let pending =
            TransferMark::Pending(Timestamp::from_micros(-5), EntityId::from_parts(9, 8, 7));
        for (mark, status) in [(record, None), (pending, Some(TransferStatus::Pending))] {
            let read = TransferMark::from_bytes(&filter(status), mark.to_bytes());
            assert_eq!(read, mark);
        }
    }

    #[test]
    fn a_list_without_end_nor_reference_must_be_of_pending_ones() {
        for status in TransferStatus::ALL {
            let filter = TransferFilter {
                status: Some(status),
                ..TransferFilter::default()
            };
            assert_eq!(filter.is_bounded(), status == TransferStatus::Pending);
        }
        assert!(!TransferFilter::default().is_bounded());
    }
}
