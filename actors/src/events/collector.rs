//! Collects the events of one record, and the facts of its movements that several events show.

use super::event::BusEvent;
use super::event_type::EventType;
use super::id::EventId;
use super::values::Value;
use super::values::{End, Part};
use crate::commands::Transfer;
use crate::entities::Kind;
use crate::record::{Posting, Record};
use crate::words::{Code, Currency, EntityId, Metadata, OperationId, Rejection};

/// Collects the events of one record.
pub(super) struct Collector<'a> {
    pub(super) record: &'a Record,
    /// The versions of the posted entities after each posting; see [`versions_after`].
    versions: Vec<u64>,
    pub(super) events: Vec<BusEvent>,
}

/// The data of a movement that its events share.
#[derive(Clone, Copy)]
pub(super) struct Facts<'a> {
    /// The number of the batch item, from 1; 0 for the record itself.
    pub(super) item: u32,
    pub(super) transaction: OperationId,
    pub(super) transfer: Option<EntityId>,
    pub(super) transaction_type: &'static str,
    pub(super) amount: Option<u64>,
    pub(super) currency: Option<Currency>,
    pub(super) from: Option<End>,
    pub(super) to: Option<End>,
    pub(super) reference: Option<&'a str>,
    pub(super) metadata: Option<&'a Metadata>,
    /// The transfer that is reversed.
    pub(super) reverses: Option<EntityId>,
    pub(super) key: Option<&'a str>,
}

impl Facts<'_> {
    /// Returns the movement with amount and currency taken from the refusal, if they are not known
    /// otherwise.
    pub(super) fn refused(mut self, rejection: &Rejection) -> Self {
        if let Some(moving) = rejection.would_move() {
            self.amount.get_or_insert(moving.amount.get());
            self.currency.get_or_insert(moving.currency);
        }
        self
    }

    pub(super) fn request_metadata(&self) -> Metadata {
        self.metadata.cloned().unwrap_or_default()
    }
}

impl<'a> Collector<'a> {
    /// Starts with a record and no events.
    pub(super) fn new(record: &'a Record) -> Self {
        Self {
            record,
            versions: versions_after(record),
            events: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, event_type: EventType, item: u32, key: EntityId, value: Value) {
        let record = self.record;
        let correlation = record.correlation_id.as_ref().unwrap_or(&record.request_id);
        self.events.push(BusEvent {
            event_type,
            id: EventId::new(record, event_type.short(), item),
            key,
            sequence: record.sequence,
            index: self.events.len() as u32,
            time: record.time,
            correlation: correlation.clone(),
            trace: record.trace,
            value,
        });
    }

    /// Returns a movement without amount and ends.
    pub(super) fn facts_of_command(&self, transaction_type: &'static str, item: u32) -> Facts<'a> {
        let (reference, metadata) = self.record.notes();
        Facts {
            item,
            transaction: self.record.operation_id,
            transfer: None,
            transaction_type,
            amount: None,
            currency: None,
            from: None,
            to: None,
            reference,
            metadata,
            reverses: None,
            key: self.record.key.as_deref(),
        }
    }

    /// Returns a deposit or withdrawal, with the amount of its posting.
    pub(super) fn facts_of_posting(&self, transaction_type: &'static str, item: u32) -> Facts<'a> {
        let posting = self.record.postings.first();
        Facts {
            amount: posting.map(|posting| posting.amount.unsigned_abs()),
            currency: posting.map(|posting| posting.currency),
            ..self.facts_of_command(transaction_type, item)
        }
    }

    /// Returns a movement between two entities, with the amount of its postings.
    pub(super) fn facts_between(
        &self,
        transaction_type: &'static str,
        from: EntityId,
        to: EntityId,
        item: u32,
    ) -> Facts<'a> {
        let posting = self.posting(from, item).map(|(_, posting)| posting);
        Facts {
            transaction: self.transaction_of(item, from),
            amount: posting.map(|posting| posting.amount.unsigned_abs()),
            currency: posting.map(|posting| posting.currency),
            from: Some(self.end(from, item)),
            to: Some(self.end(to, item)),
            ..self.facts_of_command(transaction_type, item)
        }
    }

    /// Returns a transfer with the requested amount: for a hold, a request or a refusal.
    pub(super) fn facts_as_requested(&self, transfer: &'a Transfer, item: u32) -> Facts<'a> {
        let posting = self
            .posting(transfer.from, item)
            .map(|(_, posting)| posting);
        let transaction = self.transaction_of(item, transfer.from);
        Facts {
            transaction,
            transfer: Some(transaction.transfer()),
            amount: Some(transfer.amount.get()),
            currency: posting
                .map(|posting| posting.currency)
                .or(transfer.currency),
            from: Some(self.end(transfer.from, item)),
            to: Some(self.end(transfer.to, item)),
            reference: transfer.reference.as_deref(),
            metadata: Some(&transfer.metadata),
            ..self.facts_of_command("TRANSFER", item)
        }
    }

    /// Returns the operation of a batch item, or the record's own if `item` is 0.
    pub(super) fn transaction_of(&self, item: u32, from: EntityId) -> OperationId {
        match item.checked_sub(1) {
            None => self.record.operation_id,
            Some(index) => self.record.operation_id.item(index, from.shard()),
        }
    }

    /// Returns the operation id that the requester knows.
    pub(super) fn operation(&self) -> OperationId {
        let input = self.record.input.as_ref();
        input.map_or(self.record.operation_id, |input| input.operation_id)
    }

    /// Returns an entity's posting and its index: in a batch item (from 1), or in the record itself
    /// (0).
    pub(super) fn posting(&self, entity: EntityId, item: u32) -> Option<(usize, &'a Posting)> {
        let record = self.record;
        let item = item.saturating_sub(1);
        // Postings are ordered by item, so only the item's own postings are searched.
        let first = record
            .postings
            .partition_point(|posting| posting.item < item);
        let own = record.postings.iter().enumerate().skip(first);
        let mut own = own.take_while(|(_, posting)| posting.item == item);
        own.find(|(_, posting)| {
            let change = record.changes.get(posting.change as usize);
            change.is_some_and(|change| change.entity == entity)
        })
    }

    pub(super) fn end(&self, entity: EntityId, item: u32) -> End {
        let Some((place, posting)) = self.posting(entity, item) else {
            return End::untouched(entity);
        };
        End {
            kind: self.kind(posting),
            id: entity,
            version: self.versions.get(place).copied(),
            balance_after: i64::try_from(posting.balance).ok(),
        }
    }

    pub(super) fn kind(&self, posting: &Posting) -> Option<&'static str> {
        let change = self.record.changes.get(posting.change as usize)?;
        change.kind().map(Kind::name)
    }

    /// Returns the parts of all entities in a transaction with several legs. The world outside has
    /// none.
    pub(super) fn parts(&self) -> Vec<Part> {
        let postings = self.record.postings.iter().zip(&self.versions);
        let parts = postings.filter_map(|(posting, version)| {
            let change = self.record.changes.get(posting.change as usize)?;
            Some(Part {
                kind: self.kind(posting),
                id: change.entity,
                amount: posting.amount,
                currency: posting.currency,
                version: Some(*version),
                balance_after: i64::try_from(posting.balance).ok(),
            })
        });
        parts.collect()
    }
}

/// Returns the versions of the posted entities, one per posting. If an entity is posted several
/// times in a change, the last posting carries the change's version, and each earlier one a version
/// less.
fn versions_after(record: &Record) -> Vec<u64> {
    let mut left: Vec<u64> = record.changes.iter().map(|change| change.version).collect();
    let mut versions = vec![0; record.postings.len()];
    for (version, posting) in versions.iter_mut().zip(&record.postings).rev() {
        if let Some(left) = left.get_mut(posting.change as usize) {
            *version = *left;
            *left = left.saturating_sub(1);
        }
    }
    versions
}

/// Returns the reason for a refusal, in the words of the source documents.
pub(super) fn reason_of(rejection: &Rejection) -> String {
    match rejection.code {
        Code::NotFound => "Account not found".to_owned(),
        _ => rejection.detail.to_string(),
    }
}
