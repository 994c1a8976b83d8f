//! Commands with many parts: batches of transfers, and transactions of many legs.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::movements::Transfer;
use super::plan::{Part, PlanInput, States, Stop};
use super::rules::{Acceptance, CallerNotes, CommandRules, Makes};
use crate::words::{Amount, EntityId, Metadata};

/// Moves money along its legs in one transaction. The legs are made in order, and each leg sees the
/// effects of the earlier ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transact {
    /// The legs, 1 … 100 of them.
    pub legs: Vec<Leg>,
    /// The caller's reference.
    pub reference: Option<String>,
    /// The caller's metadata.
    pub metadata: Metadata,
}

/// One leg of a transaction. It moves money in its source's currency.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Leg {
    /// The source, which is debited.
    pub from: EntityId,
    /// The target, which is credited.
    pub to: EntityId,
    /// The amount to move.
    pub amount: Amount,
}

/// Makes transfers in order; each item sees the effects of the earlier ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// Whether the batch is atomic: all items are made or none. Otherwise each item succeeds or is
    /// refused by itself.
    pub atomic: bool,
    /// The items, 1 … 10,000 of them.
    pub items: Vec<BatchItem>,
}

/// One transfer of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BatchItem {
    /// The transfer to make.
    pub transfer: Transfer,
    /// `Some` for a pending transfer, with the number of seconds after which it expires (`None`: it
    /// never expires).
    pub pending: Option<Option<u32>>,
    /// The item's own idempotency key.
    pub key: Option<Arc<str>>,
}

impl BatchItem {
    /// Returns the approximate memory that the item takes, in bytes.
    fn bytes(&self) -> usize {
        let texts = [self.key.as_deref(), self.transfer.reference.as_deref()];
        let texts: usize = texts.into_iter().flatten().map(str::len).sum();
        let pairs = self.transfer.metadata.pairs().iter();
        let pairs: usize = pairs
            .map(|(name, value)| 2 * size_of::<String>() + name.len() + value.len())
            .sum();
        size_of::<Self>() + texts + pairs
    }
}

impl CommandRules for Transact {
    fn subject(&self) -> Option<EntityId> {
        self.legs.first().map(|leg| leg.from)
    }

    /// The legs are planned one by one.
    fn plan(&self, _: PlanInput, _: &mut dyn States) -> Result<Vec<Part>, Stop> {
        Ok(Vec::new())
    }

    fn prefetched(&self) -> [Option<EntityId>; 2] {
        [None; 2]
    }

    fn acceptance(&self) -> Acceptance {
        Acceptance::Unchecked
    }

    fn notes(&self) -> CallerNotes<'_> {
        (self.reference.as_deref(), Some(&self.metadata))
    }

    fn ends(&self, part: Option<usize>) -> Option<(EntityId, EntityId)> {
        let leg = self.legs.get(part?)?;
        Some((leg.from, leg.to))
    }

    fn parties(&self) -> Vec<EntityId> {
        let legs = self.legs.iter();
        legs.flat_map(|leg| [leg.from, leg.to]).collect()
    }

    fn items(&self) -> Option<usize> {
        Some(self.legs.len())
    }
}

impl CommandRules for Batch {
    fn subject(&self) -> Option<EntityId> {
        self.items.first().map(|item| item.transfer.from)
    }

    /// The items are planned one by one.
    fn plan(&self, _: PlanInput, _: &mut dyn States) -> Result<Vec<Part>, Stop> {
        Ok(Vec::new())
    }

    fn prefetched(&self) -> [Option<EntityId>; 2] {
        [None; 2]
    }

    fn acceptance(&self) -> Acceptance {
        Acceptance::Unchecked
    }

    fn makes(&self) -> Makes {
        Makes::Items
    }

    fn moves_transfer(&self) -> bool {
        true
    }

    fn ends(&self, part: Option<usize>) -> Option<(EntityId, EntityId)> {
        self.items.get(part?)?.transfer.ends(None)
    }

    fn parties(&self) -> Vec<EntityId> {
        let mut parties = Vec::with_capacity(2 * self.items.len());
        let items = self.items.iter().map(|item| &item.transfer);
        parties.extend(items.flat_map(|transfer| [transfer.from, transfer.to]));
        parties
    }

    fn items(&self) -> Option<usize> {
        Some(self.items.len())
    }

    fn items_bytes(&self) -> usize {
        self.items.iter().map(BatchItem::bytes).sum()
    }
}
