//! What the clients know together: accounts, wallets, transfers, money as last seen, keys used.

use std::collections::BTreeMap;

use florin_actors::messages::{Balances, Command, EntityId, Outcome, WalletLimits};
use florin_actors::runtime::Decided;

use super::history::Request;

/// How many keyed requests are remembered for repeating.
const KEYED_MAX: usize = 40;
/// How many transfers are remembered.
const TRANSFERS_MAX: usize = 25;

/// The clients' notes.
#[derive(Debug, Default)]
pub struct Book {
    pub accounts: Vec<EntityId>,
    pub wallets: Vec<EntityId>,
    pub limits: BTreeMap<EntityId, WalletLimits>,
    /// Transfers made, pending or not, each with its source.
    pub transfers: Vec<(EntityId, EntityId)>,
    pub balances: BTreeMap<EntityId, Balances>,
    /// Requests with a key, answered or not.
    pub keyed: Vec<Request>,
    /// Openings under way or done.
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
            self.note(view.id, view.balances);
        }
        if let Some(view) = decided.record.wallet() {
            if !self.wallets.contains(&view.id) {
                self.wallets.push(view.id);
            }
            self.limits.insert(view.id, view.limits);
            self.note(view.id, view.balances);
        }
        self.learn_transfer(decided);
        for change in &decided.record.changes {
            let id = change.entity;
            if let Some(balances) = decided.balances(id)
                && (self.accounts.contains(&id) || self.wallets.contains(&id))
            {
                self.note(id, balances);
            }
        }
    }

    fn learn_transfer(&mut self, decided: &Decided) {
        let record = &decided.record;
        if !matches!(record.outcome, Outcome::Done(_)) || !decided.stored {
            return;
        }
        let source = match &record.command {
            Command::Transfer(transfer) => transfer.from,
            Command::Hold(hold) => hold.transfer.from,
            Command::Reverse(_) => match record.ends() {
                Some(ends) => ends.from.0,
                None => return,
            },
            _ => return,
        };
        let made = (record.operation_id.transfer(), source);
        if !self.transfers.contains(&made) {
            self.transfers.push(made);
            if self.transfers.len() > TRANSFERS_MAX {
                self.transfers.remove(0);
            }
        }
    }

    /// Whose version a precondition is about: of a transfer its source.
    pub fn about(&self, entity: EntityId) -> EntityId {
        let found = self.transfers.iter().find(|(id, _)| *id == entity);
        found.map_or(entity, |(_, source)| *source)
    }

    /// Notes an account's or wallet's money.
    pub fn note(&mut self, id: EntityId, balances: Balances) {
        let known = self.balances.entry(id).or_insert(balances);
        if known.version <= balances.version {
            *known = balances;
        }
    }

    /// Remembers a request with a key.
    pub fn remember(&mut self, request: &Request) {
        if request.scope().is_some() {
            self.keyed.push(request.clone());
            if self.keyed.len() > KEYED_MAX {
                self.keyed.remove(0);
            }
        }
    }
}
