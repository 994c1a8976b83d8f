//! What the model keeps of each entity, and how its owner sees it.

use std::collections::BTreeMap;
use std::rc::Rc;

use florin_actors::messages::{
    AccountStatus, AccountView, Amount, Balances, Country, Currency, EntityId, Kind, Metadata,
    Overdraft, Timestamp, TransferMade, TransferStatus, TransferView, WalletLimits, WalletView,
};

/// The money of an account or a wallet.
#[derive(Debug, Clone, PartialEq)]
pub struct Money {
    pub status: AccountStatus,
    pub currency: Currency,
    pub balance: i128,
    /// What its pending transfers set aside.
    pub held: i128,
    /// How far below zero it may go; `None`: without a floor.
    pub overdraft: Option<i128>,
    /// None for an account.
    pub limits: WalletLimits,
    /// What debits and holds took, by UTC day.
    pub taken: BTreeMap<i64, i128>,
}

/// An account as the contract describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    pub number: u64,
    pub opened: u64,
    pub created_at: Timestamp,
    pub holder: String,
    pub country: Country,
    pub reference: Option<String>,
    pub metadata: Metadata,
    pub money: Money,
    /// Whether the holder's name was erased.
    pub erased: bool,
}

/// A wallet as the contract describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Wallet {
    pub customer: EntityId,
    pub name: Option<String>,
    pub created_at: Timestamp,
    pub money: Money,
}

/// A transfer that is or was pending, or was reversed.
#[derive(Debug, Clone, PartialEq)]
pub struct Transfer {
    pub made: TransferMade,
    pub status: TransferStatus,
    pub was_pending: bool,
    pub posted: i128,
    /// What it still holds of its source.
    pub held: i128,
}

/// What an entity is, without its version.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    Account(Rc<Account>),
    Wallet(Rc<Wallet>),
    Transfer(Rc<Transfer>),
    /// The world outside: its balance.
    External(i128),
    /// A shard's numbers given out so far.
    Counter(u64),
}

/// One entity.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    pub version: u64,
    /// Its last record.
    pub last: u64,
    pub what: What,
}

/// The UTC day of a time, counted from 1970.
pub fn day(time: Timestamp) -> i64 {
    const MICROS: i64 = 24 * 60 * 60 * 1_000_000;
    time.as_micros().div_euclid(MICROS)
}

/// A floor in the words of messages.
pub fn plain(overdraft: Option<i128>) -> Overdraft {
    overdraft.map_or(Overdraft::Unlimited, |limit| {
        Overdraft::Limit(u64::try_from(limit).unwrap())
    })
}

/// A floor as the model counts.
pub fn floor(overdraft: Overdraft) -> Option<i128> {
    match overdraft {
        Overdraft::Limit(limit) => Some(i128::from(limit)),
        Overdraft::Unlimited => None,
    }
}

/// An amount as the model counts.
pub fn minor(amount: Amount) -> i128 {
    i128::from(amount.get())
}

impl Money {
    /// Of an entity that was just opened.
    pub fn new(currency: Currency, overdraft: Overdraft, limits: WalletLimits) -> Self {
        Self {
            status: AccountStatus::Active,
            currency,
            balance: 0,
            held: 0,
            overdraft: floor(overdraft),
            limits,
            taken: BTreeMap::new(),
        }
    }

    /// As its owner sees it at a version.
    pub fn balances(&self, version: u64) -> Balances {
        Balances {
            balance: i64::try_from(self.balance).unwrap(),
            held: i64::try_from(self.held).unwrap(),
            overdraft: plain(self.overdraft),
            version,
        }
    }

    /// A debit or hold takes so much of a day; what is given back is negative.
    pub fn take(&mut self, time: Timestamp, amount: i128) {
        *self.taken.entry(day(time)).or_default() += amount;
    }
}

impl Kept {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match &self.what {
            What::Account(_) => Kind::Account,
            What::Wallet(_) => Kind::Wallet,
            What::Transfer(_) => Kind::Transfer,
            What::External(_) => Kind::External,
            What::Counter(_) => Kind::Numbering,
        }
    }

    /// Its money, if callers may name it in a movement.
    pub fn money(&self) -> Option<&Money> {
        match &self.what {
            What::Account(account) => Some(&account.money),
            What::Wallet(wallet) => Some(&wallet.money),
            _ => None,
        }
    }

    /// The balances as its owner sees them.
    pub fn balances(&self) -> Option<Balances> {
        Some(self.money()?.balances(self.version))
    }

    /// The account as its owner sees it.
    pub fn view(&self, id: EntityId) -> Option<AccountView> {
        let What::Account(account) = &self.what else {
            return None;
        };
        Some(AccountView {
            id,
            number: account.number,
            opened: account.opened,
            country: account.country,
            currency: account.money.currency,
            status: account.money.status,
            balances: account.money.balances(self.version),
            reference: account.reference.clone(),
            metadata: account.metadata.clone(),
            created_at: account.created_at,
        })
    }

    /// The wallet as its owner sees it.
    pub fn wallet(&self, id: EntityId) -> Option<WalletView> {
        let What::Wallet(wallet) = &self.what else {
            return None;
        };
        Some(WalletView {
            id,
            customer: wallet.customer,
            name: wallet.name.clone(),
            currency: wallet.money.currency,
            status: wallet.money.status,
            balances: wallet.money.balances(self.version),
            limits: wallet.money.limits,
            created_at: wallet.created_at,
        })
    }
}

impl Transfer {
    /// One that moved everything in its first moment.
    pub fn at_once(made: &TransferMade) -> Self {
        Self {
            made: made.clone(),
            status: TransferStatus::Posted,
            was_pending: false,
            posted: minor(made.amount),
            held: 0,
        }
    }

    /// As its ends see it.
    pub fn view(&self, id: EntityId) -> TransferView {
        TransferView {
            id,
            status: self.status,
            posted_amount: u64::try_from(self.posted).unwrap(),
            made: self.made.clone(),
        }
    }
}
