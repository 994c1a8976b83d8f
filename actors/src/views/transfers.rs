//! Lists of transfers, newest first. An immediate transfer has no rows for its source and target:
//! the transfers of an entity are found along the entity's own chain of records, which exists
//! anyway. In addition there are rows that lead to records: for holds by their target, whose chain
//! doesn't contain them, and for transfers with a reference. Pending transfers have rows of their
//! own as long as they are pending.

use std::collections::VecDeque;
use std::sync::PoisonError;

use florin_storage::Reader;

use super::lists::{self, PendingRow};
use super::queries::rows_back;
use super::{Views, memory};
use crate::base::{Page, ReadFault, read_record};
use crate::entities::{State, TransferMade, TransferStatus, TransferView};
use crate::record::{NewTransfer, Record};
use crate::words::{EntityId, Timestamp};

/// The number of records and transfers together that a page looks at, before it ends early and
/// leaves the rest to the next page.
const LOOKED_AT_MAX: usize = 10_000;
/// The number of rows of pending transfers that a page looks at. It is greater, because these rows
/// are cheaper.
const ROWS_LOOKED_AT_MAX: usize = 100_000;
/// The number of rows of records that are read at a time.
const ROWS_AT_A_TIME: usize = 256;

/// The filter of a list of transfers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TransferFilter {
    /// Only transfers with this entity as source or target.
    pub entity: Option<EntityId>,
    /// Only transfers with this status.
    pub status: Option<TransferStatus>,
    /// Only transfers with this reference.
    pub reference: Option<String>,
}

/// The position from which a list of transfers continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferMark {
    /// The list continues with the later of two records: the next record of the entity's chain, and
    /// the last record with a row that is not later than `listed`.
    Record {
        /// The next record of the entity's chain; 0 if the end of the chain was reached.
        chain: u64,
        /// The last record whose row may still be shown. The rows of later records are done.
        listed: u64,
        /// The number of transfers of the next record, the newest first, that are done.
        shown: u32,
    },
    /// The list continues with the pending transfer before this one, which was made at this time.
    Pending(Timestamp, EntityId),
}

impl TransferFilter {
    /// Returns whether the filtered transfers can be found without reading every transfer.
    pub const fn is_bounded(&self) -> bool {
        self.entity.is_some() || self.reference.is_some() || self.is_of_pending()
    }

    /// Returns whether the list reads the rows of pending transfers.
    const fn is_of_pending(&self) -> bool {
        self.reference.is_none() && matches!(self.status, Some(TransferStatus::Pending))
    }

    /// Returns the entity whose chain of records the list reads, if it reads one.
    pub const fn walks(&self) -> Option<EntityId> {
        match self.entity {
            Some(entity) if self.reference.is_none() && !self.is_of_pending() => Some(entity),
            Some(_) | None => None,
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

    /// Returns the prefix of the rows of the list's records.
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
    /// Returns the mark as bytes, for a cursor.
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

    /// Parses a mark that [`Self::to_bytes`] wrote for a list with this filter.
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
    /// Returns a page of transfers, newest first. `head` is the last record of the entity whose
    /// chain the list reads, or 0 if it reads none. A page may be short, or even empty, without
    /// being the last one, because the number of records that a page looks at is limited. Blocks on
    /// the disk.
    ///
    /// # Errors
    /// Returns an error if something can't be read.
    pub fn transfers(
        &self,
        reader: &Reader,
        filter: &TransferFilter,
        head: u64,
        after: Option<TransferMark>,
        limit: usize,
    ) -> Result<Page<TransferView, TransferMark>, ReadFault> {
        if filter.is_of_pending() {
            let after = match after {
                Some(TransferMark::Pending(time, transfer)) => Some((time, transfer)),
                Some(TransferMark::Record { .. }) | None => None,
            };
            return Ok(self.pending_transfers(filter, after, limit)?);
        }
        let mut walk = match after {
            Some(TransferMark::Record {
                chain,
                listed,
                shown,
            }) => Walk::new(filter, chain, listed, shown),
            Some(TransferMark::Pending(..)) | None => Walk::new(filter, head, u64::MAX, 0),
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
                    // Another page is announced only once a further transfer is found.
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

    /// Returns the current state of a transfer. A transfer that is not an entity was made
    /// immediately and never reversed.
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
            reversed_by: None,
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
        // The row of the mark's transfer is longer than its prefix, so it isn't in the range.
        let to = after.map_or(to, |(time, transfer)| lists::pending_since(time, transfer));
        let rows = rows_back(&memory, &read, from, to).map_err(|error| self.fault(error))?;
        let mut entries: Vec<TransferView> = Vec::new();
        let mut last = None;
        for (looked_at, row) in rows.enumerate() {
            let row = row.map_err(|error| self.fault(error))?;
            let row = PendingRow::read(&row).ok_or("a row of the pending transfers is invalid")?;
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
            let Some(State::Transfer(transfer)) = present.and_then(|present| present.state) else {
                return Err(format!("{id} is listed and has no snapshot"));
            };
            entries.push(transfer.view(id));
        }
        Ok(page(entries, None))
    }

    /// Returns records of a list, newest first, from record `from` back, at most `ROWS_AT_A_TIME`
    /// of them.
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

/// A walk along an entity's chain and a list of records. It visits each record once, newest first.
struct Walk {
    entity: Option<EntityId>,
    prefix: Vec<u8>,
    /// The next record of the chain; 0 at its end.
    chain: u64,
    /// The last record whose row may still be shown. The rows of later records are done.
    listed: u64,
    /// The number of transfers of the next record that are done.
    shown: u32,
    /// The next records of the list that were read.
    rows: VecDeque<u64>,
    /// Whether no more rows follow those in `rows`.
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

    /// Returns the next record. It stays the next one until [`Self::done`] is called.
    fn next(&mut self, views: &Views) -> Result<Option<u64>, String> {
        if self.rows.is_empty() && !self.rows_end {
            self.rows = views.records_back(&self.prefix, self.listed)?;
            self.rows_end = self.rows.len() < ROWS_AT_A_TIME;
        }
        let next = self.rows.front().copied().unwrap_or(0).max(self.chain);
        Ok((next > 0).then_some(next))
    }

    /// Moves on to the record after `record`.
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
