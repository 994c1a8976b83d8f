//! The parts of requests that several resources share.

use florin_actors::messages::{AccountStatus, EntityId, ListRow, Registered, Viewed};
use florin_actors::runtime::WithPersonal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warp::http::StatusCode;
use warp::reply::Response;

use crate::http::cursor::List;
use crate::http::values::Key;
use crate::http::{PageBody, Problem, response};
use crate::routing::{Call, Filter};

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

/// Returns the page of entities that a request asks for: those that have this row, in the order of
/// their creation. `list` names the list in cursors.
pub async fn page<E: Registered + Viewed<View: Send + 'static>, B: Serialize>(
    call: &Call,
    list: List,
    row: ListRow,
    body: impl FnMut(WithPersonal<E::View>) -> B,
) -> Result<Response, Problem> {
    let query = call.query()?;
    let limits = &call.gateway.limits;
    let limit = query.limit(limits.page_default, limits.page_max)?;
    let after = list.after(&query)?.map(EntityId::from_bytes);
    let page = call.gateway.core.list::<E>(row, after, limit).await?;
    let next = page.next.map(|id| list.cursor(id.to_bytes()));
    let entries = page.entries.into_iter().map(body).collect();
    Ok(response::json(
        StatusCode::OK,
        &PageBody::new(entries, next),
    ))
}
