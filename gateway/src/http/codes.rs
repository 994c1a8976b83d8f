//! The table of all problem codes: status, title and page of each. `/problems/{code}`, the OpenAPI
//! document and `docs/reference/errors.md` are made from it.

use std::borrow::Cow;

use florin_actors::messages::Code;
use florin_actors::runtime::Unavailable;
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};
use warp::http::StatusCode;

/// Says whether the same request may be sent again. The status 503 alone does not say it: with two
/// of the 503 codes the outcome is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Retry)]
pub enum Retry {
    /// Nothing was done, and the same request will always be refused.
    Never,
    /// Nothing was done. The request may succeed after the cause that `detail` names has changed.
    /// Most of these refusals are stored under the idempotency key, so send the request again
    /// without a key or with a new one.
    AfterChange,
    /// Nothing was done, and the cause is temporary. The same request may be sent again, even
    /// without an idempotency key.
    Safe,
    /// The request may have been done. Send it again only with its idempotency key, or look up the
    /// operation that `operation_id` names. Without a key it may be done twice.
    OnlyWithKey,
}

impl Retry {
    /// Returns the value of a problem's field `retry`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::AfterChange => "after_change",
            Self::Safe => "safe",
            Self::OnlyWithKey => "only_with_key",
        }
    }
}

/// The facts about one code.
#[derive(Debug)]
struct Row {
    name: &'static str,
    slug: &'static str,
    status: u16,
    title: &'static str,
    retry: &'static str,
    page: &'static str,
}

macro_rules! codes {
    ($($variant:ident, $name:literal, $slug:literal, $status:literal, $title:literal, $retry:literal, $page:literal;)+) => {
        /// The reason why a request was not done. The names are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ProblemCode {
            $( #[doc = $page] $variant, )+
        }

        impl ProblemCode {
            /// All codes, in the order of the reference.
            pub const ALL: &[Self] = &[$( Self::$variant ),+];

            const fn row(self) -> &'static Row {
                match self {
                    $( Self::$variant => &Row {
                        name: $name,
                        slug: $slug,
                        status: $status,
                        title: $title,
                        retry: $retry,
                        page: $page,
                    }, )+
                }
            }
        }
    };
}

codes! {
    InvalidRequest, "invalid_request", "invalid-request", 400, "The request is malformed",
        "no, correct the request first",
        "A field, a header or a query parameter is missing, unknown, given twice or outside its allowed range, or the body is not a single JSON object. `field` names the one that is wrong.";
    InvalidId, "invalid_id", "invalid-id", 400, "The id is not a UUID",
        "no, correct the request first",
        "An id in the path, the query or the body is not a UUID in its hyphenated form. `field` names the id, unless it is the id in the path.";
    InvalidCursor, "invalid_cursor", "invalid-cursor", 400, "The cursor does not belong to this list",
        "no, start again with the first page",
        "The cursor was shortened or altered, or it comes from another list or from other filters. Send `next_cursor` back unchanged, with the same filters.";
    ForbiddenOrigin, "forbidden_origin", "forbidden-origin", 403, "The host or origin of the request is not allowed",
        "no, send it to a loopback address",
        "Florin has no authentication yet, so it serves only its own machine. `Host` must name `localhost` or a loopback address, and a web page of another origin (`Origin`, `Sec-Fetch-Site`) may not send requests. Nothing was done.";
    NotFound, "not_found", "not-found", 404, "The resource does not exist",
        "once it exists",
        "No entity, operation, transfer or transaction has this id. If an operation id is answered with 404 after a restart, the operation never took effect and never will.";
    RouteNotFound, "route_not_found", "route-not-found", 404, "There is no such route",
        "no",
        "No route of this server has this path. `/openapi.json` lists all routes.";
    MethodNotAllowed, "method_not_allowed", "method-not-allowed", 405, "The route does not support this method",
        "no, use a method that `Allow` names",
        "The path exists, but it does not support this method. The header `Allow` names the methods that it supports.";
    AccountDeleted, "account_deleted", "account-deleted", 409, "The account was deleted",
        "no",
        "A deleted account can still be read, but it can't be changed any more.";
    AccountFrozen, "account_frozen", "account-frozen", 409, "The account is frozen",
        "once it is unfrozen",
        "A frozen account accepts credits and refuses debits.";
    HoldsOpen, "holds_open", "holds-open", 409, "The account has open holds",
        "once the holds have ended",
        "Pending transfers still hold money of this account.";
    BalanceNotZero, "balance_not_zero", "balance-not-zero", 409, "The balance is not zero",
        "once it is zero",
        "An account can be deleted only if its balance is zero.";
    BackupRefused, "backup_refused", "backup-refused", 409, "The backup can't be started",
        "with another directory, or once the other backup has ended",
        "The directory is not empty, is in use or can't be created; another backup is running; or the server has another data directory than the request names. Nothing was written.";
    ReplayRefused, "replay_refused", "replay-refused", 409, "The replay can't be started now",
        "once the other replay has ended",
        "Another replay is running, this replay is already completed, or Kafka is not configured. Without Kafka there are no topics to publish to, so only dry runs are possible.";
    NotPending, "not_pending", "not-pending", 409, "The transfer was never pending",
        "no",
        "Only a transfer that was made with `pending: true` can be posted or voided. This transfer moved its money at once.";
    NotPosted, "not_posted", "not-posted", 409, "The transfer has posted nothing",
        "once it is posted",
        "A transfer that is pending, or that ended without moving money, can't be reversed.";
    NotReversible, "not_reversible", "not-reversible", 409, "The transaction can't be reversed",
        "no",
        "A transaction of several legs can't be reversed. Make the opposite transaction instead.";
    AlreadyPosted, "already_posted", "already-posted", 409, "The transfer was posted already",
        "no",
        "A pending transfer ends only once, and this transfer was posted.";
    AlreadyVoided, "already_voided", "already-voided", 409, "The transfer was voided already",
        "no",
        "A pending transfer ends only once, and this transfer was voided.";
    AlreadyReversed, "already_reversed", "already-reversed", 409, "The transfer was reversed already",
        "no",
        "A transfer can be reversed once. The reversal is a transfer too, and it can be reversed in turn.";
    TransferExpired, "transfer_expired", "transfer-expired", 409, "The transfer has expired",
        "no",
        "At `expires_at` a pending transfer expires. It can't be posted any more, and the amount that it held is released.";
    RedriveRefused, "redrive_refused", "redrive-refused", 409, "The dead letter can't be redriven now",
        "with a larger `kafka.redrives_max`, in the process that runs the consumer, or once the other redrive has ended",
        "The dead letter was redriven as often as `kafka.redrives_max` allows, its consumer runs in another process, or another redrive of it is running. The dead letter is kept.";
    VersionMismatch, "version_mismatch", "version-mismatch", 412, "The entity has another version",
        "with the current version",
        "`If-Match` names a version that the entity does not have, for example because another request changed the entity. Read the entity again before you repeat the request.";
    BodyTooLarge, "body_too_large", "body-too-large", 413, "The body is too large",
        "no, send a smaller request",
        "The body is larger than `gateway.body_bytes_max` (for a batch: `gateway.batch_bytes_max`), and the connection is closed after this answer. Or the request would create a record that is larger than `ledger.record_bytes_max`.";
    UnsupportedMediaType, "unsupported_media_type", "unsupported-media-type", 415, "The body is not declared as JSON",
        "no, correct the request first",
        "A request with a body needs the header `Content-Type: application/json`, and the body may not be compressed.";
    InsufficientFunds, "insufficient_funds", "insufficient-funds", 422, "The available amount is too small",
        "once more is available",
        "The debit is larger than the available amount. The available amount is the balance, minus the held amount, plus the overdraft limit.";
    AmountExceedsHold, "amount_exceeds_hold", "amount-exceeds-hold", 422, "The amount exceeds the hold",
        "with a smaller amount",
        "The amount to post may not be larger than the amount that the pending transfer still holds.";
    LimitExceeded, "limit_exceeded", "limit-exceeded", 422, "A limit would be exceeded",
        "with a smaller amount, or on another day",
        "The request would exceed a limit of the wallet: per transaction, per UTC day, or on its balance. A new card is refused with this code if no card number is free.";
    BatchRejected, "batch_rejected", "batch-rejected", 422, "One item was refused, so all items were refused",
        "once the refused item is corrected",
        "An atomic batch, or a transaction of several legs, is executed completely or not at all. `failed_index` names the item or leg that was refused, and `item_code` names the rule that refused it.";
    BalanceLimitExceeded, "balance_limit_exceeded", "balance-limit-exceeded", 422, "The balance would leave its allowed range",
        "with a smaller amount",
        "A balance stays within \u{b1}(2^53 \u{2212} 1) minor units.";
    CurrencyMismatch, "currency_mismatch", "currency-mismatch", 422, "The currencies differ",
        "no",
        "The currency in the request is not the currency of the entity, or the source and the target have different currencies.";
    SameAccount, "same_account", "same-account", 422, "The source and the target are the same",
        "no",
        "The source and the target of a transfer must be different.";
    IdempotencyKeyReused, "idempotency_key_reused", "idempotency-key-reused", 422, "The key was used for another request",
        "with another key",
        "This idempotency key was used before with a different request. Nothing was done for this request, and the outcome of the first request stays as it is.";
    ActorFaulted, "actor_faulted", "actor-faulted", 500, "The command failed because of an internal error",
        "no",
        "The code of an entity failed on this command, and no money moved. This is a bug in Florin; please report it. A repeat with the same idempotency key gets the same answer.";
    BackupFailed, "backup_failed", "backup-failed", 500, "The backup failed",
        "with another directory",
        "The disk of the backup reported an error or has too little free space. The files that were written there are not a backup; remove them.";
    JournalDamaged, "journal_damaged", "journal-damaged", 500, "The journal is damaged",
        "no",
        "A record that this request needs is not as it was written. Nothing of the record is shown, and nothing was done. The log and `/health` name the damaged file. Keep the data directory unchanged, and compare it with a backup.";
    Overloaded, "overloaded", "overloaded", 503, "The server is overloaded",
        "yes, after `Retry-After` seconds",
        "A limit on commands, connections or queued bytes is reached. The request was refused before it was started.";
    ActorQuarantined, "actor_quarantined", "actor-quarantined", 503, "An entity is out of service",
        "once an operator has resumed it",
        "An entity that this command needs failed too often, or its records can't be read. The command was not started. It may still be possible to read the entity.";
    DiskLow, "disk_low", "disk-low", 503, "The disk is nearly full",
        "once there is enough free space",
        "The free space is less than `disk.free_bytes_min`. The request was not started.";
    ViewBehind, "view_behind", "view-behind", 503, "The views are too far behind",
        "yes, after `Retry-After` seconds",
        "Lists and look-ups read from the views, and these are too far behind the journal. The request was not started.";
    ShuttingDown, "shutting_down", "shutting-down", 503, "The server is stopping",
        "yes, once the server runs again",
        "The server completes the work that it has accepted and accepts no new requests. This request was not started.";
    ServiceUnavailable, "service_unavailable", "service-unavailable", 503, "A required service is unavailable",
        "yes, after `Retry-After` seconds; if the request changes something, only with the same idempotency key",
        "The route belongs to a service that doesn't run in this process, and that service is not configured, can't be reached or didn't answer in time. Or the request needs Kafka, and the brokers can't be reached. `detail` names the cause. If another service didn't answer in time, it may still have executed the request.";
    OutcomeUnknown, "outcome_unknown", "outcome-unknown", 503, "The outcome is unknown",
        "yes, only with the same idempotency key",
        "The journal failed while the command was in flight. After the restart, `/operations/{operation_id}` shows the outcome. If it answers 404, the command never took effect and never will.";
    ConfirmationTimeout, "confirmation_timeout", "confirmation-timeout", 504, "The command was not confirmed in time",
        "yes, only with the same idempotency key",
        "The command was not confirmed within the wait time, but it may still be executed. `Location` names the operation that shows the outcome. The same request with the same idempotency key waits for the same command.";
    DeadlineExceeded, "deadline_exceeded", "deadline-exceeded", 504, "The command was not started in time",
        "yes, nothing was done",
        "An operation has this code if its command was not started before its deadline. The command was not executed and never will be.";
}

impl ProblemCode {
    /// Returns the value of a problem's field `code`, such as `insufficient_funds`.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// Returns the code as written in a path, such as `insufficient-funds`.
    pub const fn slug(self) -> &'static str {
        self.row().slug
    }

    /// Returns the HTTP status.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Returns a title of one line, for people.
    pub const fn title(self) -> &'static str {
        self.row().title
    }

    /// Returns, in words, when a retry may succeed.
    pub const fn retry_advice(self) -> &'static str {
        self.row().retry
    }

    /// Returns whether the same request may be sent again.
    pub const fn retry(self) -> Retry {
        match self {
            // Another process or the journal may have received the request, so it may have been
            // done.
            Self::ServiceUnavailable | Self::OutcomeUnknown | Self::ConfirmationTimeout => {
                Retry::OnlyWithKey
            }
            Self::Overloaded
            | Self::ActorQuarantined
            | Self::DiskLow
            | Self::ViewBehind
            | Self::ShuttingDown
            | Self::DeadlineExceeded => Retry::Safe,
            Self::NotFound
            | Self::AccountFrozen
            | Self::HoldsOpen
            | Self::BalanceNotZero
            | Self::BackupRefused
            | Self::ReplayRefused
            | Self::NotPosted
            | Self::RedriveRefused
            | Self::VersionMismatch
            | Self::InsufficientFunds
            | Self::AmountExceedsHold
            | Self::LimitExceeded
            | Self::BatchRejected
            | Self::BalanceLimitExceeded
            | Self::BackupFailed => Retry::AfterChange,
            Self::InvalidRequest
            | Self::InvalidId
            | Self::InvalidCursor
            | Self::RouteNotFound
            | Self::MethodNotAllowed
            | Self::AccountDeleted
            | Self::NotPending
            | Self::NotReversible
            | Self::AlreadyPosted
            | Self::AlreadyVoided
            | Self::AlreadyReversed
            | Self::TransferExpired
            | Self::BodyTooLarge
            | Self::UnsupportedMediaType
            | Self::CurrencyMismatch
            | Self::SameAccount
            | Self::IdempotencyKeyReused
            | Self::ActorFaulted
            | Self::ForbiddenOrigin
            | Self::JournalDamaged => Retry::Never,
        }
    }

    /// Returns the explanation of the code and what to do about it, in Markdown.
    pub const fn page(self) -> &'static str {
        self.row().page
    }

    /// Returns the code that has this slug.
    pub fn by_slug(slug: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.slug() == slug)
    }
}

impl PartialSchema for ProblemCode {
    fn schema() -> RefOr<Schema> {
        let names = ProblemCode::ALL.iter().map(|code| code.name());
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(names))
            .description(Some(
                "The stable code of a problem; `/problems/{code}` explains it.",
            ))
            .into()
    }
}

impl ToSchema for ProblemCode {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("ProblemCode")
    }
}

impl From<Code> for ProblemCode {
    fn from(code: Code) -> Self {
        match code {
            Code::NotFound => Self::NotFound,
            Code::VersionMismatch => Self::VersionMismatch,
            Code::AccountDeleted => Self::AccountDeleted,
            Code::AccountFrozen => Self::AccountFrozen,
            Code::SameAccount => Self::SameAccount,
            Code::CurrencyMismatch => Self::CurrencyMismatch,
            Code::HoldsOpen => Self::HoldsOpen,
            Code::BalanceNotZero => Self::BalanceNotZero,
            Code::InsufficientFunds => Self::InsufficientFunds,
            Code::BalanceLimitExceeded => Self::BalanceLimitExceeded,
            Code::IdempotencyKeyReused => Self::IdempotencyKeyReused,
            Code::DeadlineExceeded => Self::DeadlineExceeded,
            Code::ActorFaulted => Self::ActorFaulted,
            Code::AlreadyPosted => Self::AlreadyPosted,
            Code::AlreadyVoided => Self::AlreadyVoided,
            Code::AlreadyReversed => Self::AlreadyReversed,
            Code::TransferExpired => Self::TransferExpired,
            Code::NotPending => Self::NotPending,
            Code::NotPosted => Self::NotPosted,
            Code::NotReversible => Self::NotReversible,
            Code::AmountExceedsHold => Self::AmountExceedsHold,
            Code::LimitExceeded => Self::LimitExceeded,
            Code::BatchRejected => Self::BatchRejected,
        }
    }
}

impl From<Unavailable> for ProblemCode {
    fn from(reason: Unavailable) -> Self {
        match reason {
            Unavailable::Overloaded | Unavailable::ReadTimedOut => Self::Overloaded,
            Unavailable::ShuttingDown => Self::ShuttingDown,
            Unavailable::Quarantined => Self::ActorQuarantined,
            Unavailable::JournalDamaged => Self::JournalDamaged,
            Unavailable::TooLarge => Self::BodyTooLarge,
            Unavailable::DiskLow => Self::DiskLow,
            Unavailable::ViewBehind => Self::ViewBehind,
            Unavailable::OutcomeUnknown => Self::OutcomeUnknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_the_name_with_dashes_and_finds_its_code() {
        for code in ProblemCode::ALL {
            assert_eq!(code.slug(), code.name().replace('_', "-"));
            assert_eq!(ProblemCode::by_slug(code.slug()), Some(*code));
        }
        assert_eq!(ProblemCode::by_slug("no-such-code"), None);
    }

    #[test]
    fn the_cores_refusals_keep_their_names() {
        for code in Code::ALL {
            assert_eq!(ProblemCode::from(code).name(), code.name());
        }
    }

    #[test]
    fn only_codes_whose_request_may_have_been_done_need_a_key_to_be_sent_again() {
        let with_key = |code: &&ProblemCode| code.retry() == Retry::OnlyWithKey;
        let with_key: Vec<&str> = ProblemCode::ALL
            .iter()
            .filter(with_key)
            .map(|code| code.name())
            .collect();
        let unknown = [
            "service_unavailable",
            "outcome_unknown",
            "confirmation_timeout",
        ];
        assert_eq!(with_key, unknown);
        for code in ProblemCode::ALL {
            let is_refused = code.status().is_client_error();
            let may_be_done = code.retry() == Retry::OnlyWithKey;
            assert!(!(is_refused && may_be_done), "no 4xx follows a moved cent");
            let says_so = code.retry_advice().contains("idempotency key");
            assert!(!may_be_done || says_so, "{}", code.name());
        }
    }
}
