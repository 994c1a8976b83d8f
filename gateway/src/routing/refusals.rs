//! The problems of routes, in groups that the tables of routes share.

use crate::http::ProblemCode::{self, *};

pub const UNAVAILABLE: &[ProblemCode] = &[
    Overloaded,
    ActorQuarantined,
    JournalDamaged,
    ViewBehind,
    ShuttingDown,
    ServiceUnavailable,
    OutcomeUnknown,
];
pub const COMMAND: &[ProblemCode] = &[
    InvalidRequest,
    BodyTooLarge,
    UnsupportedMediaType,
    IdempotencyKeyReused,
    ActorFaulted,
    Overloaded,
    ActorQuarantined,
    JournalDamaged,
    DiskLow,
    ViewBehind,
    ShuttingDown,
    ServiceUnavailable,
    OutcomeUnknown,
    ConfirmationTimeout,
];
pub const OF_ENTITY: &[ProblemCode] = &[InvalidId, NotFound, VersionMismatch, AccountDeleted];
pub const OF_ENTITY_EVEN_DELETED: &[ProblemCode] = &[InvalidId, NotFound, VersionMismatch];
pub const CREDIT: &[ProblemCode] = &[CurrencyMismatch, LimitExceeded, BalanceLimitExceeded];
pub const DEBIT: &[ProblemCode] = &[
    AccountFrozen,
    CurrencyMismatch,
    LimitExceeded,
    InsufficientFunds,
    BalanceLimitExceeded,
];
pub const ID_IN_BODY: &[ProblemCode] = &[InvalidId];
/// The path has a kind of actor that does not exist, so no route has this path.
pub const NO_SUCH_KIND: &[ProblemCode] = &[RouteNotFound];
pub const WHOLE: &[ProblemCode] = &[InvalidId, BatchRejected];
pub const PENDING: &[ProblemCode] = &[
    NotPending,
    AlreadyPosted,
    AlreadyVoided,
    AlreadyReversed,
    TransferExpired,
];
pub const TRANSFER: &[ProblemCode] = &[SameAccount];
pub const READ: &[ProblemCode] = &[InvalidRequest];
pub const BY_ID: &[ProblemCode] = &[InvalidId, NotFound];
pub const LIST: &[ProblemCode] = &[InvalidRequest, InvalidCursor];
pub const BACKUP: &[ProblemCode] = &[
    InvalidRequest,
    BodyTooLarge,
    UnsupportedMediaType,
    BackupRefused,
    BackupFailed,
    JournalDamaged,
    ShuttingDown,
];
pub const PAGE: &[ProblemCode] = &[Overloaded];

pub const CARD_REFUSED: &[ProblemCode] = &[
    InvalidId,
    NotFound,
    AccountDeleted,
    AccountFrozen,
    LimitExceeded,
];
pub const TASK: &[ProblemCode] = &[InvalidRequest, BodyTooLarge, UnsupportedMediaType];
pub const REPLAY: &[ProblemCode] = &[ReplayRefused, DiskLow, ServiceUnavailable, ShuttingDown];
pub const HISTORY_OF_EVENTS: &[ProblemCode] =
    &[InvalidId, JournalDamaged, ServiceUnavailable, ShuttingDown];
