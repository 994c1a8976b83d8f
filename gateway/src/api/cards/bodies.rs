//! A card as the API shows it, and the request that makes one.

use florin_actors::messages::{CardView, EntityId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::values::{CountryCode, Id, Key, Time};

/// The request to make a card for an account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenCardRequest {
    /// The id of the account. The card service checks it against its own copy of the accounts,
    /// which follows their events.
    #[schema(value_type = String, format = Uuid)]
    pub account_id: Id,
    /// The country of the card, ISO 3166-1 alpha-2.
    #[schema(value_type = String, pattern = "^[A-Z]{2}$", example = "US")]
    pub country: CountryCode,
    /// The same as the header `Idempotency-Key`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = "^[!-~]+$", example = "order-1042-payment")]
    pub idempotency_key: Option<Key>,
}

/// A card.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Card)]
pub struct CardBody {
    /// The card's id. If a dry run makes the card, nothing exists under this id.
    #[schema(value_type = String, format = Uuid)]
    pub id: EntityId,
    /// The card's number: the country and eight random hexadecimal digits. If a dry run makes the
    /// card, no card has this number.
    #[schema(pattern = "^[A-Z]{2}-[0-9a-f]{8}$", example = "US-7c9e6679")]
    pub card_number: String,
    /// The country of the card, ISO 3166-1 alpha-2.
    #[schema(pattern = "^[A-Z]{2}$", example = "US")]
    pub country: String,
    /// The id of the account that the card belongs to.
    #[schema(value_type = String, format = Uuid)]
    pub account_id: EntityId,
    /// True if the card was deleted. A deleted card can still be read.
    pub deleted: bool,
    /// The time when the card was made.
    #[schema(value_type = String, format = DateTime)]
    pub creation_timestamp: Time,
    /// Present only in the answer to a dry run: nothing was done.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub dry_run: bool,
    /// The card's version. It is not in the body, only in the header `ETag`.
    #[serde(skip)]
    #[schema(ignore)]
    pub version: u64,
}

impl From<CardView> for CardBody {
    fn from(view: CardView) -> Self {
        Self {
            id: view.id,
            card_number: view.opened.card_number(),
            country: view.opened.country.code().to_owned(),
            account_id: view.opened.account,
            deleted: view.deleted,
            creation_timestamp: Time(view.created_at),
            dry_run: false,
            version: view.version,
        }
    }
}
