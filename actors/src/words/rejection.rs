//! Refusals: the answer that a rule forbids a command. A refusal is a value, not an error; nothing
//! moved.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::ids::EntityId;
use super::money::{Amount, Currency};

/// The code of the rule that refused a command. Callers rely on its name, and records on its
/// position in this enum: codes are appended, never reordered.
///
/// | code | HTTP | a later retry may succeed |
/// |---|---|---|
/// | `not_found` | 404 | once it exists |
/// | `version_mismatch` | 412 | with the current version |
/// | `account_deleted` | 409 | no |
/// | `account_frozen` | 409 | once unfrozen |
/// | `same_account` | 422 | no |
/// | `currency_mismatch` | 422 | no |
/// | `holds_open` | 409 | once the holds ended |
/// | `balance_not_zero` | 409 | once it is zero |
/// | `insufficient_funds` | 422 | with more money |
/// | `balance_limit_exceeded` | 422 | with a smaller amount |
/// | `idempotency_key_reused` | 422 | with another key |
/// | `deadline_exceeded` | 504 | yes, nothing was done |
/// | `actor_faulted` | 500 | no |
/// | `already_posted` | 409 | no |
/// | `already_voided` | 409 | no |
/// | `already_reversed` | 409 | no |
/// | `transfer_expired` | 409 | no |
/// | `not_pending` | 409 | no |
/// | `not_posted` | 409 | once it is posted |
/// | `not_reversible` | 409 | no |
/// | `amount_exceeds_hold` | 422 | with less |
/// | `limit_exceeded` | 422 | with less, or another day |
/// | `batch_rejected` | 422 | once the refused item is corrected |
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Code {
    /// The entity does not exist.
    NotFound,
    /// The entity has another version than the caller required.
    VersionMismatch,
    /// The account was deleted.
    AccountDeleted,
    /// The account is frozen and takes credits only.
    AccountFrozen,
    /// The source and the target are the same entity.
    SameAccount,
    /// The source or the target has another currency, or money may not move in the currency.
    CurrencyMismatch,
    /// The account still has holds.
    HoldsOpen,
    /// The account's balance is not zero.
    BalanceNotZero,
    /// The debit is greater than the available amount.
    InsufficientFunds,
    /// A balance would leave the range ±(2^53 − 1).
    BalanceLimitExceeded,
    /// The idempotency key was used before with another request.
    IdempotencyKeyReused,
    /// The command was not started before its deadline.
    DeadlineExceeded,
    /// The entity's code failed on this command.
    ActorFaulted,
    /// The transfer was posted already.
    AlreadyPosted,
    /// The transfer was voided already.
    AlreadyVoided,
    /// The transfer was reversed already.
    AlreadyReversed,
    /// The transfer's expiry time has passed.
    TransferExpired,
    /// The transfer was never pending.
    NotPending,
    /// The transfer has posted nothing, or nothing yet.
    NotPosted,
    /// The transaction can't be reversed.
    NotReversible,
    /// The amount to post is greater than the held amount.
    AmountExceedsHold,
    /// A wallet's limit forbids the movement, or no card number is free.
    LimitExceeded,
    /// An item of an atomic batch, or a leg of a transaction, was refused.
    BatchRejected,
}

impl Code {
    /// All codes.
    pub const ALL: [Self; 23] = [
        Self::NotFound,
        Self::VersionMismatch,
        Self::AccountDeleted,
        Self::AccountFrozen,
        Self::SameAccount,
        Self::CurrencyMismatch,
        Self::HoldsOpen,
        Self::BalanceNotZero,
        Self::InsufficientFunds,
        Self::BalanceLimitExceeded,
        Self::IdempotencyKeyReused,
        Self::DeadlineExceeded,
        Self::ActorFaulted,
        Self::AlreadyPosted,
        Self::AlreadyVoided,
        Self::AlreadyReversed,
        Self::TransferExpired,
        Self::NotPending,
        Self::NotPosted,
        Self::NotReversible,
        Self::AmountExceedsHold,
        Self::LimitExceeded,
        Self::BatchRejected,
    ];

    /// Returns the code's stable name, e.g. `insufficient_funds`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::VersionMismatch => "version_mismatch",
            Self::AccountDeleted => "account_deleted",
            Self::AccountFrozen => "account_frozen",
            Self::SameAccount => "same_account",
            Self::CurrencyMismatch => "currency_mismatch",
            Self::HoldsOpen => "holds_open",
            Self::BalanceNotZero => "balance_not_zero",
            Self::InsufficientFunds => "insufficient_funds",
            Self::BalanceLimitExceeded => "balance_limit_exceeded",
            Self::IdempotencyKeyReused => "idempotency_key_reused",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::ActorFaulted => "actor_faulted",
            Self::AlreadyPosted => "already_posted",
            Self::AlreadyVoided => "already_voided",
            Self::AlreadyReversed => "already_reversed",
            Self::TransferExpired => "transfer_expired",
            Self::NotPending => "not_pending",
            Self::NotPosted => "not_posted",
            Self::NotReversible => "not_reversible",
            Self::AmountExceedsHold => "amount_exceeds_hold",
            Self::LimitExceeded => "limit_exceeded",
            Self::BatchRejected => "batch_rejected",
        }
    }

    /// Returns the code's rank. If several rules refuse a command, the refusal with the lowest rank
    /// is reported. Rules that look deeper into the entity's state come later, and the target's
    /// limits come last of these.
    pub const fn rank(self) -> u8 {
        match self {
            Self::IdempotencyKeyReused => 0,
            Self::NotFound => 1,
            Self::VersionMismatch => 2,
            Self::AccountDeleted => 3,
            Self::AccountFrozen => 4,
            Self::SameAccount => 5,
            Self::CurrencyMismatch => 6,
            Self::HoldsOpen => 7,
            Self::BalanceNotZero => 8,
            Self::AlreadyPosted
            | Self::AlreadyVoided
            | Self::AlreadyReversed
            | Self::TransferExpired
            | Self::NotPending
            | Self::NotPosted
            | Self::NotReversible
            | Self::AmountExceedsHold => 9,
            Self::LimitExceeded => 10,
            Self::InsufficientFunds => 11,
            Self::BalanceLimitExceeded => 12,
            Self::DeadlineExceeded => 13,
            Self::ActorFaulted => 14,
            Self::BatchRejected => 15,
        }
    }

    /// Returns whether an outcome with this code is stored under its idempotency key.
    pub const fn is_stored(self) -> bool {
        !matches!(
            self,
            Self::NotFound | Self::IdempotencyKeyReused | Self::DeadlineExceeded
        )
    }
}

/// A refusal: the code of the rule, and a sentence for the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// The code of the rule that refused the command.
    pub code: Code,
    /// A sentence for the caller: the request, and the reason why it was refused.
    pub detail: Cow<'static, str>,
    /// The item of an atomic batch, or the leg of a transaction, that was refused.
    pub item: Option<FailedItem>,
    /// The subject of the refusal as data, in addition to the sentence. It is boxed because only
    /// the records of refusals hold it.
    about: Option<Box<About>>,
}

/// The subject of a refusal as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct About {
    /// The entity whose rule refused the command.
    entity: Option<EntityId>,
    /// The limit that would be exceeded.
    limit: Option<LimitName>,
    /// The money that the command would have moved.
    moving: Option<Moving>,
}

/// A limit that a refusal names. Callers rely on its name, and records on its position in this
/// enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LimitName {
    /// A wallet's limit for one transaction.
    PerTransaction,
    /// A wallet's limit for a UTC day.
    PerDay,
    /// A wallet's limit for its balance.
    MaxBalance,
    /// The bounds of every balance, ±(2^53 − 1).
    BalanceRange,
}

impl LimitName {
    /// All limits.
    pub const ALL: [Self; 4] = [
        Self::PerTransaction,
        Self::PerDay,
        Self::MaxBalance,
        Self::BalanceRange,
    ];

    /// Returns the limit's stable name, e.g. `max_balance`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PerTransaction => "per_transaction",
            Self::PerDay => "per_day",
            Self::MaxBalance => "max_balance",
            Self::BalanceRange => "balance_range",
        }
    }
}

/// The money that a refused command would have moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moving {
    /// The amount.
    pub amount: Amount,
    /// The amount's currency.
    pub currency: Currency,
}

/// The item or leg because of which a whole batch or transaction was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedItem {
    /// The index of the item or leg, from 0.
    pub index: u32,
    /// The code of the rule that refused the item or leg.
    pub code: Code,
}

impl Rejection {
    /// Creates a refusal with its sentence.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
            item: None,
            about: None,
        }
    }

    /// Names the entity whose rule refused the command, unless an entity is named already.
    #[must_use]
    pub fn about(mut self, entity: EntityId) -> Self {
        self.about
            .get_or_insert_default()
            .entity
            .get_or_insert(entity);
        self
    }

    /// Names the limit that would be exceeded.
    #[must_use]
    pub fn past(mut self, limit: LimitName) -> Self {
        self.about.get_or_insert_default().limit = Some(limit);
        self
    }

    /// Names the money that the command would have moved.
    #[must_use]
    pub fn moving(mut self, moving: Moving) -> Self {
        self.about.get_or_insert_default().moving = Some(moving);
        self
    }

    /// Returns the entity whose rule refused the command: an account, a wallet, a transfer or a
    /// card. `None` if the refusal is not about an entity, e.g. for an idempotency key that was
    /// used before.
    pub fn entity(&self) -> Option<EntityId> {
        self.about.as_ref()?.entity
    }

    /// Returns the limit that would be exceeded.
    pub fn limit(&self) -> Option<LimitName> {
        self.about.as_ref()?.limit
    }

    /// Returns the money that the command would have moved. `None` if the command makes several
    /// movements or none, or if the currency is not known.
    pub fn would_move(&self) -> Option<Moving> {
        self.about.as_ref()?.moving
    }

    /// Creates the refusal of a whole batch or transaction because of one of its items or legs.
    pub fn of_item(index: u32, item: Self) -> Self {
        Self {
            code: Code::BatchRejected,
            detail: item.detail,
            item: Some(FailedItem {
                index,
                code: item.code,
            }),
            about: item.about.map(|about| {
                // The whole batch would have moved more than this item.
                let moving = None;
                Box::new(About { moving, ..*about })
            }),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.detail)
    }
}
