//! The events of wallets: a wallet was opened, or a deposit reached it.

use super::collector::{Collector, Facts};
use super::event_type::EventType;
use super::id::EventId;
use super::values::Source;
use super::values::Value;
use super::values::{FundsAdded, WalletOpened};
use crate::entities::{self, Kind, WalletEvent};
use crate::record::Change;

/// The service that publishes events of wallets, named as in the source documents.
const SOURCE: Source = Source {
    source: "wallet-service",
    version: "1.0",
};

impl<'a> Collector<'a> {
    /// Adds the events of a wallet's change, if it causes any.
    pub(super) fn wallet(&mut self, change: &Change, event: &WalletEvent) {
        match event {
            WalletEvent::Opened(opened) => self.wallet_opened(change, opened),
            WalletEvent::StatusChanged(_)
            | WalletEvent::OverdraftChanged(_)
            | WalletEvent::LimitsChanged(_)
            | WalletEvent::Money(_) => {}
        }
    }

    fn wallet_opened(&mut self, change: &Change, opened: &entities::WalletOpened) {
        for event_type in [EventType::WalletCreated, EventType::WalletCreatedEvent] {
            let value = Value::Wallet(WalletOpened {
                event_type: event_type.document(),
                event_id: EventId::new(self.record, event_type.short(), 0),
                wallet_id: change.entity,
                customer_id: opened.customer,
                name: opened.name.clone(),
                currency: opened.currency,
                timestamp: self.record.time,
                metadata: SOURCE,
            });
            self.push(event_type, 0, change.entity, value);
        }
    }

    pub(super) fn funds_added(&mut self, moved: &Facts<'_>) {
        let Some(end) = moved.to.filter(|end| end.kind == Some(Kind::Wallet.name())) else {
            return;
        };
        let (Some(balance_after), Some(version)) = (end.balance_after, end.version) else {
            return;
        };
        let (Some(amount), Some(currency)) = (moved.amount, moved.currency) else {
            return;
        };
        let event_type = EventType::FundsAdded;
        let value = Value::FundsAdded(FundsAdded {
            event_type: event_type.document(),
            event_id: EventId::new(self.record, event_type.short(), 0),
            wallet_id: end.id,
            transaction_id: moved.transaction,
            amount,
            currency,
            balance_after,
            version,
            reference: moved.reference.map(str::to_owned),
            request_metadata: moved.request_metadata(),
            timestamp: self.record.time,
            metadata: SOURCE,
        });
        self.push(event_type, 0, end.id, value);
    }
}
