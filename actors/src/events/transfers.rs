//! The events of transfers: requested, made, or refused.

use super::collector::{Collector, Facts, reason_of};
use super::event_type::EventType;
use super::values::End;
use super::values::TransactionTold;
use super::values::TransferTold;
use super::values::Value;
use crate::commands::{Command, Hold, Post, Reverse, Transfer};
use crate::entities::{Event, MoneyEvent};
use crate::words::EntityId;
use crate::words::Rejection;

impl<'a> Collector<'a> {
    /// Adds the events of a transfer that was completed at once.
    pub(super) fn transfer_completed(&mut self, transfer: &'a Transfer, item: u32) {
        let mut moved = self.facts_between("TRANSFER", transfer.from, transfer.to, item);
        moved.transfer = Some(moved.transaction.transfer());
        moved.reference = transfer.reference.as_deref();
        moved.metadata = Some(&transfer.metadata);
        if item > 0 {
            moved.key = match &self.record.command {
                Command::Batch(batch) => batch.items[item as usize - 1].key.as_deref(),
                _ => None,
            };
        }
        self.initiated_and_completed(&moved, transfer.from);
        self.push_transfer(&moved, EventType::TransferCompleted, None);
    }

    /// Adds the events of a reversal.
    pub(super) fn reversal(&mut self, reverse: &Reverse) {
        let Some(ends) = self.record.ends() else {
            return;
        };
        let (from, to) = (ends.from.0, ends.to.0);
        let mut facts = self.facts_between("REVERSAL", from, to, 0);
        facts.reverses = Some(reverse.transfer);
        facts.transfer = Some(self.record.operation_id.transfer());
        self.initiated_and_completed(&facts, from);
        self.push_transfer(&facts, EventType::TransferCompleted, None);
    }

    /// Adds the event of a pending transfer that was begun.
    pub(super) fn hold(&mut self, hold: &'a Hold) {
        let facts = self.facts_as_requested(&hold.transfer, 0);
        self.initiated(&facts, hold.transfer.from);
    }

    /// Adds the event of a pending transfer that was posted.
    pub(super) fn post(&mut self, post: &Post) {
        let Some(ends) = self.record.ends() else {
            return;
        };
        let mut facts = self.facts_between("TRANSFER", ends.from.0, ends.to.0, 0);
        facts.transfer = Some(post.transfer);
        self.completed(&facts, ends.from.0, Vec::new());
    }

    /// Adds the event of an accepted transfer.
    pub(super) fn transfer_requested(&mut self, transfer: &'a Transfer) {
        let facts = self.facts_as_requested(transfer, 0);
        self.push_transfer(&facts, EventType::TransferRequested, None);
    }

    /// Adds the event of a pending transfer that was voided or has expired. Its amount is the
    /// released rest of the hold.
    pub(super) fn transfer_ended(&mut self, transfer: EntityId, code: &'static str, error: &str) {
        let Some(ends) = self.record.ends() else {
            return;
        };
        let released = self.record.changes.iter().find_map(|change| {
            let mut money = change.events.iter().filter_map(Event::money);
            money.find_map(|event| match event {
                MoneyEvent::HoldReleased { amount, .. } => Some(amount.get()),
                _ => None,
            })
        });
        let mut moved = self.facts_between("TRANSFER", ends.from.0, ends.to.0, 0);
        moved.transfer = Some(transfer);
        moved.transaction = transfer.operation();
        moved.amount = released;
        let told = TransactionTold {
            code: Some(code),
            error: Some(error.to_owned()),
            ..self.transaction_value(&moved, EventType::TransactionFailed, "FAILED")
        };
        let value = Value::Transaction(Box::new(told));
        self.push(EventType::TransactionFailed, 0, ends.from.0, value);
    }

    /// Adds the events of each batch item that is not an idempotent replay.
    pub(super) fn batch(&mut self) {
        let record = self.record;
        for (index, item, refused) in record.items() {
            match refused {
                None if item.pending.is_some() => {
                    let moved = self.facts_as_requested(&item.transfer, index + 1);
                    self.initiated(&moved, item.transfer.from);
                }
                None => self.transfer_completed(&item.transfer, index + 1),
                Some(rejection) if item.key.is_some() || record.execution.is_some() => {
                    let mut moved = self.facts_as_requested(&item.transfer, index + 1);
                    moved.key = item.key.as_deref();
                    self.transfer_refused(&moved, rejection);
                }
                Some(_) => {}
            }
        }
    }

    pub(super) fn transfer_refused(&mut self, moved: &Facts<'_>, rejection: &Rejection) {
        if let Some(from) = moved.from {
            self.failed(moved, from.id, rejection);
        }
        self.push_transfer(moved, EventType::TransferFailed, Some(rejection));
    }

    fn push_transfer(
        &mut self,
        moved: &Facts<'_>,
        event_type: EventType,
        refused: Option<&Rejection>,
    ) {
        let (Some(from), Some(to)) = (moved.from, moved.to) else {
            return;
        };
        let moved = &refused.map_or(*moved, |rejection| moved.refused(rejection));
        let done = |end: End| Some(end).filter(|end| end.version.is_some());
        let operation_id = match moved.item {
            0 => self.operation(),
            _ => moved.transaction,
        };
        let value = Value::Transfer(Box::new(TransferTold {
            operation_id,
            transaction_id: moved.transaction,
            from_account_id: from.id,
            to_account_id: to.id,
            amount: moved.amount.unwrap_or_default(),
            currency: moved.currency,
            from: done(from),
            to: done(to),
            code: refused.map(|rejection| rejection.code.name()),
            error: refused.map(reason_of),
            reference: moved.reference.map(str::to_owned),
            request_metadata: moved.request_metadata(),
            reverses: moved.reverses,
            timestamp: self.record.time,
            idempotency_key: moved.key.map(str::to_owned),
        }));
        self.push(event_type, moved.item, from.id, value);
    }
}
