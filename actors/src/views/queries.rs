//! Lists and totals. They block on the disk: never on the ledger arbiter.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::sync::PoisonError;

use florin_storage::{Reader, ViewError, ViewRead};

use super::lists::{self, AccountFilter};
use super::memory::{self, Memory};
use super::{ROWS, Views};
use crate::entities::State;
use crate::messages::{EntityId, Timestamp, WalletView};
use crate::runtime::{Account, Page, Present, TrialBalance, read_holder};

impl Views {
    /// A page of accounts in the order of their ids.
    ///
    /// # Errors
    /// What can't be read, as a sentence.
    pub fn accounts(
        &self,
        reader: &Reader,
        filter: &AccountFilter,
        after: Option<EntityId>,
        limit: usize,
    ) -> Result<Page<Account, EntityId>, String> {
        let shows = |state: &State| filter.shows(state);
        let found = self.page(filter.prefix(), shows, after, limit + 1)?;
        let has_more = found.len() > limit;
        let mut entries = Vec::with_capacity(limit.min(found.len()));
        let mut last = None;
        for (entity, present) in found.into_iter().take(limit) {
            let Some(State::Account(account)) = &present.state else {
                continue;
            };
            let view = account.view(entity, present.version);
            let holder = if account.is_erased() {
                None
            } else {
                read_holder(reader, view.opened)?
            };
            last = Some(entity);
            entries.push(Account { view, holder });
        }
        Ok(Page {
            entries,
            next: last.filter(|_| has_more),
        })
    }

    /// A page of a customer's wallets in the order of their ids.
    ///
    /// # Errors
    /// What can't be read, as a sentence.
    pub fn wallets(
        &self,
        customer: EntityId,
        after: Option<EntityId>,
        limit: usize,
    ) -> Result<Page<WalletView, EntityId>, String> {
        let prefix = lists::by_customer(customer);
        let found = self.page(prefix, |_| true, after, limit + 1)?;
        let has_more = found.len() > limit;
        let mut entries: Vec<WalletView> = found
            .into_iter()
            .filter_map(|(entity, present)| match &present.state {
                Some(State::Wallet(wallet)) => Some(wallet.view(entity, present.version)),
                _ => None,
            })
            .collect();
        entries.truncate(limit);
        let next = entries.last().map(|last| last.id).filter(|_| has_more);
        Ok(Page { entries, next })
    }

    /// Pending transfers whose time is over at `now`, past the first `skip`, at most `limit`.
    ///
    /// # Errors
    /// What can't be read, as a sentence.
    pub fn due(&self, now: Timestamp, skip: usize, limit: usize) -> Result<Vec<EntityId>, String> {
        let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
        let read = memory.store.read().map_err(|error| self.fault(error))?;
        let from = lists::due(Timestamp::from_micros(i64::MIN));
        let to = lists::row(lists::due(now), EntityId::from_bytes([0xff; 16]));
        let listed = between(&memory, &read, from, to).map_err(|error| self.fault(error))?;
        let found: Result<Vec<_>, _> = listed.skip(skip).take(limit).collect();
        found.map_err(|error| self.fault(error))
    }

    /// The records of commands that were accepted and not executed, as the store has them.
    ///
    /// # Errors
    /// What can't be read.
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

    /// All postings up to the views' position.
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

    fn page(
        &self,
        prefix: Vec<u8>,
        shows: impl Fn(&State) -> bool,
        after: Option<EntityId>,
        count: usize,
    ) -> Result<Vec<(EntityId, Present)>, String> {
        let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
        let read = memory.store.read().map_err(|error| self.fault(error))?;
        let mut found = Vec::new();
        let listed = listed(&memory, &read, prefix, after);
        for entity in listed.map_err(|error| self.fault(error))? {
            let entity = entity.map_err(|error| self.fault(error))?;
            let present = match memory.present(entity) {
                Some(present) => Some(present.clone()),
                None => memory::read_snapshot(&read, entity).map_err(|error| self.fault(error))?,
            };
            let Some(present) = present else {
                return Err(format!("{entity} is listed and has no snapshot"));
            };
            if present.state.as_ref().is_some_and(&shows) {
                found.push((entity, present));
                if found.len() == count {
                    break;
                }
            }
        }
        Ok(found)
    }
}

/// The entities of a list, in the order of ids: what the store has, less what was removed since,
/// and what was added since.
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

/// The entities of the rows from one to another, both included, in the order of rows.
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

/// The rows from one to another, both included, from the last one back.
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

/// The rows in the store that nothing was done with since.
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

/// Two sorted iterators as one; an error comes first.
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
