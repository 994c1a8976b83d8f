//! What entities record of themselves: one enum of events a kind of entity.
//!
//! These are the journal's facts. Variants and fields are appended, never reordered or removed:
//! a record is read by its position in these enums.

use serde::{Deserialize, Serialize};

use super::ids::EntityId;
use super::iso::Country;
use super::money::{Amount, Currency, Overdraft, WalletLimits};
use super::personal::Personal;
use super::text::Metadata;
use super::time::Timestamp;

/// The kinds of entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// Money of a client.
    Account,
    /// The world outside: the other end of deposits and withdrawals, one a currency and shard.
    External,
    /// The counter of account numbers, one a shard.
    Numbering,
    /// Money of a customer, with limits.
    Wallet,
    /// A transfer that was pending, or was reversed.
    Transfer,
}

impl Kind {
    /// Every kind, for metrics and lists.
    pub const ALL: [Self; 5] = [
        Self::Account,
        Self::External,
        Self::Numbering,
        Self::Wallet,
        Self::Transfer,
    ];

    /// The kind's name outside, as `account`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::External => "external",
            Self::Numbering => "numbering",
            Self::Wallet => "wallet",
            Self::Transfer => "transfer",
        }
    }

    /// The only entity of this kind for a currency (or none) in a shard; its id follows from
    /// these alone, so that it needs no look-up.
    pub fn system_id(self, currency: Option<Currency>, shard: u8) -> EntityId {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"florin system entity");
        hasher.update(self.name().as_bytes());
        if let Some(currency) = currency {
            hasher.update(currency.recorded().to_string().as_bytes());
        }
        let mut random = [0; 16];
        random.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        EntityId::from_parts(0, u128::from_be_bytes(random), shard)
    }
}

/// One fact about one entity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// Of an account.
    Account(AccountEvent),
    /// Of an external account.
    External(ExternalEvent),
    /// Of a counter of account numbers.
    Numbering(NumberingEvent),
    /// Of a wallet.
    Wallet(WalletEvent),
    /// Of a transfer.
    Transfer(TransferEvent),
}

impl Event {
    /// The kind of entity that this happened to.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Account(_) => Kind::Account,
            Self::External(_) => Kind::External,
            Self::Numbering(_) => Kind::Numbering,
            Self::Wallet(_) => Kind::Wallet,
            Self::Transfer(_) => Kind::Transfer,
        }
    }

    /// What happened to the money of an entity that callers may name.
    pub const fn money(&self) -> Option<&MoneyEvent> {
        match self {
            Self::Account(AccountEvent::Money(money)) | Self::Wallet(WalletEvent::Money(money)) => {
                Some(money)
            }
            _ => None,
        }
    }

    /// What it moved, in minor units: negative for a debit.
    pub const fn moved(&self) -> i64 {
        match self {
            Self::External(ExternalEvent::Credited(amount)) => amount.signed(),
            Self::External(ExternalEvent::Debited(amount)) => -amount.signed(),
            _ => match self.money() {
                Some(money) => money.moved(),
                None => 0,
            },
        }
    }
}

/// What happens to the money of an account or a wallet.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum MoneyEvent {
    /// Money left it.
    Debited(Amount),
    /// Money reached it.
    Credited(Amount),
    /// A pending transfer holds some of it.
    Held(Amount),
    /// A pending transfer was posted, or a part of it.
    HoldPosted {
        /// What left.
        amount: Amount,
        /// What is no longer held: that, and what was released with it.
        freed: Amount,
        /// When the hold was made.
        held_at: Timestamp,
    },
    /// What a pending transfer held was released.
    HoldReleased {
        /// What is no longer held.
        amount: Amount,
        /// When the hold was made.
        held_at: Timestamp,
    },
}

impl MoneyEvent {
    /// What it moved, in minor units: negative for a debit.
    pub const fn moved(&self) -> i64 {
        match self {
            Self::Debited(amount) | Self::HoldPosted { amount, .. } => -amount.signed(),
            Self::Credited(amount) => amount.signed(),
            Self::Held(_) | Self::HoldReleased { .. } => 0,
        }
    }
}

/// May an account move money?
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AccountStatus {
    /// Yes.
    Active,
    /// Credits only.
    Frozen,
    /// No longer; it stays readable.
    Deleted,
}

impl AccountStatus {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Active, Self::Frozen, Self::Deleted];

    /// The status's name outside, as `ACTIVE`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Frozen => "FROZEN",
            Self::Deleted => "DELETED",
        }
    }
}

/// What an account is from its first day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    /// The account's number: the shard's counter × 256 + shard.
    pub number: u64,
    /// The holder's name, sealed.
    pub holder: Personal,
    /// The holder's country.
    pub country: Country,
    /// The account's one currency.
    pub currency: Currency,
    /// How far below zero it may go.
    pub overdraft: Overdraft,
    /// The caller's own name for it.
    pub reference: Option<String>,
    /// The caller's own pairs.
    pub metadata: Metadata,
}

/// A fact about an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum AccountEvent {
    /// It was opened.
    Opened(Box<Opened>),
    /// It was frozen, unfrozen or deleted.
    StatusChanged(AccountStatus),
    /// Its overdraft limit was changed.
    OverdraftChanged(Overdraft),
    /// Something happened to its money.
    Money(MoneyEvent),
    /// Its personal values were erased: those beside this record, the one that opened it.
    PersonalErased(u64),
}

/// A fact about an external account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ExternalEvent {
    /// It came into being with its first posting.
    Opened(Currency),
    /// Money came in from outside.
    Debited(Amount),
    /// Money went out.
    Credited(Amount),
}

/// A fact about a counter of account numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum NumberingEvent {
    /// The counter's next value was given out.
    Issued(u64),
}

/// What a wallet is from its first day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WalletOpened {
    /// Whose it is.
    pub customer: EntityId,
    /// A label.
    pub name: Option<String>,
    /// The wallet's one currency.
    pub currency: Currency,
    /// How far below zero it may go.
    pub overdraft: Overdraft,
    /// What may move at a time, in a day, and gather.
    pub limits: WalletLimits,
}

/// A fact about a wallet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum WalletEvent {
    /// It was opened.
    Opened(Box<WalletOpened>),
    /// It was frozen or unfrozen.
    StatusChanged(AccountStatus),
    /// Its overdraft limit was changed.
    OverdraftChanged(Overdraft),
    /// Its limits were changed.
    LimitsChanged(WalletLimits),
    /// Something happened to its money.
    Money(MoneyEvent),
}

/// What a transfer is from its first moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransferMade {
    /// Where it is taken.
    pub from: EntityId,
    /// Where it goes.
    pub to: EntityId,
    /// How much.
    pub amount: Amount,
    /// The currency of both.
    pub currency: Currency,
    /// From then on it can't be posted.
    pub expires_at: Option<Timestamp>,
    /// The caller's own name for it.
    pub reference: Option<String>,
    /// The caller's own pairs.
    pub metadata: Metadata,
    /// When it was made.
    pub made_at: Timestamp,
}

/// A fact about a transfer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum TransferEvent {
    /// It was made, and holds its amount.
    Pending(Box<TransferMade>),
    /// It was posted, or a part of it; what is `freed` is no longer held, and the transfer has
    /// ended once nothing is.
    Posted {
        /// What moved.
        amount: Amount,
        /// What is no longer held: that, and what was released with it.
        freed: Amount,
    },
    /// It was voided.
    Voided,
    /// Its time was over.
    Expired,
    /// It had been made at once, without a hold: noted when it is reversed.
    Immediate(Box<TransferMade>),
    /// Its opposite was made.
    Reversed,
}
