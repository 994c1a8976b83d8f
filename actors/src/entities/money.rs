//! The money of an entity: its balances, its status, the steps that it takes, and the events that it
//! records. The rules are in `balance.rs` and `limits.rs`.

use serde::{Deserialize, Serialize};

use crate::words::{Amount, Currency, Overdraft, Timestamp};

/// An entity's balances right after a change, or now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balances {
    /// The posted balance, in minor units.
    pub balance: i64,
    /// The amount of the balance that pending transfers hold.
    pub held: i64,
    /// The overdraft limit.
    pub overdraft: Overdraft,
    /// The entity's version.
    pub version: u64,
}

impl Balances {
    /// Returns the amount that a debit may take: balance − held + overdraft limit. `None` if the
    /// overdraft is unlimited.
    pub const fn available(&self) -> Option<i64> {
        match self.overdraft {
            Overdraft::Limit(limit) => Some(self.balance - self.held + limit as i64),
            Overdraft::Unlimited => None,
        }
    }
}

/// An event of the money of an account, wallet or merchant.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum MoneyEvent {
    /// Money left the entity.
    Debited(Amount),
    /// Money reached the entity.
    Credited(Amount),
    /// A pending transfer holds this amount.
    Held(Amount),
    /// All or a part of a pending transfer was posted.
    HoldPosted {
        /// The amount that left the entity.
        amount: Amount,
        /// The amount that is no longer held: the posted amount and the amount released with it.
        freed: Amount,
        /// The time at which the hold was made.
        held_at: Timestamp,
    },
    /// The amount that a pending transfer held was released.
    HoldReleased {
        /// The amount that is no longer held.
        amount: Amount,
        /// The time at which the hold was made.
        held_at: Timestamp,
    },
}

impl MoneyEvent {
    /// Returns the amount that the event moved, in minor units, negative for a debit.
    pub const fn moved(&self) -> i64 {
        match self {
            Self::Debited(amount) | Self::HoldPosted { amount, .. } => -amount.signed(),
            Self::Credited(amount) => amount.signed(),
            Self::Held(_) | Self::HoldReleased { .. } => 0,
        }
    }
}

/// The status of an account, wallet or merchant, which says whether it may move money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AccountStatus {
    /// It may move money.
    Active,
    /// It takes credits only.
    Frozen,
    /// It can't move money any more, but it stays readable.
    Deleted,
}

impl AccountStatus {
    /// All statuses.
    pub const ALL: [Self; 3] = [Self::Active, Self::Frozen, Self::Deleted];

    /// Returns the status's public name, e.g. `ACTIVE`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Frozen => "FROZEN",
            Self::Deleted => "DELETED",
        }
    }
}

/// A step that moves or holds money. Every entity with a balance takes these.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MoneyStep {
    /// Debit this amount of this currency.
    Debit(Amount, Currency),
    /// Credit this amount of this currency.
    Credit(Amount, Currency),
    /// Hold this amount of this currency.
    Hold(Amount, Currency),
    /// Check that the entity can take this currency later. It changes nothing.
    Expect(Currency),
    /// Debit `amount` from the amount that is held since `held_at`.
    PostHold {
        /// The amount to debit.
        amount: Amount,
        /// The amount that is no longer held: the debited amount and the amount released with it.
        freed: Amount,
        /// The time at which the hold was made.
        held_at: Timestamp,
    },
    /// Release a held amount.
    ReleaseHold {
        /// The amount that is no longer held.
        amount: Amount,
        /// The time at which the hold was made.
        held_at: Timestamp,
    },
}

impl MoneyStep {
    /// Returns the currency that the step names: every step but those of an existing hold.
    pub const fn currency(&self) -> Option<Currency> {
        match self {
            Self::Debit(_, currency)
            | Self::Credit(_, currency)
            | Self::Hold(_, currency)
            | Self::Expect(currency) => Some(*currency),
            Self::PostHold { .. } | Self::ReleaseHold { .. } => None,
        }
    }

    /// Returns the amount that a posting of the step shows, in minor units, negative for a debit;
    /// `None` if the step makes no posting.
    pub const fn posted(&self) -> Option<i64> {
        match self {
            Self::Debit(amount, _) | Self::PostHold { amount, .. } => Some(-amount.signed()),
            Self::Credit(amount, _) => Some(amount.signed()),
            Self::Hold(..) | Self::ReleaseHold { .. } => Some(0),
            Self::Expect(_) => None,
        }
    }
}
