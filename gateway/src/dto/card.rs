//! A card.

use florin_actors::messages::{CardView, EntityId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::values::{CountryCode, Id, Key, Time};

/// Makes a card for an account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenCardRequest {
    /// The account, as far as its events came to the card service.
    #[schema(value_type = String, format = Uuid)]
    pub account_id: Id,
    /// The country that the card is for, ISO 3166-1 alpha-2.
    #[schema(value_type = String, pattern = "^[A-Z]{2}$", example = "US")]
    pub country: CountryCode,
    /// The same as the header `Idempotency-Key`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = "^[!-~]+$")]
    pub idempotency_key: Option<Key>,
}

/// A card.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Card)]
pub struct CardBody {
    /// Its id; not there in the answer to a dry run of its making.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid, nullable = false)]
    pub id: Option<EntityId>,
    /// The country and eight random hexadecimal digits; not there in the answer to a dry run of its
    /// making.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        pattern = "^[A-Z]{2}-[0-9a-f]{8}$",
        example = "US-7c9e6679",
        nullable = false
    )]
    pub card_number: Option<String>,
    /// The country that it is for.
    #[schema(pattern = "^[A-Z]{2}$", example = "US")]
    pub country: String,
    /// The account that it belongs to.
    #[schema(value_type = String, format = Uuid)]
    pub account_id: EntityId,
    /// Whether it was deleted; it stays readable.
    pub deleted: bool,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub creation_timestamp: Time,
    /// Only in the answer to a dry run: nothing was done.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub dry_run: bool,
    /// Told by the header alone.
    #[serde(skip)]
    #[schema(ignore)]
    pub version: u64,
}

impl From<CardView> for CardBody {
    fn from(view: CardView) -> Self {
        Self {
            id: Some(view.id),
            card_number: Some(view.opened.card_number()),
            country: view.opened.country.code().to_owned(),
            account_id: view.opened.account,
            deleted: view.deleted,
            creation_timestamp: Time(view.created_at),
            dry_run: false,
            version: view.version,
        }
    }
}
