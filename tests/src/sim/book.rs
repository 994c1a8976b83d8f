//! The shared knowledge of the clients: accounts, wallets, merchants, transfers, balances as last seen, and
//! used keys.

use std::collections::BTreeMap;

use florin_actors::messages::{
    Balances, BatchItem, Command, Currency, EntityId, Outcome, Shown, Transfer, WalletLimits,
};
use florin_actors::runtime::Decided;

use super::history::Request;

/// The number of keyed requests that are remembered for repeats.
const KEYED_MAX: usize = 40;
/// The number of transfers that are remembered.
const TRANSFERS_MAX: usize = 25;

/// The clients' shared notes.
#[derive(Debug, Default)]
pub struct Book {
    pub accounts: Vec<EntityId>,
    pub wallets: Vec<EntityId>,
    pub merchants: Vec<EntityId>,
    pub limits: BTreeMap<EntityId, WalletLimits>,
    /// Transfers that were made, pending or not, each with its source.
    pub transfers: Vec<(EntityId, EntityId)>,
    pub balances: BTreeMap<EntityId, Balances>,
    /// Requests with a key, answered or not.
    pub keyed: Vec<Request>,
    /// Items of batches and single transfers that have a key.
    pub items: Vec<BatchItem>,
    pub currencies: BTreeMap<EntityId, Currency>,
    /// The number of accounts and wallets that clients have decided to open.
    pub opening: usize,
}

impl Book {
    /// Notes what an answer shows.
    pub fn learn(&mut self, decided: &Decided) {
        if decided.dry_run {
            return;
        }
        if let Some(view) = decided.account() {
            if !self.accounts.contains(&view.id) {
                self.accounts.push(view.id);
            }
            self.currencies.insert(view.id, view.currency);
            self.note(view.id, view.balances);
        }
        if let Some(view) = decided.record.wallet() {
            self.currencies.insert(view.id, view.currency);
            if !self.wallets.contains(&view.id) {
                self.wallets.push(view.id);
            }
            self.limits.insert(view.id, view.limits);
            self.note(view.id, view.balances);
        }
        if let Some(Shown::Merchant(view)) = decided.record.shown() {
            if !self.merchants.contains(&view.id) {
                self.merchants.push(view.id);
            }
            self.currencies.insert(view.id, view.currency);
            self.note(view.id, view.balances);
        }
        self.learn_transfer(decided);
        for change in &decided.record.changes {
            let id = change.entity;
            if let Some(balances) = decided.balances(id)
                && [&self.accounts, &self.wallets, &self.merchants]
                    .iter()
                    .any(|known| known.contains(&id))
            {
                self.note(id, balances);
            }
        }
    }

    fn learn_transfer(&mut self, decided: &Decided) {
        let record = &decided.record;
        if matches!(record.outcome, Outcome::Refused(_)) || !decided.stored {
            return;
        }
        if let (Command::Batch(batch), Outcome::Done(_)) = (&record.command, &record.outcome) {
            for (index, item) in (0..).zip(&batch.items) {
                let source = item.transfer.from;
                let operation = record.operation_id.item(index, source.shard());
                self.made(operation.transfer(), source);
            }
            return;
        }
        let source = match &record.command {
            Command::Transfer(transfer) => transfer.from,
            Command::Hold(hold) => hold.transfer.from,
            // A transaction of many legs can't be posted, voided or reversed; some clients try
            // anyway.
            Command::Transact(transact) => transact.legs[0].from,
            Command::Reverse(_) => match record.ends() {
                Some(ends) => ends.from.0,
                None => return,
            },
            _ => return,
        };
        self.made(record.operation_id.transfer(), source);
    }

    fn made(&mut self, transfer: EntityId, source: EntityId) {
        let made = (transfer, source);
        if !self.transfers.contains(&made) {
            self.transfers.push(made);
            if self.transfers.len() > TRANSFERS_MAX {
                self.transfers.remove(0);
            }
        }
    }

    /// Returns the entity whose version a precondition checks: for a transfer, its source.
    pub fn about(&self, entity: EntityId) -> EntityId {
        let found = self.transfers.iter().find(|(id, _)| *id == entity);
        found.map_or(entity, |(_, source)| *source)
    }

    /// Notes the balances of an account or wallet.
    pub fn note(&mut self, id: EntityId, balances: Balances) {
        let known = self.balances.entry(id).or_insert(balances);
        if known.version <= balances.version {
            *known = balances;
        }
    }

    /// Remembers a request if it has a key, and its transfers that have keys.
    pub fn remember(&mut self, request: &Request) {
        if request.scope().is_some() {
            self.keyed.push(request.clone());
            if self.keyed.len() > KEYED_MAX {
                self.keyed.remove(0);
            }
        }
        let single = |transfer: &Transfer, pending| BatchItem {
            transfer: transfer.clone(),
            pending,
            key: request.key.clone(),
        };
        let items = match &request.command {
            Command::Batch(batch) => batch.items.clone(),
            Command::Transfer(transfer) => vec![single(transfer, None)],
            Command::Hold(hold) => vec![single(&hold.transfer, Some(hold.expires_in_seconds))],
            _ => Vec::new(),
        };
        self.items
            .extend(items.into_iter().filter(|item| item.key.is_some()));
        let beyond = self.items.len().saturating_sub(KEYED_MAX);
        self.items.drain(..beyond);
    }
}
