//! The value of the event of merchants: a merchant was opened.

use super::parts::{self, Source};
use crate::events::id::EventId;
use crate::words::{Currency, EntityId, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

/// A merchant was opened. Its name and e-mail address are personal and are not part of the event.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MerchantOpened {
    /// `MERCHANT_CREATED`.
    pub event_type: &'static str,
    /// The event's id, which never changes.
    pub event_id: EventId,
    /// The merchant.
    pub merchant_id: EntityId,
    /// The merchant's only currency.
    #[serde(serialize_with = "parts::code")]
    pub currency: Currency,
    /// The time at which the merchant was opened.
    #[serde(serialize_with = "parts::text")]
    pub timestamp: Timestamp,
    /// The service that reports the event.
    pub metadata: Source,
}
