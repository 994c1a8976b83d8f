//! Queries of lists and totals. They block on the disk, so they must not run on the ledger arbiter.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::sync::PoisonError;

use florin_storage::{Reader, ViewError, ViewRead};

use super::Views;
use super::lists::{self, AccountFilter};
use super::memory::{self, Memory};
use super::tables::ROWS;
use crate::base::{Page, Present, ReadFault, TrialBalance, WithPersonal, read_personal};
use crate::entities::{Account, AccountView, ListRow, Registered, State, Transfer, Viewed};
use crate::words::{EntityId, Timestamp};

impl Views {
    /// Returns a page of accounts in the order of their ids.
    ///
    /// # Errors
    /// Returns an error if something can't be read.
    pub fn accounts(
        &self,
        reader: &Reader,
        filter: &AccountFilter,
        after: Option<EntityId>,
        limit: usize,
    ) -> Result<Page<WithPersonal<AccountView>, EntityId>, ReadFault> {
        self.list::<Account>(reader, &filter.row(), after, limit)
    }

    /// Returns a page of the entities that have such a row, in the order of their ids.
    ///
    /// # Errors
    /// Returns an error if something can't be read.
    pub fn list<E: Registered + Viewed>(
        &self,
        reader: &Reader,
        row: &ListRow,
        after: Option<EntityId>,
        limit: usize,
    ) -> Result<Page<WithPersonal<E::View>, EntityId>, ReadFault> {
        let found = self.page(row, after, limit + 1)?;
        let has_more = found.len() > limit;
        let mut entries = Vec::with_capacity(limit.min(found.len()));
        let mut last = None;
        for (id, present) in found.into_iter().take(limit) {
            let Some(entity) = present.state.as_ref().and_then(E::of) else {
                continue;
            };
            let personal = match entity.personal() {
                Some(beside) => read_personal(reader, beside)?,
                None => None,
            };
            let view = entity.view(id, present.version);
            last = Some(id);
            entries.push(WithPersonal { view, personal });
        }
        Ok(Page {
            entries,
            next: last.filter(|_| has_more),
        })
    }

    /// Returns the pending transfers whose expiry time has passed at `now`. The first `skip` are
    /// left out, and at most `limit` are returned.
    ///
    /// # Errors
    /// Returns an error if something can't be read.
    pub fn due(&self, now: Timestamp, skip: usize, limit: usize) -> Result<Vec<EntityId>, String> {
        let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
        let read = memory.store.read().map_err(|error| self.fault(error))?;
        let from = lists::prefix(&Transfer::due(Timestamp::from_micros(i64::MIN)));
        let to = lists::prefix(&Transfer::due(now));
        let to = lists::row(to, EntityId::from_bytes([0xff; 16]));
        let listed = between(&memory, &read, from, to).map_err(|error| self.fault(error))?;
        let found: Result<Vec<_>, _> = listed.skip(skip).take(limit).collect();
        found.map_err(|error| self.fault(error))
    }

    /// Returns the records of the commands that were accepted and not executed, according to the
    /// store.
    ///
    /// # Errors
    /// Returns an error if the store can't be read.
    pub fn accepted(&self) -> Result<BTreeSet<u64>, ViewError> {
        let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
        let read = memory.store.read()?;
        let (from, to) = (lists::accepted(0), lists::accepted(u64::MAX));
        let mut all = BTreeSet::new();
        for row in read.range(ROWS, from.as_slice()..=to.as_slice())? {
            if let Some(sequence) = row?.0.last_chunk() {
                all.insert(u64::from_be_bytes(*sequence));
            }
        }
        Ok(all)
    }

    /// Returns the totals of all postings up to the views' position.
    pub fn trial_balance(&self) -> TrialBalance {
        let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
        TrialBalance {
            as_of_sequence: memory.sequence,
            currencies: memory
                .totals
                .iter()
                .map(|(currency, totals)| (*currency, *totals))
                .collect(),
        }
    }

    /// Returns the entities that have such a row. An entity's own rows are compared with it, because
    /// another text may have the same hash.
    fn page(
        &self,
        row: &ListRow,
        after: Option<EntityId>,
        count: usize,
    ) -> Result<Vec<(EntityId, Present)>, String> {
        let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
        let read = memory.store.read().map_err(|error| self.fault(error))?;
        let mut found = Vec::new();
        let listed = listed(&memory, &read, lists::prefix(row), after);
        for entity in listed.map_err(|error| self.fault(error))? {
            let entity = entity.map_err(|error| self.fault(error))?;
            let present = match memory.present(entity) {
                Some(present) => Some(present.clone()),
                None => memory::read_snapshot(&read, entity).map_err(|error| self.fault(error))?,
            };
            let Some(present) = present else {
                return Err(format!("{entity} is listed and has no snapshot"));
            };
            let rows = present.state.as_ref().map(State::rows);
            if rows.is_some_and(|rows| rows.contains(row)) {
                found.push((entity, present));
                if found.len() == count {
                    break;
                }
            }
        }
        Ok(found)
    }
}

/// Returns the entities of a list, in the order of ids: those in the store, without those removed
/// and with those added since it was written.
fn listed<'m>(
    memory: &'m Memory,
    read: &ViewRead,
    prefix: Vec<u8>,
    after: Option<EntityId>,
) -> Result<impl Iterator<Item = Result<EntityId, ViewError>> + use<'m>, ViewError> {
    let first = EntityId::from_bytes([0; 16]);
    let last = EntityId::from_bytes([0xff; 16]);
    let from = lists::row(prefix.clone(), after.unwrap_or(first));
    let to = lists::row(prefix, last);
    let listed = between(memory, read, from, to)?;
    Ok(listed.filter(move |entity| after.is_none() || entity.as_ref().ok() != after.as_ref()))
}

/// Returns the entities of the rows between two rows, both included, in the order of rows.
fn between<'m>(
    memory: &'m Memory,
    read: &ViewRead,
    from: Vec<u8>,
    to: Vec<u8>,
) -> Result<impl Iterator<Item = Result<EntityId, ViewError>> + use<'m>, ViewError> {
    let merged = Merged {
        left: stored(memory, read, &from, &to)?.peekable(),
        right: rows_added(&memory.rows, from, to).map(Ok).peekable(),
        is_before: |one, other| one < other,
    };
    Ok(merged.map(|row| {
        let nameless = || florin_storage::Error::Decode("a row without id".to_owned());
        Ok(lists::entity(&row?).ok_or_else(nameless)?)
    }))
}

/// Returns the rows between two rows, both included, from the last one back.
pub(super) fn rows_back<'m>(
    memory: &'m Memory,
    read: &ViewRead,
    from: Vec<u8>,
    to: Vec<u8>,
) -> Result<impl Iterator<Item = Result<Vec<u8>, ViewError>> + use<'m>, ViewError> {
    let added = rows_added(&memory.rows, from.clone(), to.clone());
    Ok(Merged {
        left: stored(memory, read, &from, &to)?.rev().peekable(),
        right: added.rev().map(Ok).peekable(),
        is_before: |one, other| one > other,
    })
}

/// Returns the rows in the store that were not added or removed in memory since.
fn stored<'m>(
    memory: &'m Memory,
    read: &ViewRead,
    from: &[u8],
    to: &[u8],
) -> Result<impl DoubleEndedIterator<Item = Result<Vec<u8>, ViewError>> + use<'m>, ViewError> {
    let rows = read.range(ROWS, from..=to)?;
    let rows = rows.map(|row| row.map(|(key, _)| key));
    Ok(rows.filter(|row| !row.as_ref().is_ok_and(|row| memory.rows.contains_key(row))))
}

fn rows_added(
    rows: &BTreeMap<Vec<u8>, bool>,
    from: Vec<u8>,
    to: Vec<u8>,
) -> impl DoubleEndedIterator<Item = Vec<u8>> {
    rows.range(from..=to)
        .filter(|(_, added)| **added)
        .map(|(row, _)| row.clone())
}

/// An iterator that merges two sorted iterators. An error comes before all rows.
struct Merged<L: Iterator, R: Iterator> {
    left: Peekable<L>,
    right: Peekable<R>,
    is_before: fn(&[u8], &[u8]) -> bool,
}

impl<L, R> Iterator for Merged<L, R>
where
    L: Iterator<Item = Result<Vec<u8>, ViewError>>,
    R: Iterator<Item = Result<Vec<u8>, ViewError>>,
{
    type Item = Result<Vec<u8>, ViewError>;

    fn next(&mut self) -> Option<Self::Item> {
        match (self.left.peek(), self.right.peek()) {
            (Some(Ok(left)), Some(Ok(right))) if (self.is_before)(right, left) => self.right.next(),
            (Some(_), _) => self.left.next(),
            (None, _) => self.right.next(),
        }
    }
}
