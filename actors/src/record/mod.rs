//! The record: the changes of one command, and one entry of the journal. Its format is final.
//!
//! A record on disk is the format byte followed by the bincode form of [`Record`]. Fields never
//! move; a different form needs a new format byte.

mod made;
mod movement;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::commands::{BatchItem, Command, CommandKind, ItemResult, Notes, Shown, TransferEnds};
use crate::entities::{
    AccountEvent, AccountStatus, AccountView, Balances, CardView, Event, Kind, TransferMade,
    TransferStatus, WalletView,
};
use crate::words::{
    Amount, Caller, Currency, EntityId, Input, Metadata, OperationId, Overdraft, Rejection,
    RequestId, Timestamp, TraceParent,
};

pub use made::NewTransfer;
pub use movement::Movement;

/// The format byte with which every record of the current format starts.
pub const FORMAT: u8 = 1;

/// The changes of one command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The record's position in the journal, counted from 1 without gaps.
    pub sequence: u64,
    /// The time at which the record was made. It is never earlier than the time of the preceding
    /// record.
    pub time: Timestamp,
    /// The ownership epoch of the node that made the record.
    pub epoch: u32,
    /// The id of the operation, which is also the id of the transaction and the transfer.
    pub operation_id: OperationId,
    /// The caller of the command.
    pub caller: Caller,
    /// The command's idempotency key, which this record settled, if there was one.
    pub key: Option<Arc<str>>,
    /// The request's id.
    pub request_id: RequestId,
    /// The id of the flow that the request belongs to. `None`: the request's own id stands for it.
    pub correlation_id: Option<RequestId>,
    /// The event that caused the command, if one did.
    pub causation_id: Option<OperationId>,
    /// The caller's trace.
    pub trace: Option<TraceParent>,
    /// The command, with sealed personal values and without a default currency. A repeat of the
    /// idempotency key is the same request if its command equals this one.
    pub command: Command,
    /// The accepted command that this record executes, if it executes one.
    pub execution: Option<Execution>,
    /// The decision on the command.
    pub outcome: Outcome,
    /// The changed entities, one entry per entity.
    pub changes: Vec<Change>,
    /// The postings, which are balanced. There is one entry per entity, and in a batch one per
    /// entity and item.
    pub postings: Vec<Posting>,
    /// The message that brought the command, if one did.
    pub input: Option<Input>,
}

/// The decision on the command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// The command was done. The value is the part of the answer that can't be derived from the
    /// changes alone.
    Done(Option<Box<Shown>>),
    /// A rule refused the command, and nothing changed.
    Refused(Rejection),
    /// The command was accepted; the execution follows in a record of its own.
    Accepted,
}

/// The change of one entity in a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The entity.
    pub entity: EntityId,
    /// The entity's version after the record, 1 at its creation.
    pub version: u64,
    /// The number by which the record raised the version: 1, or the number of the entity's postings
    /// if that is greater.
    pub raised: u32,
    /// The sequence of the entity's previous record; 0 at its creation.
    pub previous: u64,
    /// The entity's events, in order.
    pub events: Vec<Event>,
}

impl Change {
    /// Returns the kind of the entity. A change always has an event, so this is `None` only for an
    /// empty change.
    pub fn kind(&self) -> Option<Kind> {
        self.events.first().map(Event::kind)
    }
}

/// A debit or credit of one entity, and the entity's balances right after it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Posting {
    /// The index of the posted entity's change in the record's changes.
    pub change: u32,
    /// The index of the batch's item that made the posting; 0 outside a batch.
    pub item: u32,
    /// The amount in minor units, negative for a debit; 0 if only the held amount changed.
    pub amount: i64,
    /// The currency of the amount and the balances.
    pub currency: Currency,
    /// The balance after the posting. That of an external account may exceed 2^53.
    pub balance: i128,
    /// The held amount after the posting.
    pub held: i64,
    /// The overdraft limit at that time.
    pub overdraft: Overdraft,
}

/// A reference to the accepted command that a record executes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    /// The sequence of the record that accepted the command.
    pub accepted: u64,
    /// The time at which the command was accepted.
    pub accepted_at: Timestamp,
}

impl Record {
    /// Returns the balances of an entity right after the record, if the record has a posting of the
    /// entity. Returns `None` if the balance doesn't fit in an `i64`, which only the total of an
    /// external account can exceed.
    pub fn balances(&self, entity: EntityId) -> Option<Balances> {
        // The last posting counts, because a batch may post an entity several times.
        let mut latest = self.postings.iter().rev();
        let (posting, change) = latest.find_map(|posting| {
            let change = self.changes.get(posting.change as usize)?;
            (change.entity == entity).then_some((posting, change))
        })?;
        Some(Balances {
            balance: i64::try_from(posting.balance).ok()?,
            held: posting.held,
            overdraft: posting.overdraft,
            version: change.version,
        })
    }

    /// Returns the sequences of the records whose personal values this record erases.
    pub fn erased(&self) -> impl Iterator<Item = u64> {
        let events = self.changes.iter().flat_map(|change| &change.events);
        events.filter_map(Event::erased)
    }

    /// Returns the type of the record's movements: `deposit`, `withdrawal`, `transfer`, `reversal`
    /// or `transaction`.
    pub fn transaction_type(&self) -> &'static str {
        if self.command.rules().moves_transfer() {
            CommandKind::Transfer.name()
        } else {
            self.command.kind().name()
        }
    }

    /// Returns the version of a posting's entity right after the posting; `None` if the posting's
    /// change is not in this record.
    pub fn version_after(&self, posting: &Posting) -> Option<u64> {
        let change = self.changes.get(posting.change as usize)?;
        let of_entity = |other: &&Posting| other.change == posting.change;
        let later = self.postings.iter().filter(of_entity);
        let later = later.filter(|other| other.item > posting.item).count();
        Some(change.version - later as u64)
    }

    /// Returns the items of a batch that were done or refused by a rule in this record, each with
    /// its refusal if there was one. Items whose key was used before are left out.
    pub fn items(&self) -> impl Iterator<Item = (u32, &BatchItem, Option<&Rejection>)> {
        let items: &[BatchItem] = match (&self.command, &self.outcome) {
            (Command::Batch(batch), Outcome::Done(_)) => &batch.items,
            _ => &[],
        };
        let mut others = self.other_items().iter().peekable();
        let each = items.iter().enumerate();
        each.filter_map(move |(index, item)| {
            let other = others.next_if(|(place, _)| *place as usize == index);
            match other {
                None => Some((index as u32, item, None)),
                Some((_, ItemResult::Refused(rejection))) => {
                    Some((index as u32, item, Some(rejection)))
                }
                Some((_, ItemResult::Replayed(..) | ItemResult::RefusedBefore(_))) => None,
            }
        })
    }

    /// Returns the results of the batch's items that were not simply done.
    pub fn other_items(&self) -> &[(u32, ItemResult)] {
        match &self.outcome {
            Outcome::Done(Some(shown)) => match &**shown {
                Shown::Batch(others, _) => others,
                _ => &[],
            },
            _ => &[],
        }
    }

    /// Returns an item of a batch, and its result unless it was simply done.
    pub fn item(&self, index: u32) -> Option<(&BatchItem, Option<&ItemResult>)> {
        let (Command::Batch(batch), Outcome::Done(_)) = (&self.command, &self.outcome) else {
            return None;
        };
        let others = self.other_items();
        let other = others.binary_search_by_key(&index, |(place, _)| *place);
        let other = other.ok().map(|place| &others[place].1);
        Some((batch.items.get(index as usize)?, other))
    }

    /// Returns whether the record settled an item: it made the item's transfer, or stores the
    /// refusal under the item's key.
    fn settles(item: &BatchItem, refused: Option<&Rejection>) -> bool {
        refused.is_none_or(|rejection| item.key.is_some() && rejection.code.is_stored())
    }

    /// Returns the index of the item with this idempotency key, if this record settled the key.
    pub fn item_with_key(&self, key: &str) -> Option<u32> {
        let mut items = self.items();
        let found = items.find(|(_, item, refused)| {
            item.key.as_deref() == Some(key) && Self::settles(item, *refused)
        });
        found.map(|(index, ..)| index)
    }

    /// Returns the record that a settled item would have made if its transfer had been sent alone.
    /// A repeat of the item's key is answered from it. Its changes hold versions only, without
    /// events.
    pub fn item_alone(&self, index: u32) -> Option<Self> {
        let (_, item, refused) = self.items().find(|(place, ..)| *place == index)?;
        if !Self::settles(item, refused) {
            return None;
        }
        let (from, to) = (item.transfer.from, item.transfer.to);
        let operation_id = self.operation_id.item(index, from.shard());
        let mut alone = Self {
            sequence: self.sequence,
            time: self.time,
            epoch: self.epoch,
            operation_id,
            caller: self.caller.clone(),
            key: item.key.clone(),
            request_id: self.request_id.clone(),
            correlation_id: self.correlation_id.clone(),
            causation_id: self.causation_id,
            trace: self.trace,
            command: item.command(),
            execution: None,
            outcome: Outcome::Done(None),
            changes: Vec::new(),
            postings: Vec::new(),
            input: None,
        };
        if let Some(rejection) = refused {
            alone.outcome = Outcome::Refused(rejection.clone());
            return Some(alone);
        }
        for posting in self.postings.iter().filter(|one| one.item == index) {
            let change = self.changes.get(posting.change as usize)?;
            let mut posting = *posting;
            alone.changes.push(Change {
                entity: change.entity,
                version: self.version_after(&posting)?,
                raised: 1,
                previous: change.previous,
                events: Vec::new(),
            });
            (posting.change, posting.item) = (alone.changes.len() as u32 - 1, 0);
            alone.postings.push(posting);
        }
        if item.pending.is_some() {
            let ends = TransferEnds {
                id: operation_id.transfer(),
                status: TransferStatus::Pending,
                from: (from, alone.balances(from)?),
                to: (to, self.target_of(index)),
            };
            let shown = Shown::Transfer(ends, Notes::default());
            alone.outcome = Outcome::Done(Some(Box::new(shown)));
        }
        Some(alone)
    }

    /// Returns the balances that the target of a pending item with a key had.
    fn target_of(&self, index: u32) -> Option<Balances> {
        let Outcome::Done(Some(shown)) = &self.outcome else {
            return None;
        };
        let Shown::Batch(_, targets) = &**shown else {
            return None;
        };
        let found = targets.binary_search_by_key(&index, |(place, _)| *place);
        found.ok().map(|place| targets[place].1)
    }

    /// Returns the index of the batch's item that an operation id belongs to, if the record settled
    /// that item.
    pub fn item_of(&self, operation: OperationId) -> Option<u32> {
        let Command::Batch(batch) = &self.command else {
            return None;
        };
        let index = operation.index_in(self.operation_id, batch.items.len())?;
        let (item, other) = self.item(index)?;
        let own = self.operation_id.item(index, item.transfer.from.shard());
        let settled = match other {
            None => true,
            Some(ItemResult::Refused(rejection)) => Self::settles(item, Some(rejection)),
            Some(ItemResult::Replayed(..) | ItemResult::RefusedBefore(_)) => false,
        };
        (settled && own == operation).then_some(index)
    }

    /// Returns the index keys of all operations that the record settled. For the execution of an
    /// accepted command it is [`OperationId::execution`]; for a command that a message brought,
    /// [`OperationId::external`] is added.
    pub fn operations(&self) -> impl Iterator<Item = OperationId> {
        let items = self.items();
        let items = items.filter(|(_, item, refused)| Self::settles(item, *refused));
        let items = items.map(|(index, item, _)| {
            let shard = item.transfer.from.shard();
            self.operation_id.item(index, shard)
        });
        let own = match self.execution {
            None => self.operation_id,
            Some(_) => self.operation_id.execution(),
        };
        let external = self
            .input
            .as_ref()
            .map(|input| input.operation_id.external());
        std::iter::once(own).chain(external).chain(items)
    }

    /// Returns all idempotency keys that the record settled.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        // The key of an accepted command was settled by the record that accepted it, not by its
        // execution.
        let own = self.key.as_deref().filter(|_| self.execution.is_none());
        own.into_iter().chain(self.item_keys())
    }

    /// Returns all idempotency keys of a batch's items that the record settled.
    pub fn item_keys(&self) -> impl Iterator<Item = &str> {
        let items = self.items();
        let items = items.filter(|(_, item, refused)| Self::settles(item, *refused));
        items.filter_map(|(_, item, _)| item.key.as_deref())
    }

    /// Returns the transfer that an operation made immediately; `None` if it made no transfer or a
    /// pending one.
    pub fn transfer(&self, operation: OperationId) -> Option<TransferMade> {
        if !matches!(self.outcome, Outcome::Done(_)) {
            return None;
        }
        let item = match self.item_of(operation) {
            Some(item) => item,
            None if self.operation_id == operation => 0,
            None => return None,
        };
        let mut postings = self.postings.iter();
        let target = postings.find(|posting| posting.item == item && posting.amount > 0)?;
        let (from, to, notes, reverses) = match &self.command {
            Command::Batch(batch) if operation != self.operation_id => {
                let transfer = &batch.items.get(item as usize)?.transfer;
                let notes = (transfer.reference.clone(), transfer.metadata.clone());
                (transfer.from, transfer.to, notes, None)
            }
            Command::Transfer(transfer) => {
                let notes = (transfer.reference.clone(), transfer.metadata.clone());
                (transfer.from, transfer.to, notes, None)
            }
            Command::Reverse(reverse) => {
                let ends = self.ends()?;
                let notes = (reverse.reference.clone(), reverse.metadata.clone());
                (ends.from.0, ends.to.0, notes, Some(reverse.transfer))
            }
            _ => return None,
        };
        Some(TransferMade {
            from,
            to,
            amount: Amount::new(target.amount.unsigned_abs()).ok()?,
            currency: target.currency,
            expires_at: None,
            reference: notes.0,
            metadata: notes.1,
            made_at: self.time,
            reverses,
        })
    }

    /// Returns the caller's reference and metadata for the record's movements. They are those of
    /// the command; for a post, a void or an expiry they are those with which the pending transfer
    /// was made.
    pub fn notes(&self) -> (Option<&str>, Option<&Metadata>) {
        if let Outcome::Done(Some(shown)) = &self.outcome
            && let Shown::Transfer(_, notes) = &**shown
            && self.command.rules().has_notes_of_transfer()
        {
            return (notes.reference.as_deref(), Some(&notes.metadata));
        }
        self.command.notes()
    }

    /// Returns the part of the command's answer that the record keeps, if it keeps one.
    pub fn shown(&self) -> Option<&Shown> {
        match &self.outcome {
            Outcome::Done(shown) => shown.as_deref(),
            Outcome::Refused(_) | Outcome::Accepted => None,
        }
    }

    /// Returns a transfer's source and target right after the record, if the record keeps them for
    /// the answer because its postings don't contain both.
    pub fn ends(&self) -> Option<&TransferEnds> {
        match self.shown()? {
            Shown::Transfer(ends, _) => Some(ends),
            _ => None,
        }
    }

    /// Returns the wallet right after the record, if the command's answer shows one.
    pub fn wallet(&self) -> Option<&WalletView> {
        match self.shown()? {
            Shown::Wallet(view) => Some(view),
            _ => None,
        }
    }

    /// Returns the card right after the record, if the command's answer shows one.
    pub fn card(&self) -> Option<&CardView> {
        match self.shown()? {
            Shown::Card(view) => Some(view),
            _ => None,
        }
    }

    /// Returns the sequence of the record beside which the personal values that the answer shows
    /// are stored; `None` if it shows none.
    pub fn personal(&self) -> Option<u64> {
        match &self.outcome {
            Outcome::Done(Some(shown)) => shown.personal(),
            Outcome::Done(None) if self.has_personal() => Some(self.sequence),
            Outcome::Done(None) | Outcome::Refused(_) | Outcome::Accepted => None,
        }
    }

    /// Returns whether personal values are stored beside the record, unless they were erased.
    pub fn has_personal(&self) -> bool {
        matches!(self.outcome, Outcome::Done(_)) && self.command.sealed().next().is_some()
    }

    /// Returns the account right after the record, if the command's answer shows one.
    pub fn account(&self) -> Option<AccountView> {
        if let Outcome::Done(Some(shown)) = &self.outcome
            && let Shown::Account(view) = &**shown
        {
            return Some(view.clone());
        }
        self.changes
            .iter()
            .find_map(|change| match change.events.first() {
                Some(Event::Account(AccountEvent::Opened(opened))) => Some(AccountView {
                    id: change.entity,
                    number: opened.number,
                    opened: self.sequence,
                    country: opened.country,
                    currency: opened.currency,
                    status: AccountStatus::Active,
                    balances: Balances {
                        balance: 0,
                        held: 0,
                        overdraft: opened.overdraft,
                        version: change.version,
                    },
                    reference: opened.reference.clone(),
                    metadata: opened.metadata.clone(),
                    created_at: self.time,
                }),
                _ => None,
            })
    }
}
