//! The record: what one command changed, one entry of the journal. Its format is final.
//!
//! A record on disk is the format byte and then the bincode form of [`Record`]. Fields never move;
//! a new form is a new format byte.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::answers::{
    AccountView, Balances, CardView, ItemResult, Shown, TransferEnds, WalletView,
};
use super::commands::{BatchItem, Command, CommandKind};
use super::events::{AccountEvent, AccountStatus, Event, Kind, TransferMade};
use super::ids::{EntityId, OperationId};
use super::money::{Amount, Currency, Overdraft};
use super::rejection::Rejection;
use super::text::{Caller, RequestId, TraceParent};
use super::time::Timestamp;

/// The format byte that starts every record of today.
pub const FORMAT: u8 = 1;

/// What one command changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its place in the journal, from 1, without gaps.
    pub sequence: u64,
    /// When it was made: never before the record that it follows.
    pub time: Timestamp,
    /// The ownership epoch of the node that made it.
    pub epoch: u32,
    /// The operation, and with it the transaction and the transfer.
    pub operation_id: OperationId,
    /// Who asked.
    pub caller: Caller,
    /// The idempotency key that this record settled, if there was one.
    pub key: Option<Arc<str>>,
    /// The request's id.
    pub request_id: RequestId,
    /// What the request belongs to; the request itself where not given.
    pub correlation_id: Option<RequestId>,
    /// The event that caused the command, if one did.
    pub causation_id: Option<OperationId>,
    /// The caller's trace.
    pub trace: Option<TraceParent>,
    /// What was asked, personal values sealed, the default currency left away. A repeat of the
    /// key is the same request if its command equals this one.
    pub command: Command,
    /// Where this executes a command accepted earlier: which one.
    pub execution: Option<Execution>,
    /// What was decided.
    pub outcome: Outcome,
    /// What changed, an entry an entity.
    pub changes: Vec<Change>,
    /// The balanced movements, an entry an entity.
    pub postings: Vec<Posting>,
    /// The message that brought the command, if one did.
    pub input: Option<Input>,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// Done; and what the answer shows, where the changes alone don't tell it.
    Done(Option<Box<Shown>>),
    /// Refused by a rule; nothing changed.
    Refused(Rejection),
    /// Accepted; the execution follows in a record of its own.
    Accepted,
}

/// One entity's part of a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The entity.
    pub entity: EntityId,
    /// Its version afterwards, 1 at its creation.
    pub version: u64,
    /// By how much the record raised it: 1, or the entity's postings where there are more.
    pub raised: u32,
    /// The entity's record before this one; 0 at its creation.
    pub previous: u64,
    /// What happened to it, in order.
    pub events: Vec<Event>,
}

impl Change {
    /// The kind of the entity; a change always has an event.
    pub fn kind(&self) -> Option<Kind> {
        self.events.first().map(Event::kind)
    }
}

/// One entity's debit or credit, and its balances right after.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Posting {
    /// Which of the record's changes made it.
    pub change: u32,
    /// Which item of a batch made it; 0 elsewhere.
    pub item: u32,
    /// Minor units, negative for a debit; 0 where only what is held changed.
    pub amount: i64,
    /// The currency of both.
    pub currency: Currency,
    /// The balance afterwards; of an external account it may pass 2^53.
    pub balance: i128,
    /// What was held afterwards.
    pub held: i64,
    /// The overdraft limit then.
    pub overdraft: Overdraft,
}

/// Names the accepted command that a record executes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    /// The sequence of the record that accepted it.
    pub accepted: u64,
    /// When it was accepted.
    pub accepted_at: Timestamp,
}

/// The message that brought a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// Its topic.
    pub topic: Arc<str>,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// The operation's name where it was asked for: the request's own, or one made of its place.
    pub operation_id: OperationId,
}

impl Input {
    /// The input of a message that came without an operation's name: one is made of its place.
    pub fn unnamed(topic: Arc<str>, partition: i32, offset: i64) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"florin input");
        hasher.update(topic.as_bytes());
        hasher.update(&partition.to_le_bytes());
        hasher.update(&offset.to_le_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        let id = uuid::Builder::from_custom_bytes(bytes).into_uuid();
        let operation_id = OperationId::from_bytes(id.into_bytes());
        Self {
            topic,
            partition,
            offset,
            operation_id,
        }
    }
}

impl Record {
    /// The balances of an entity right after, if the record moved its money. Of an external
    /// account there are none to show: its total may pass what a caller can read exactly.
    pub fn balances(&self, entity: EntityId) -> Option<Balances> {
        // The last one: a batch may move an entity several times.
        self.postings.iter().rev().find_map(|posting| {
            let change = self.changes.get(posting.change as usize)?;
            (change.entity == entity).then_some(())?;
            Some(Balances {
                balance: i64::try_from(posting.balance).ok()?,
                held: posting.held,
                overdraft: posting.overdraft,
                version: change.version,
            })
        })
    }

    /// The records whose personal values this one erases.
    pub fn erased(&self) -> impl Iterator<Item = u64> {
        let events = self.changes.iter().flat_map(|change| &change.events);
        events.filter_map(|event| match event {
            Event::Account(AccountEvent::PersonalErased(beside)) => Some(*beside),
            _ => None,
        })
    }

    /// What the record's movements are: `deposit`, `withdrawal`, `transfer`, `reversal` or
    /// `transaction`.
    pub const fn transaction_type(&self) -> &'static str {
        match &self.command {
            // The transfer was made earlier, and moves now.
            Command::Hold(_) | Command::Post(_) | Command::Batch(_) => CommandKind::Transfer.name(),
            command => command.kind().name(),
        }
    }

    /// The version of a posting's entity right after it. `None`: the posting isn't this record's.
    pub fn version_after(&self, posting: &Posting) -> Option<u64> {
        let change = self.changes.get(posting.change as usize)?;
        let of_entity = |other: &&Posting| other.change == posting.change;
        let later = self.postings.iter().filter(of_entity);
        let later = later.filter(|other| other.item > posting.item).count();
        Some(change.version - later as u64)
    }

    /// The items of a batch that were done or refused by a rule, not replayed, each with what it was
    /// refused for.
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

    /// The items of a batch that were not simply done.
    pub fn other_items(&self) -> &[(u32, ItemResult)] {
        match &self.outcome {
            Outcome::Done(Some(shown)) => match &**shown {
                Shown::Batch(others) => others,
                _ => &[],
            },
            _ => &[],
        }
    }

    /// What became of a batch's item.
    pub fn item(&self, index: u32) -> Option<(&BatchItem, Option<&ItemResult>)> {
        let (Command::Batch(batch), Outcome::Done(_)) = (&self.command, &self.outcome) else {
            return None;
        };
        let others = self.other_items();
        let other = others.binary_search_by_key(&index, |(place, _)| *place);
        let other = other.ok().map(|place| &others[place].1);
        Some((batch.items.get(index as usize)?, other))
    }

    /// Which item of this record's batch an operation is, if the record made it.
    pub fn item_of(&self, operation: OperationId) -> Option<u32> {
        let Command::Batch(batch) = &self.command else {
            return None;
        };
        let index = operation.index_in(self.operation_id, batch.items.len())?;
        let (item, other) = self.item(index)?;
        let own = self.operation_id.item(index, item.transfer.from.shard());
        (other.is_none() && own == operation).then_some(index)
    }

    /// Every operation that the record settled; of a command accepted earlier its execution, of
    /// one that a message brought also what it is found by from outside.
    pub fn operations(&self) -> impl Iterator<Item = OperationId> {
        let items = self.items().filter(|(.., refused)| refused.is_none());
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

    /// Every idempotency key that the record settled.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        // The record that accepted the command settled its key.
        let own = self.key.as_deref().filter(|_| self.execution.is_none());
        own.into_iter().chain(self.item_keys())
    }

    /// Every idempotency key of a batch's items that the record settled.
    pub fn item_keys(&self) -> impl Iterator<Item = &str> {
        let kept = |refused: Option<&Rejection>| refused.is_none_or(|no| no.code.is_stored());
        let items = self.items().filter(move |(.., refused)| kept(*refused));
        items.filter_map(|(_, item, _)| item.key.as_deref())
    }

    /// The transfer that an operation made at once; `None` if it made none, or a pending one.
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
        let (from, to, notes) = match &self.command {
            Command::Batch(batch) if operation != self.operation_id => {
                let transfer = &batch.items.get(item as usize)?.transfer;
                let notes = (transfer.reference.clone(), transfer.metadata.clone());
                (transfer.from, transfer.to, notes)
            }
            Command::Transfer(transfer) => {
                let notes = (transfer.reference.clone(), transfer.metadata.clone());
                (transfer.from, transfer.to, notes)
            }
            Command::Reverse(_) => {
                let ends = self.ends()?;
                (ends.from.0, ends.to.0, Default::default())
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
        })
    }

    /// A transfer's ends right after, if the command's answer shows them and the postings don't.
    pub fn ends(&self) -> Option<&TransferEnds> {
        match &self.outcome {
            Outcome::Done(Some(shown)) => match &**shown {
                Shown::Transfer(ends) => Some(ends),
                _ => None,
            },
            _ => None,
        }
    }

    /// The wallet as it was right after, if the command's answer shows one.
    pub fn wallet(&self) -> Option<&WalletView> {
        match &self.outcome {
            Outcome::Done(Some(shown)) => match &**shown {
                Shown::Wallet(view) => Some(view),
                _ => None,
            },
            _ => None,
        }
    }

    /// The card as it was right after, if the command's answer shows one.
    pub fn card(&self) -> Option<&CardView> {
        match &self.outcome {
            Outcome::Done(Some(shown)) => match &**shown {
                Shown::Card(view) => Some(view),
                _ => None,
            },
            _ => None,
        }
    }

    /// The account as it was right after, if the command's answer shows one.
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
