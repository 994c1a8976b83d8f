//! Refusals: a rule said no. A value, not an error; nothing moved.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Which rule said no. Stable outside by its name, inside by its place: appended, never reordered.
///
/// | code | HTTP | a later retry may succeed |
/// |---|---|---|
/// | `not_found` | 404 | once it exists |
/// | `version_mismatch` | 412 | with the present version |
/// | `account_deleted` | 409 | no |
/// | `account_frozen` | 409 | once unfrozen |
/// | `same_account` | 422 | no |
/// | `currency_mismatch` | 422 | no |
/// | `holds_open` | 409 | once the holds ended |
/// | `balance_not_zero` | 409 | once it is zero |
/// | `insufficient_funds` | 422 | with more money |
/// | `balance_limit_exceeded` | 422 | with less money there |
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
/// | `batch_rejected` | 422 | with another item |
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Code {
    /// No such entity.
    NotFound,
    /// The entity has another version than the caller asked for.
    VersionMismatch,
    /// The account was deleted.
    AccountDeleted,
    /// The account is frozen: credits only.
    AccountFrozen,
    /// Both ends are the same.
    SameAccount,
    /// An end has another currency.
    CurrencyMismatch,
    /// The account still has holds.
    HoldsOpen,
    /// The account still has money, or owes it.
    BalanceNotZero,
    /// Less is available than the debit takes.
    InsufficientFunds,
    /// A balance would leave ±(2^53 − 1).
    BalanceLimitExceeded,
    /// The key came before with another request.
    IdempotencyKeyReused,
    /// The command was not begun before its deadline.
    DeadlineExceeded,
    /// The entity's own code failed on this command.
    ActorFaulted,
    /// The transfer was posted already.
    AlreadyPosted,
    /// The transfer was voided already.
    AlreadyVoided,
    /// The transfer was reversed already.
    AlreadyReversed,
    /// The transfer's time is over.
    TransferExpired,
    /// The transfer was never pending.
    NotPending,
    /// The transfer posted nothing, or not yet.
    NotPosted,
    /// The transaction can't be reversed.
    NotReversible,
    /// More is to be posted than is held.
    AmountExceedsHold,
    /// A wallet's limit forbids it.
    LimitExceeded,
    /// An item of an atomic batch, or a leg of a transaction, was refused.
    BatchRejected,
}

impl Code {
    /// Every code.
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

    /// The code's stable name, as `insufficient_funds`.
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

    /// When several rules say no, the one with the lowest rank is told: what is deeper in the
    /// entity's state comes later, the target's limits last.
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

    /// Whether an outcome with this code is kept under its idempotency key.
    pub const fn is_stored(self) -> bool {
        !matches!(
            self,
            Self::NotFound | Self::IdempotencyKeyReused | Self::DeadlineExceeded
        )
    }
}

/// A rule's no, and its sentence for the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// Which rule.
    pub code: Code,
    /// A sentence for the caller: what was asked, what stood against it.
    pub detail: Cow<'static, str>,
    /// Which item of an atomic batch, or which leg, was refused, and by which rule.
    pub item: Option<FailedItem>,
}

/// The item that a batch was refused for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedItem {
    /// Its place, from 0.
    pub index: u32,
    /// Which rule refused it.
    pub code: Code,
}

impl Rejection {
    /// A refusal with its sentence.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
            item: None,
        }
    }

    /// The refusal of a whole batch or transaction for one of its items or legs.
    pub fn of_item(index: u32, item: Self) -> Self {
        Self {
            code: Code::BatchRejected,
            detail: item.detail,
            item: Some(FailedItem {
                index,
                code: item.code,
            }),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.detail)
    }
}
