//! The values of the events of deposits and withdrawals: requested, made, or refused.

use super::parts;
use crate::words::{Currency, EntityId, Metadata, OperationId, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

/// A deposit or withdrawal that was requested, completed or refused.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct MovementTold {
    /// The operation id that the request gave; otherwise Florin's operation id.
    pub operation_id: OperationId,
    /// Florin's operation id, which is also the transaction's id.
    pub transaction_id: OperationId,
    /// The account, wallet or merchant.
    pub account_id: EntityId,
    /// The amount in minor units.
    pub amount: u64,
    /// The currency, if it is known.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "parts::code_or_null"
    )]
    pub currency: Option<Currency>,
    /// The balance after the movement, in minor units. Only present if it was completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balance_after: Option<i64>,
    /// The entity's version after the movement. Only present if it was completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The reason for the refusal, as a stable code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// The reason for the refusal, as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The caller's own reference for the movement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The caller's own metadata: the `metadata` of the request. Omitted if it is empty.
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    pub request_metadata: Metadata,
    /// The time of this event.
    #[serde(serialize_with = "parts::text")]
    pub timestamp: Timestamp,
    /// The idempotency key of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}
