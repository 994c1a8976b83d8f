//! The values of the events of cards: a card was made or deleted.

use super::parts;
use crate::words::{Country, EntityId, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

/// A card was created or deleted.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CardTold {
    /// `card.created` or `card.deleted`.
    #[serde(rename = "type")]
    pub event_type: &'static str,
    /// The card.
    pub card_id: EntityId,
    /// The card's number with its country, for example `US-7c9e6679`.
    pub card_number: String,
    /// The account to which the card belongs.
    pub account_id: EntityId,
    /// The country for which the card was issued.
    #[serde(serialize_with = "parts::country_code")]
    pub country: Country,
    /// True if the card is now deleted.
    pub deleted: bool,
    /// The time at which the card was created.
    #[serde(serialize_with = "parts::text")]
    pub creation_timestamp: Timestamp,
    /// The time of this event.
    #[serde(serialize_with = "parts::text")]
    pub timestamp: Timestamp,
}
