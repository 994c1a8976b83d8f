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
        "no, correct it first",
        "A field, header or query parameter is missing, unknown, given twice or out of its bounds, or the body is not one JSON object. `field` names where.";
    InvalidId, "invalid_id", "invalid-id", 400, "Not an id",
        "no, correct it first",
        "An id in the path, the query or the body is not a UUID in its hyphenated form. `field` names it where it is not the path's.";
    InvalidCursor, "invalid_cursor", "invalid-cursor", 400, "Not a cursor of this list",
        "no, start the list anew",
        "The cursor was cut, altered, or given out by another list or under other filters. Send `next_cursor` back as it came, with the same filters.";
    ForbiddenOrigin, "forbidden_origin", "forbidden-origin", 403, "The request does not come from this machine's own pages",
        "no, send it to a loopback address",
        "Without authentication Florin serves this machine alone. `Host` must name `localhost` or a loopback address, and a web page of another origin (`Origin`, `Sec-Fetch-Site`) may not send requests. Nothing was done.";
    NotFound, "not_found", "not-found", 404, "There is no such thing",
        "once it exists",
        "No entity, operation, transfer or transaction has this id. An operation id that answers so after a restart never took effect and never will.";
    RouteNotFound, "route_not_found", "route-not-found", 404, "There is no such route",
        "no",
        "The path is none of this server's. `/openapi.json` lists them all.";
    MethodNotAllowed, "method_not_allowed", "method-not-allowed", 405, "The route has no such method",
        "no, use one that `Allow` names",
        "The path exists, the method does not. The header `Allow` names those that do.";
    AccountDeleted, "account_deleted", "account-deleted", 409, "The account was deleted",
        "no",
        "A deleted account stays readable, but nothing changes it any more.";
    AccountFrozen, "account_frozen", "account-frozen", 409, "The account is frozen",
        "once it is unfrozen",
        "A frozen account takes credits and refuses debits.";
    HoldsOpen, "holds_open", "holds-open", 409, "The account has open holds",
        "once the holds have ended",
        "Pending transfers still hold a part of its money.";
    BalanceNotZero, "balance_not_zero", "balance-not-zero", 409, "The balance is not zero",
        "once it is zero",
        "Only an account that neither has money nor owes any can be deleted.";
    BackupRefused, "backup_refused", "backup-refused", 409, "There is no backup to be made there",
        "with another directory, or once the other backup is done",
        "The directory is not empty, is in use or can't be made, another backup is under way, or the request is for another data directory. Nothing was written.";
    ReplayRefused, "replay_refused", "replay-refused", 409, "There is no replay to be made now",
        "once the other replay has ended",
        "Another replay is running, this one is completed, or without Kafka there are no topics to replay to: then only dry runs are made.";
    NotPending, "not_pending", "not-pending", 409, "The transfer was never pending",
        "no",
        "Only a transfer made with `pending` can be posted or voided; this one was made at once.";
    NotPosted, "not_posted", "not-posted", 409, "The transfer posted nothing",
        "once it is posted",
        "A transfer that is pending, or that ended without moving anything, has nothing to reverse.";
    NotReversible, "not_reversible", "not-reversible", 409, "This can't be reversed",
        "no",
        "A transaction of many legs can't be reversed. Make the opposite one.";
    AlreadyPosted, "already_posted", "already-posted", 409, "The transfer was posted already",
        "no",
        "A pending transfer ends once. This one was posted.";
    AlreadyVoided, "already_voided", "already-voided", 409, "The transfer was voided already",
        "no",
        "A pending transfer ends once. This one was voided.";
    AlreadyReversed, "already_reversed", "already-reversed", 409, "The transfer was reversed already",
        "no",
        "A transfer can be reversed once. The reversal is a transfer of its own, and can be reversed in turn.";
    TransferExpired, "transfer_expired", "transfer-expired", 409, "The transfer's time is over",
        "no",
        "From `expires_at` on a pending transfer can't be posted any more; what it held is released.";
    RedriveRefused, "redrive_refused", "redrive-refused", 409, "The dead letter can't be redriven now",
        "with `kafka.redrives_max` raised, where the consumer runs, or once the other redrive has ended",
        "It was redriven as often as the settings allow, its consumer runs in another process, or it is being redriven. It still waits.";
    VersionMismatch, "version_mismatch", "version-mismatch", 412, "The version is another one",
        "with the present version",
        "`If-Match` named a version that the entity does not have now: somebody changed it in between. Read it again, decide again.";
    BodyTooLarge, "body_too_large", "body-too-large", 413, "The body is too large",
        "no, send less",
        "The body is larger than `gateway.body_bytes_max`, of a batch `gateway.batch_bytes_max`, and the connection closes after this answer; or what it asks for makes a record larger than `ledger.record_bytes_max`.";
    UnsupportedMediaType, "unsupported_media_type", "unsupported-media-type", 415, "The body is not called JSON",
        "no, correct it first",
        "A body needs `Content-Type: application/json`, and no content coding.";
    InsufficientFunds, "insufficient_funds", "insufficient-funds", 422, "Not enough money",
        "with more money there",
        "Less is available than the debit takes. Available is the balance, less what is held, plus the overdraft limit.";
    AmountExceedsHold, "amount_exceeds_hold", "amount-exceeds-hold", 422, "More than is held",
        "with less",
        "A post can take no more than the pending transfer still holds.";
    LimitExceeded, "limit_exceeded", "limit-exceeded", 422, "A wallet's limit forbids it",
        "with less, or on another day",
        "The wallet's limit for one transaction, for the UTC day, or for its balance would be passed.";
    BatchRejected, "batch_rejected", "batch-rejected", 422, "An item was refused, so all were",
        "with another item",
        "An atomic batch, or a transaction of many legs, is made whole or not at all. `failed_index` names the item or leg, `item_code` the rule that refused it.";
    BalanceLimitExceeded, "balance_limit_exceeded", "balance-limit-exceeded", 422, "The balance would pass its bounds",
        "with less money there",
        "No balance leaves \u{b1}(2^53 \u{2212} 1) minor units.";
    CurrencyMismatch, "currency_mismatch", "currency-mismatch", 422, "Another currency",
        "no",
        "The currency named is not the entity's, or the two ends have different ones.";
    SameAccount, "same_account", "same-account", 422, "Both ends are the same",
        "no",
        "A transfer needs two different ends.";
    IdempotencyKeyReused, "idempotency_key_reused", "idempotency-key-reused", 422, "The key was used for another request",
        "with another key",
        "This idempotency key came before with a different request. Nothing was done for the present one; the first one's outcome stands.";
    ActorFaulted, "actor_faulted", "actor-faulted", 500, "The command failed inside",
        "no",
        "The entity's own code failed on this command; nothing moved. It is a defect of Florin and worth a report. Under the same key the answer stays the same.";
    BackupFailed, "backup_failed", "backup-failed", 500, "The backup did not come to its end",
        "with another directory",
        "The disk of the backup refused, or has too little room. What was written there is no backup; remove it.";
    JournalDamaged, "journal_damaged", "journal-damaged", 500, "The journal is not what it was",
        "no",
        "A record that this request needs is not as it was written, so that nothing of it is shown and nothing was done. The log and `/health` name the place. Keep the data directory as it is; compare with a copy.";
    Overloaded, "overloaded", "overloaded", 503, "Too much is under way",
        "yes, after `Retry-After` seconds",
        "A limit of commands, connections or queued bytes is reached. The request was turned away before anything was begun.";
    ActorQuarantined, "actor_quarantined", "actor-quarantined", 503, "An entity is out of service",
        "once an operator has resumed it",
        "An entity that this command needs failed too often, or can't be read. Nothing was begun. Reading it may still work.";
    DiskLow, "disk_low", "disk-low", 503, "The disk is nearly full",
        "once there is room",
        "Less is free than `disk.free_bytes_min`. Nothing was begun.";
    ViewBehind, "view_behind", "view-behind", 503, "The views are behind",
        "yes, after `Retry-After` seconds",
        "What lists and look-ups read from is too far behind the journal. Nothing was begun.";
    ShuttingDown, "shutting_down", "shutting-down", 503, "The server is stopping",
        "yes, once it runs again",
        "The server finishes what was accepted and accepts nothing new. Nothing was begun for this request.";
    ServiceUnavailable, "service_unavailable", "service-unavailable", 503, "What this needs is away",
        "yes, after `Retry-After` seconds; a request that changes something only with the same idempotency key",
        "The route belongs to a service that doesn't run in this process, and that one is not configured, can't be reached or didn't answer in time; or Kafka's brokers, which it needs, can't be reached. `detail` says which. Where another service didn't answer in time, the request may have been done all the same.";
    OutcomeUnknown, "outcome_unknown", "outcome-unknown", 503, "The outcome is unknown",
        "yes, only with the same idempotency key",
        "The journal failed while the command was under way. After the restart `/operations/{operation_id}` tells what became of it; 404 there means: nothing, ever.";
    ConfirmationTimeout, "confirmation_timeout", "confirmation-timeout", 504, "Not confirmed in time",
        "yes, only with the same idempotency key",
        "The command was not confirmed within the wait; it may still be done. `Location` names the operation that tells the outcome. The same request under the same key joins it.";
    DeadlineExceeded, "deadline_exceeded", "deadline-exceeded", 504, "Not begun in time",
        "yes, nothing was done",
        "The code of an operation whose command was not begun before its deadline: it was not executed and never will be.";
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
