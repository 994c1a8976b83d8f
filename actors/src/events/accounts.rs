//! The events of accounts: an account was opened, or has another status.

use super::collector::Collector;
use super::event_type::EventType;
use super::values::AccountChanged;
use super::values::Value;
use crate::entities::{AccountEvent, AccountStatus};
use crate::record::Change;

impl<'a> Collector<'a> {
    /// Adds the event of an account's change, if it causes one.
    pub(super) fn account(&mut self, change: &Change, event: &AccountEvent) {
        match event {
            AccountEvent::Opened(_) => {
                self.account_changed(EventType::AccountCreated, change, AccountStatus::Active);
            }
            AccountEvent::StatusChanged(status) => {
                self.account_changed(EventType::AccountStatusChanged, change, *status);
            }
            AccountEvent::OverdraftChanged(_)
            | AccountEvent::Money(_)
            | AccountEvent::PersonalErased(_) => {}
        }
    }

    fn account_changed(&mut self, event_type: EventType, change: &Change, status: AccountStatus) {
        let value = Value::Account(AccountChanged {
            event_type: event_type.document(),
            account_id: change.entity,
            status,
            version: change.version,
            timestamp: self.record.time,
        });
        self.push(event_type, 0, change.entity, value);
    }
}
