//! What is answered: entities as a caller sees them, before anything is put into JSON.

use serde::{Deserialize, Serialize};

use super::events::{AccountStatus, TransferMade};
use super::ids::{EntityId, OperationId};
use super::iso::Country;
use super::money::{Currency, Overdraft, WalletLimits};
use super::rejection::Rejection;
use super::text::Metadata;
use super::time::Timestamp;

/// An entity's money right after a change, or now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balances {
    /// What is posted, in minor units.
    pub balance: i64,
    /// What pending transfers hold of it.
    pub held: i64,
    /// How far below zero it may go.
    pub overdraft: Overdraft,
    /// The entity's version.
    pub version: u64,
}

impl Balances {
    /// What a debit may take: balance − held + overdraft limit; `None` without a limit.
    pub const fn available(&self) -> Option<i64> {
        match self.overdraft {
            Overdraft::Limit(limit) => Some(self.balance - self.held + limit as i64),
            Overdraft::Unlimited => None,
        }
    }
}

/// An account as its owner sees it; the holder's name lies in the personal row of the record that
/// opened it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountView {
    /// The account.
    pub id: EntityId,
    /// Its number: the shard's counter × 256 + shard.
    pub number: u64,
    /// The record that opened it.
    pub opened: u64,
    /// The holder's country.
    pub country: Country,
    /// Its one currency.
    pub currency: Currency,
    /// May it move money?
    pub status: AccountStatus,
    /// Its money.
    pub balances: Balances,
    /// The caller's own name for it.
    pub reference: Option<String>,
    /// The caller's own pairs.
    pub metadata: Metadata,
    /// When it was opened.
    pub created_at: Timestamp,
}

/// A wallet as its owner sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WalletView {
    /// The wallet.
    pub id: EntityId,
    /// Whose it is.
    pub customer: EntityId,
    /// A label.
    pub name: Option<String>,
    /// Its one currency.
    pub currency: Currency,
    /// May it move money?
    pub status: AccountStatus,
    /// Its money.
    pub balances: Balances,
    /// What may move at a time, in a day, and gather.
    pub limits: WalletLimits,
    /// When it was opened.
    pub created_at: Timestamp,
}

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TransferStatus {
    /// Its source holds the money.
    Pending,
    /// It moved the money, or a part of it.
    Posted,
    /// It was voided before anything moved.
    Voided,
    /// Its time was over before anything moved.
    Expired,
    /// It was posted, and its opposite was made.
    Reversed,
}

impl TransferStatus {
    /// Every status.
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::Posted,
        Self::Voided,
        Self::Expired,
        Self::Reversed,
    ];

    /// The status's name outside, as `pending`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Posted => "posted",
            Self::Voided => "voided",
            Self::Expired => "expired",
            Self::Reversed => "reversed",
        }
    }
}

/// A transfer as its ends see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransferView {
    /// The transfer.
    pub id: EntityId,
    /// How far it is.
    pub status: TransferStatus,
    /// How much was moved, in minor units.
    pub posted_amount: u64,
    /// What it is from its first moment.
    pub made: TransferMade,
}

/// A transfer's ends and what became of it, as the answer to a command about it shows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TransferEnds {
    /// The transfer.
    pub id: EntityId,
    /// How far it is.
    pub status: TransferStatus,
    /// Its source, and the balances right after.
    pub from: (EntityId, Balances),
    /// Its target, and the balances right after, where the command looked at them.
    pub to: (EntityId, Option<Balances>),
}

/// What a command's answer shows, where the record's changes alone don't tell it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Shown {
    /// An account as it was afterwards.
    Account(AccountView),
    /// A wallet as it was afterwards.
    Wallet(WalletView),
    /// A transfer's ends as they were afterwards.
    Transfer(TransferEnds),
    /// The items of a batch that were not simply done, with their places, in order.
    Batch(Vec<(u32, ItemResult)>),
}

/// What became of an item that was not simply done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ItemResult {
    /// A rule forbade it.
    Refused(Rejection),
    /// Its key came before: this transfer was made then.
    Replayed(EntityId, TransferStatus),
    /// Its key came before, and was so refused then: this record settles nothing of it.
    RefusedBefore(Rejection),
}

/// One movement of an entity's history.
#[derive(Debug, Clone, PartialEq)]
pub struct Movement {
    /// The transaction, which is the operation that made it.
    pub transaction_id: OperationId,
    /// `deposit`, `withdrawal` or `transfer`.
    pub transaction_type: &'static str,
    /// Minor units, negative for a debit.
    pub amount: i64,
    /// The balance right after.
    pub balance_after: i64,
    /// The entity's version right after.
    pub version: u64,
    /// The other end; `None` for the world outside.
    pub counterparty: Option<EntityId>,
    /// The caller's own name for it.
    pub reference: Option<String>,
    /// The caller's own pairs.
    pub metadata: Metadata,
    /// When it was recorded.
    pub timestamp: Timestamp,
}
