//! The events of every movement of money: it was begun, made, or failed.

use super::collector::{Collector, Facts, reason_of};
use super::event_type::EventType;
use super::id::EventId;
use super::values::LEDGER;
use super::values::TransactionTold;
use super::values::Value;
use super::values::{End, Part};
use crate::commands::Transact;
use crate::entities::Kind;
use crate::words::EntityId;
use crate::words::Rejection;

impl<'a> Collector<'a> {
    /// Adds the events of a movement that was initiated and completed at once.
    pub(super) fn initiated_and_completed(&mut self, moved: &Facts<'_>, key: EntityId) {
        self.initiated(moved, key);
        self.completed(moved, key, Vec::new());
    }

    pub(super) fn initiated(&mut self, moved: &Facts<'_>, key: EntityId) {
        let event_type = EventType::TransactionInitiated;
        let value = self.transaction_value(moved, event_type, "PENDING");
        self.push(
            event_type,
            moved.item,
            key,
            Value::Transaction(Box::new(value)),
        );
    }

    pub(super) fn completed(&mut self, moved: &Facts<'_>, key: EntityId, postings: Vec<Part>) {
        let event_type = EventType::TransactionCompleted;
        let told = TransactionTold {
            postings,
            ..self.transaction_value(moved, event_type, "COMPLETED")
        };
        self.push(
            event_type,
            moved.item,
            key,
            Value::Transaction(Box::new(told)),
        );
    }

    pub(super) fn failed(&mut self, moved: &Facts<'_>, key: EntityId, rejection: &Rejection) {
        let moved = &moved.refused(rejection);
        let event_type = EventType::TransactionFailed;
        let told = TransactionTold {
            code: Some(rejection.code.name()),
            error: Some(reason_of(rejection)),
            ..self.transaction_value(moved, event_type, "FAILED")
        };
        self.push(
            event_type,
            moved.item,
            key,
            Value::Transaction(Box::new(told)),
        );
    }

    /// Adds the events of a refused command on an existing transfer, whose ends the record doesn't
    /// contain.
    pub(super) fn other_refused(
        &mut self,
        what: &'static str,
        transfer: EntityId,
        rejection: &Rejection,
    ) {
        let moved = Facts {
            transfer: Some(transfer),
            ..self.facts_of_command(what, 0)
        };
        self.failed(&moved, transfer, rejection);
    }

    pub(super) fn transaction_value(
        &self,
        moved: &Facts<'_>,
        event_type: EventType,
        status: &'static str,
    ) -> TransactionTold {
        let wallet = |end: Option<End>| {
            let end = end.filter(|end| end.kind == Some(Kind::Wallet.name()));
            end.map(|end| end.id)
        };
        let amount = moved.amount.zip(moved.currency);
        TransactionTold {
            event_type: event_type.document(),
            event_id: EventId::new(self.record, event_type.short(), moved.item),
            transaction_id: moved.transaction,
            transfer_id: moved.transfer,
            transaction_type: moved.transaction_type,
            amount: amount.map(|(amount, currency)| currency.decimal(i128::from(amount))),
            amount_minor: amount.map(|(amount, _)| amount),
            currency: moved.currency,
            from_wallet_id: wallet(moved.from),
            to_wallet_id: wallet(moved.to),
            from: moved.from,
            to: moved.to,
            postings: Vec::new(),
            status,
            code: None,
            error: None,
            reference: moved.reference.map(str::to_owned),
            request_metadata: moved.request_metadata(),
            reverses: moved.reverses,
            timestamp: self.record.time,
            metadata: LEDGER,
        }
    }

    /// Adds the events of a transaction with many legs.
    pub(super) fn transact(&mut self, transact: &Transact) {
        let Some(first) = transact.legs.first() else {
            return;
        };
        let facts = self.facts_of_command("TRANSACTION", 0);
        let parts = self.parts();
        let value = self.transaction_value(&facts, EventType::TransactionInitiated, "PENDING");
        let value = TransactionTold {
            postings: parts.clone(),
            ..value
        };
        let value = Value::Transaction(Box::new(value));
        self.push(EventType::TransactionInitiated, 0, first.from, value);
        self.completed(&facts, first.from, parts);
    }
}
