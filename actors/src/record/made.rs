//! The transfers that a record made: immediate or pending, alone or as items of a batch.

use std::collections::HashMap;

use super::{Outcome, Record};
use crate::commands::Makes;
use crate::entities::{Event, TransferEvent, TransferMade};
use crate::words::{Currency, EntityId};

/// A transfer according to the record that made it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTransfer {
    /// The transfer.
    pub id: EntityId,
    /// The facts recorded when the transfer was made.
    pub made: TransferMade,
    /// Whether the transfer was made as a pending one, so that its source held the money first.
    pub is_pending: bool,
}

impl Record {
    /// Returns the transfers that this record made, in order. `is_wanted` selects them by source,
    /// target and reference.
    pub fn made(
        &self,
        is_wanted: impl Fn(EntityId, EntityId, Option<&str>) -> bool,
    ) -> Vec<NewTransfer> {
        let wanted = |made: &TransferMade| is_wanted(made.from, made.to, made.reference.as_deref());
        if !matches!(self.outcome, Outcome::Done(_)) {
            return Vec::new();
        }
        let one = |made: Option<TransferMade>, is_pending| {
            let made = made.filter(wanted);
            let id = self.operation_id.transfer();
            let new = made.map(|made| NewTransfer {
                id,
                made,
                is_pending,
            });
            new.into_iter().collect()
        };
        match self.command.rules().makes() {
            Makes::Nothing => Vec::new(),
            Makes::Transfer | Makes::Reversal => one(self.transfer(self.operation_id), false),
            Makes::PendingTransfer => {
                let made = self.begun().next();
                one(made.map(|(_, made)| made.clone()), true)
            }
            Makes::Items => self.made_by_items(is_wanted),
        }
    }

    /// Returns the pending transfers that this record made.
    pub fn begun(&self) -> impl Iterator<Item = (EntityId, &TransferMade)> {
        self.changes
            .iter()
            .filter_map(|change| match change.events.first() {
                Some(Event::Transfer(TransferEvent::Pending(made))) => {
                    Some((change.entity, &**made))
                }
                _ => None,
            })
    }

    fn made_by_items(
        &self,
        is_wanted: impl Fn(EntityId, EntityId, Option<&str>) -> bool,
    ) -> Vec<NewTransfer> {
        let begun: HashMap<EntityId, &TransferMade> = self.begun().collect();
        let postings = self.postings.iter();
        let currencies: HashMap<u32, Currency> = postings
            .map(|posting| (posting.item, posting.currency))
            .collect();
        let done = self.items().filter(|(.., refused)| refused.is_none());
        let new = done.filter_map(|(index, item, _)| {
            let transfer = &item.transfer;
            if !is_wanted(transfer.from, transfer.to, transfer.reference.as_deref()) {
                return None;
            }
            let id = self.operation_id.item(index, transfer.from.shard());
            let id = id.transfer();
            if item.pending.is_some() {
                return Some(NewTransfer {
                    id,
                    made: TransferMade::clone(begun.get(&id)?),
                    is_pending: true,
                });
            }
            let made = TransferMade {
                from: transfer.from,
                to: transfer.to,
                amount: transfer.amount,
                currency: *currencies.get(&index)?,
                expires_at: None,
                reference: transfer.reference.clone(),
                metadata: transfer.metadata.clone(),
                made_at: self.time,
                reverses: None,
            };
            Some(NewTransfer {
                id,
                made,
                is_pending: false,
            })
        });
        new.collect()
    }
}
