//! What routes refuse with, in groups that the table of routes shares.

use crate::codes::ProblemCode::{self, *};

pub(super) const UNAVAILABLE: &[ProblemCode] = &[
    Overloaded,
    ActorQuarantined,
    ViewBehind,
    ShuttingDown,
    ServiceUnavailable,
    OutcomeUnknown,
];
pub(super) const COMMAND: &[ProblemCode] = &[
    InvalidRequest,
    BodyTooLarge,
    UnsupportedMediaType,
    IdempotencyKeyReused,
    ActorFaulted,
    Overloaded,
    ActorQuarantined,
    DiskLow,
    ViewBehind,
    ShuttingDown,
    ServiceUnavailable,
    OutcomeUnknown,
    ConfirmationTimeout,
];
pub(super) const OF_ENTITY: &[ProblemCode] =
    &[InvalidId, NotFound, VersionMismatch, AccountDeleted];
pub(super) const OF_ENTITY_EVEN_DELETED: &[ProblemCode] = &[InvalidId, NotFound, VersionMismatch];
pub(super) const CREDIT: &[ProblemCode] = &[CurrencyMismatch, LimitExceeded, BalanceLimitExceeded];
pub(super) const DEBIT: &[ProblemCode] = &[
    AccountFrozen,
    CurrencyMismatch,
    LimitExceeded,
    InsufficientFunds,
    BalanceLimitExceeded,
];
pub(super) const WHOLE: &[ProblemCode] = &[InvalidId, BatchRejected];
pub(super) const PENDING: &[ProblemCode] = &[
    NotPending,
    AlreadyPosted,
    AlreadyVoided,
    AlreadyReversed,
    TransferExpired,
];
pub(super) const TRANSFER: &[ProblemCode] = &[SameAccount];
pub(super) const READ: &[ProblemCode] = &[InvalidRequest];
pub(super) const BY_ID: &[ProblemCode] = &[InvalidId, NotFound];
pub(super) const LIST: &[ProblemCode] = &[InvalidRequest, InvalidCursor];
pub(super) const BACKUP: &[ProblemCode] = &[
    InvalidRequest,
    BodyTooLarge,
    UnsupportedMediaType,
    BackupRefused,
    BackupFailed,
    JournalDamaged,
    ShuttingDown,
];
pub(super) const PAGE: &[ProblemCode] = &[Overloaded];

pub(super) const CARD_REFUSED: &[ProblemCode] = &[
    InvalidId,
    NotFound,
    AccountDeleted,
    AccountFrozen,
    LimitExceeded,
];
pub(super) const TASK: &[ProblemCode] = &[InvalidRequest, BodyTooLarge, UnsupportedMediaType];
pub(super) const REPLAY: &[ProblemCode] = &[ReplayRefused, DiskLow, ShuttingDown];
pub(super) const HISTORY_OF_EVENTS: &[ProblemCode] = &[InvalidId, JournalDamaged, ShuttingDown];
