//! The parts of requests that several resources share.

use florin_actors::messages::AccountStatus;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::http::values::Key;
use crate::routing::Filter;

/// The filter of lists by the caller's own reference.
pub const REFERENCE: Filter = Filter::text(
    "reference",
    "Only entries with exactly this reference.",
    "order-1042",
);

/// The request for a command that has no fields of its own. The body may be omitted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyOnlyRequest {
    /// The same as the header `Idempotency-Key`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = "^[!-~]+$", example = "order-1042-payment")]
    pub idempotency_key: Option<Key>,
}

/// A status that an account or wallet can be given. Deleting an account is a request of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum NewStatus {
    /// The entity may move money.
    Active,
    /// The entity accepts only credits.
    Frozen,
}

impl From<NewStatus> for AccountStatus {
    fn from(status: NewStatus) -> Self {
        match status {
            NewStatus::Active => Self::Active,
            NewStatus::Frozen => Self::Frozen,
        }
    }
}
