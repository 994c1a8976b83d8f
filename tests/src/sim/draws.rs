//! Random choices of a client: accounts, wallets, merchants, transfers, amounts, currencies, and everything
//! else that may come with a command.

use std::time::Duration;

use florin_actors::messages::{
    AMOUNT_MAX, Amount, Caller, Command, Currency, EntityId, Kind, Metadata, Overdraft,
    WalletLimits,
};
use rand::Rng;

use super::client::{Client, WAIT};
use super::history::Request;

impl Client {
    /// Draws an account: mostly a known one, sometimes the id of something else.
    pub fn account(&mut self) -> EntityId {
        let known = self.world.book.borrow().accounts.clone();
        let some = (!known.is_empty()).then(|| known[self.rng.random_range(0..known.len())]);
        let (Some(known), 0..94) = (some, self.rng.random_range(0..100)) else {
            return self.strange(some);
        };
        known
    }

    /// Draws a wallet if one is known, otherwise an account.
    pub fn wallet(&mut self) -> EntityId {
        let known = self.world.book.borrow().wallets.clone();
        if known.is_empty() || self.rng.random_range(0..100) < 4 {
            return self.account();
        }
        known[self.rng.random_range(0..known.len())]
    }

    /// Draws a merchant if one is known, otherwise an account.
    pub fn merchant(&mut self) -> EntityId {
        let known = self.world.book.borrow().merchants.clone();
        if known.is_empty() || self.rng.random_range(0..100) < 4 {
            return self.account();
        }
        known[self.rng.random_range(0..known.len())]
    }

    /// Draws an account, a wallet or a merchant.
    pub fn purse(&mut self) -> EntityId {
        match self.rng.random_range(0..10) {
            0..4 => self.wallet(),
            4..6 => self.merchant(),
            _ => self.account(),
        }
    }

    /// Returns the kind of an entity as far as the clients know it; sometimes a wrong one.
    pub fn kind_of(&mut self, id: EntityId) -> Kind {
        let right = {
            let book = self.world.book.borrow();
            if book.wallets.contains(&id) {
                Kind::Wallet
            } else if book.merchants.contains(&id) {
                Kind::Merchant
            } else {
                Kind::Account
            }
        };
        if self.rng.random_range(0..25) > 0 {
            return right;
        }
        let kinds = [Kind::Account, Kind::Wallet, Kind::Merchant];
        kinds[self.rng.random_range(0..kinds.len())]
    }

    /// Draws two to four accounts, wallets and merchants.
    pub fn ends(&mut self) -> Vec<EntityId> {
        let count = self.rng.random_range(2..5);
        (0..count).map(|_| self.purse()).collect()
    }

    /// Draws two of these ends, mostly with the same currency; sometimes any two.
    pub fn pair(&mut self, ends: &[EntityId]) -> (EntityId, EntityId) {
        if self.rng.random_range(0..12) == 0 {
            return (self.purse(), self.purse());
        }
        let from = ends[self.rng.random_range(0..ends.len())];
        let others: Vec<EntityId> = {
            let book = self.world.book.borrow();
            let currency = book.currencies.get(&from);
            let mut known: Vec<_> = book.currencies.iter().collect();
            known.retain(|(id, own)| Some(*own) == currency && **id != from);
            let fitting = known.into_iter().map(|(id, _)| *id);
            let (near, far): (Vec<_>, Vec<_>) = fitting.partition(|id| ends.contains(id));
            if near.is_empty() { far } else { near }
        };
        let to = match others.len() {
            0 => self.purse(),
            count => others[self.rng.random_range(0..count)],
        };
        (from, to)
    }

    /// Draws an amount that the source mostly has.
    pub fn small_amount(&mut self, from: EntityId, to: EntityId) -> Amount {
        if self.rng.random_range(0..5) == 0 {
            return self.amount(Some(from), Some(to));
        }
        Amount::new(self.rng.random_range(1..40)).unwrap()
    }

    /// Draws a transfer: mostly an existing one, more likely a recent one.
    pub fn transfer(&mut self) -> EntityId {
        let known = self.world.book.borrow().transfers.clone();
        if known.is_empty() || self.rng.random_range(0..100) < 5 {
            return if self.rng.random() {
                self.purse()
            } else {
                self.strange(known.last().map(|(id, _)| *id))
            };
        }
        let first = if self.rng.random_bool(0.6) {
            known.len().saturating_sub(6)
        } else {
            0
        };
        known[self.rng.random_range(first..known.len())].0
    }

    /// Draws one of three customers.
    pub fn customer(&mut self) -> EntityId {
        EntityId::from_parts(1, self.rng.random_range(0..3), 0)
    }

    /// Draws a limit of a wallet, or none.
    pub fn limit(&mut self) -> Option<Amount> {
        let limit = match self.rng.random_range(0..10) {
            0..4 => return None,
            4..6 => self.rng.random_range(1..100),
            6..9 => self.rng.random_range(50..1_000),
            _ => AMOUNT_MAX,
        };
        Some(Amount::new(limit).unwrap())
    }

    /// Draws an id that belongs to no account.
    fn strange(&mut self, near: Option<EntityId>) -> EntityId {
        let shard = near.map_or_else(|| self.rng.random(), EntityId::shard);
        match self.rng.random_range(0..4) {
            0 => Kind::External.system_id(Some(self.currency()), shard),
            1 => Kind::Numbering.system_id(None, shard),
            2 => {
                let history = self.world.history.borrow();
                match history.asked.last() {
                    Some(asked) => EntityId::from_bytes(asked.operation.to_bytes()),
                    None => EntityId::from_parts(1, 2, shard),
                }
            }
            _ => EntityId::from_parts(self.rng.random_range(0..9), self.rng.random(), shard),
        }
    }

    /// Draws a currency, mostly the same one.
    pub fn currency(&mut self) -> Currency {
        let code = match self.rng.random_range(0..10) {
            0..7 => "KES",
            7..9 => "USD",
            _ => "JPY",
        };
        code.parse().unwrap()
    }

    /// Draws the currency that a movement names, or none.
    pub fn named_currency(&mut self) -> Option<Currency> {
        let named = self.rng.random_bool(0.3);
        named.then(|| self.currency())
    }

    /// Draws an amount for a debit of `from` or a credit of `to`, often at a boundary.
    pub fn amount(&mut self, from: Option<EntityId>, to: Option<EntityId>) -> Amount {
        let (available, room, limits) = {
            let book = self.world.book.borrow();
            let limits: Vec<WalletLimits> = [from, to]
                .into_iter()
                .flatten()
                .filter_map(|id| book.limits.get(&id).copied())
                .collect();
            let money = |id: Option<EntityId>| id.and_then(|id| book.balances.get(&id).copied());
            let available = money(from).and_then(|money| money.available());
            let room = money(to).map(|money| AMOUNT_MAX as i64 - money.balance);
            (available.unwrap_or(1_000), room.unwrap_or(1_000), limits)
        };
        let limits: Vec<i64> = limits
            .iter()
            .flat_map(|limits| [limits.per_transaction, limits.per_day, limits.max_balance])
            .flatten()
            .map(Amount::signed)
            .collect();
        if !limits.is_empty() && self.rng.random_range(0..4) == 0 {
            let limit = limits[self.rng.random_range(0..limits.len())];
            let amount = match self.rng.random_range(0..4) {
                0 => limit,
                1 => limit.saturating_add(1),
                2 => limit / 2,
                _ => limit / 3 + 1,
            };
            return Amount::new(amount.clamp(1, AMOUNT_MAX as i64) as u64).unwrap();
        }
        let amount = match self.rng.random_range(0..20) {
            0..9 => self.rng.random_range(1..100),
            9..11 => self.rng.random_range(1..10_000),
            11..14 => available,
            14..16 => available.saturating_add(1),
            16 => room,
            17 => room.saturating_add(1),
            18 => AMOUNT_MAX as i64,
            _ => 1,
        };
        Amount::new(amount.clamp(1, AMOUNT_MAX as i64) as u64).unwrap()
    }

    /// Draws how far below zero an account may go.
    pub fn overdraft(&mut self) -> Overdraft {
        match self.rng.random_range(0..6) {
            0..3 => Overdraft::Limit(0),
            3 => Overdraft::Limit(self.rng.random_range(1..500)),
            4 => Overdraft::Limit(AMOUNT_MAX),
            _ => Overdraft::Unlimited,
        }
    }

    /// Draws one of a few references, or none.
    pub fn reference(&mut self) -> Option<String> {
        let number = self.rng.random_range(0..6);
        (number < 3).then(|| format!("reference {number}"))
    }

    /// Draws metadata pairs of the caller, rarely many of them.
    pub fn metadata(&mut self) -> Metadata {
        let pairs = match self.rng.random_range(0..40) {
            0 => 30,
            1..5 => 1,
            _ => 0,
        };
        let pairs = (0..pairs).map(|number| (format!("pair {number}"), "value ".repeat(15)));
        Metadata::new(pairs.collect()).unwrap()
    }

    /// Draws a request for a command, with everything that may come with one.
    pub fn request(&mut self, command: Command) -> Request {
        let version = command.routing_entity().and_then(|id| {
            let book = self.world.book.borrow();
            let about = book.about(id);
            book.balances.get(&about).map(|money| money.version)
        });
        let if_match = match (version, self.rng.random_range(0..20)) {
            (Some(version), 0..2) => Some(version),
            (Some(version), 2) => Some(version + 1),
            (Some(version), 3) => Some(version.saturating_sub(1)),
            _ => None,
        };
        let is_whole = matches!(command, Command::Transact(_) | Command::Batch(_));
        let if_match = if_match.filter(|_| !is_whole);
        let kind = match &command {
            Command::Deposit(_) | Command::Withdraw(_) if self.rng.random_bool(0.3) => {
                let id = command.routing_entity();
                id.map(|id| self.kind_of(id))
            }
            _ => None,
        };
        let asynchronous = command.moves_money() && self.rng.random_range(0..8) == 0;
        let key = self.rng.random_bool(0.35).then(|| {
            let number: u32 = self.rng.random_range(0..10_000);
            format!("key-{number}").into()
        });
        let wait = match self.rng.random_range(0..20) {
            0..17 => WAIT,
            17 => Duration::from_millis(self.rng.random_range(0..=3)),
            _ => Duration::from_millis(self.rng.random_range(3..=60)),
        };
        Request {
            command,
            caller: self.caller(),
            key,
            if_match,
            dry_run: self.rng.random_bool(0.08),
            kind,
            asynchronous,
            wait,
        }
    }

    fn caller(&mut self) -> Caller {
        if self.rng.random_bool(0.8) {
            return Caller::default();
        }
        serde_json::from_str("\"mallory\"").unwrap()
    }
}
