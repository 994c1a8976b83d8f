//! The events of deposits and withdrawals: requested, made, or refused.

use super::collector::{Collector, Facts, reason_of};
use super::event_type::EventType;
use super::values::End;
use super::values::MovementTold;
use super::values::Value;
use crate::commands::{Deposit, Withdraw};
use crate::words::EntityId;
use crate::words::Rejection;

impl<'a> Collector<'a> {
    /// Adds the events of a completed deposit.
    pub(super) fn deposit(&mut self, deposit: &Deposit) {
        let mut facts = self.facts_of_posting("DEPOSIT", 0);
        facts.to = Some(self.end(deposit.to, 0));
        self.initiated_and_completed(&facts, deposit.to);
        self.push_movement(&facts, EventType::DepositCompleted, deposit.to, None);
        self.funds_added(&facts);
    }

    /// Adds the event of an accepted deposit.
    pub(super) fn deposit_requested(&mut self, deposit: &Deposit) {
        let facts = self.facts_of_deposit(deposit);
        self.push_movement(&facts, EventType::DepositRequested, deposit.to, None);
    }

    /// Adds the events of a refused deposit.
    pub(super) fn deposit_refused(&mut self, deposit: &Deposit, rejection: &Rejection) {
        let facts = self.facts_of_deposit(deposit);
        self.failed(&facts, deposit.to, rejection);
        self.push_movement(
            &facts,
            EventType::DepositFailed,
            deposit.to,
            Some(rejection),
        );
    }

    fn facts_of_deposit(&self, deposit: &Deposit) -> Facts<'a> {
        Facts {
            amount: Some(deposit.amount.get()),
            currency: deposit.currency,
            to: Some(End::untouched(deposit.to)),
            ..self.facts_of_command("DEPOSIT", 0)
        }
    }

    /// Adds the events of a completed withdrawal.
    pub(super) fn withdrawal(&mut self, withdraw: &Withdraw) {
        let mut facts = self.facts_of_posting("WITHDRAWAL", 0);
        facts.from = Some(self.end(withdraw.from, 0));
        self.initiated_and_completed(&facts, withdraw.from);
        self.push_movement(&facts, EventType::WithdrawalCompleted, withdraw.from, None);
    }

    /// Adds the event of an accepted withdrawal.
    pub(super) fn withdrawal_requested(&mut self, withdraw: &Withdraw) {
        let facts = self.facts_of_withdrawal(withdraw);
        self.push_movement(&facts, EventType::WithdrawalRequested, withdraw.from, None);
    }

    /// Adds the events of a refused withdrawal.
    pub(super) fn withdrawal_refused(&mut self, withdraw: &Withdraw, rejection: &Rejection) {
        let facts = self.facts_of_withdrawal(withdraw);
        self.failed(&facts, withdraw.from, rejection);
        let failed = EventType::WithdrawalFailed;
        self.push_movement(&facts, failed, withdraw.from, Some(rejection));
    }

    fn facts_of_withdrawal(&self, withdraw: &Withdraw) -> Facts<'a> {
        Facts {
            amount: Some(withdraw.amount.get()),
            currency: withdraw.currency,
            from: Some(End::untouched(withdraw.from)),
            ..self.facts_of_command("WITHDRAWAL", 0)
        }
    }

    fn push_movement(
        &mut self,
        moved: &Facts<'_>,
        event_type: EventType,
        entity: EntityId,
        refused: Option<&Rejection>,
    ) {
        let moved = &refused.map_or(*moved, |rejection| moved.refused(rejection));
        let end = moved.from.or(moved.to);
        let value = Value::Movement(MovementTold {
            operation_id: self.operation(),
            transaction_id: self.record.operation_id,
            account_id: entity,
            amount: moved.amount.unwrap_or_default(),
            currency: moved.currency,
            balance_after: end.and_then(|end| end.balance_after),
            version: end.and_then(|end| end.version),
            code: refused.map(|rejection| rejection.code.name()),
            error: refused.map(reason_of),
            reference: moved.reference.map(str::to_owned),
            request_metadata: moved.request_metadata(),
            timestamp: self.record.time,
            idempotency_key: moved.key.map(str::to_owned),
        });
        self.push(event_type, moved.item, entity, value);
    }
}
