//! What the clients know together: accounts, their money as last seen, keys used.

use std::collections::BTreeMap;

use florin_actors::messages::{Balances, EntityId};
use florin_actors::runtime::Decided;

use super::history::Request;

/// How many keyed requests are remembered for repeating.
const KEYED_MAX: usize = 40;

/// The clients' notes.
#[derive(Debug, Default)]
pub struct Book {
    pub accounts: Vec<EntityId>,
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
        for change in &decided.record.changes {
            if let Some(balances) = decided.balances(change.entity)
                && self.accounts.contains(&change.entity)
            {
                self.note(change.entity, balances);
            }
        }
    }

    /// Notes an account's money.
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
