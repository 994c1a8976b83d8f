//! The state that the model keeps of each entity, and the entity's view for its owner.

use std::collections::BTreeMap;
use std::rc::Rc;

use florin_actors::messages::{
    AccountStatus, AccountView, Amount, Balances, Country, Currency, EntityId, Kind, MerchantView,
    Metadata, Overdraft, Timestamp, TransferMade, TransferStatus, TransferView, WalletLimits,
    WalletView,
};

/// The money of an account or a wallet.
#[derive(Debug, Clone, PartialEq)]
pub struct Money {
    pub status: AccountStatus,
    pub currency: Currency,
    pub balance: i128,
    /// The amount that its pending transfers hold.
    pub held: i128,
    /// How far below zero the balance may go. `None` means without a floor.
    pub overdraft: Option<i128>,
    /// The limits of a wallet. An account has none.
    pub limits: WalletLimits,
    /// The amounts that debits and holds took, by UTC day.
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
    /// Set if the holder's name was erased.
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

/// A merchant as the contract describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Merchant {
    pub opened: u64,
    pub created_at: Timestamp,
    /// The name and the e-mail address.
    pub personal: Vec<String>,
    pub money: Money,
    /// Set if the name and the e-mail address were erased.
    pub erased: bool,
}

/// A transfer that is or was pending, or was reversed.
#[derive(Debug, Clone, PartialEq)]
pub struct Transfer {
    pub made: TransferMade,
    pub status: TransferStatus,
    pub was_pending: bool,
    pub posted: i128,
    /// The amount that it still holds of its source.
    pub held: i128,
    /// The transfer that reversed it.
    pub reversed_by: Option<EntityId>,
}

/// The state of an entity, without its version.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    Account(Rc<Account>),
    Wallet(Rc<Wallet>),
    Merchant(Rc<Merchant>),
    Transfer(Rc<Transfer>),
    /// The outside world, with its balance.
    External(i128),
    /// The counter of the account numbers that a shard has given out.
    Counter(u64),
}

/// The state of one entity, with its version.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    pub version: u64,
    /// The sequence of the entity's last record.
    pub last: u64,
    pub what: What,
}

/// Returns the UTC day of a time, counted from 1970.
pub fn day(time: Timestamp) -> i64 {
    const MICROS: i64 = 24 * 60 * 60 * 1_000_000;
    time.as_micros().div_euclid(MICROS)
}

/// Converts a floor from the model's form to that of messages.
pub fn plain(overdraft: Option<i128>) -> Overdraft {
    overdraft.map_or(Overdraft::Unlimited, |limit| {
        Overdraft::Limit(u64::try_from(limit).unwrap())
    })
}

/// Converts a floor from the form of messages to the model's.
pub fn floor(overdraft: Overdraft) -> Option<i128> {
    match overdraft {
        Overdraft::Limit(limit) => Some(i128::from(limit)),
        Overdraft::Unlimited => None,
    }
}

/// Converts an amount to the model's form, in minor units.
pub fn minor(amount: Amount) -> i128 {
    i128::from(amount.get())
}

impl Money {
    /// Creates the money of an entity that was just opened.
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

    /// Returns the balances as the owner sees them at a version.
    pub fn balances(&self, version: u64) -> Balances {
        Balances {
            balance: i64::try_from(self.balance).unwrap(),
            held: i64::try_from(self.held).unwrap(),
            overdraft: plain(self.overdraft),
            version,
        }
    }

    /// Adds an amount that a debit or hold takes from the day of `time`. A release is negative.
    pub fn take(&mut self, time: Timestamp, amount: i128) {
        *self.taken.entry(day(time)).or_default() += amount;
    }
}

impl Kept {
    /// Returns the kind of the entity.
    pub fn kind(&self) -> Kind {
        match &self.what {
            What::Account(_) => Kind::Account,
            What::Wallet(_) => Kind::Wallet,
            What::Merchant(_) => Kind::Merchant,
            What::Transfer(_) => Kind::Transfer,
            What::External(_) => Kind::External,
            What::Counter(_) => Kind::Numbering,
        }
    }

    /// Returns the money of the entity, if callers may name it in a movement.
    pub fn money(&self) -> Option<&Money> {
        match &self.what {
            What::Account(account) => Some(&account.money),
            What::Wallet(wallet) => Some(&wallet.money),
            What::Merchant(merchant) => Some(&merchant.money),
            What::Transfer(_) | What::External(_) | What::Counter(_) => None,
        }
    }

    /// Returns the balances as the owner sees them.
    pub fn balances(&self) -> Option<Balances> {
        Some(self.money()?.balances(self.version))
    }

    /// Returns the account as its owner sees it.
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

    /// Returns the sequence of the record beside which the entity's personal values are or were,
    /// the values, and whether they were erased.
    pub fn personal(&self) -> Option<(u64, Vec<&str>, bool)> {
        match &self.what {
            What::Account(account) => Some((account.opened, vec![&account.holder], account.erased)),
            What::Merchant(merchant) => {
                let values = merchant.personal.iter().map(String::as_str).collect();
                Some((merchant.opened, values, merchant.erased))
            }
            What::Wallet(_) | What::Transfer(_) | What::External(_) | What::Counter(_) => None,
        }
    }

    /// Returns the merchant as its owner sees it.
    pub fn merchant(&self, id: EntityId) -> Option<MerchantView> {
        let What::Merchant(merchant) = &self.what else {
            return None;
        };
        Some(MerchantView {
            id,
            opened: merchant.opened,
            currency: merchant.money.currency,
            balances: merchant.money.balances(self.version),
            created_at: merchant.created_at,
        })
    }

    /// Returns the wallet as its owner sees it.
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
    /// Creates a transfer that moved its whole amount at once.
    pub fn at_once(made: &TransferMade) -> Self {
        Self {
            made: made.clone(),
            status: TransferStatus::Posted,
            was_pending: false,
            posted: minor(made.amount),
            held: 0,
            reversed_by: None,
        }
    }

    /// Returns the transfer as its ends see it.
    pub fn view(&self, id: EntityId) -> TransferView {
        TransferView {
            id,
            status: self.status,
            posted_amount: u64::try_from(self.posted).unwrap(),
            made: self.made.clone(),
            reversed_by: self.reversed_by,
        }
    }
}
