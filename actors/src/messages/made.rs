//! The transfers that a record made: at once or pending, alone or as items of a batch.

use std::collections::HashMap;

use super::commands::Command;
use super::events::{Event, TransferEvent, TransferMade};
use super::ids::EntityId;
use super::money::Currency;
use super::record::{Outcome, Record};

/// A transfer as the record that made it tells.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTransfer {
    /// The transfer.
    pub id: EntityId,
    /// What it is from its first moment.
    pub made: TransferMade,
    /// Whether its source held the money first.
    pub is_pending: bool,
}

impl Record {
    /// The transfers that this record made, in order, of those whose source, target and reference
    /// are wanted.
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
        match &self.command {
            Command::Transfer(_) | Command::Reverse(_) => {
                one(self.transfer(self.operation_id), false)
            }
            Command::Hold(_) => {
                let made = self.begun().next();
                one(made.map(|(_, made)| made.clone()), true)
            }
            Command::Batch(_) => self.made_by_items(is_wanted),
            _ => Vec::new(),
        }
    }

    /// The pending transfers that begin with this record.
    fn begun(&self) -> impl Iterator<Item = (EntityId, &TransferMade)> {
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
