//! The values of the events of transfers: requested, made, or refused.

use super::parts::{self, End};
use crate::words::{Currency, EntityId, Metadata, OperationId, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

/// A transfer that was requested, completed or refused.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TransferTold {
    /// The operation id that the request gave; otherwise Florin's operation id.
    pub operation_id: OperationId,
    /// Florin's operation id, which is also the id of the transaction and of the transfer.
    pub transaction_id: OperationId,
    /// The account, wallet or merchant that is debited.
    pub from_account_id: EntityId,
    /// The account, wallet or merchant that is credited.
    pub to_account_id: EntityId,
    /// The amount in minor units.
    pub amount: u64,
    /// The currency, if it is known.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "parts::code_or_null"
    )]
    pub currency: Option<Currency>,
    /// The source after the transfer. Only present if the transfer was completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<End>,
    /// The target after the transfer. Only present if the transfer was completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<End>,
    /// The reason for the refusal, as a stable code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// The reason for the refusal, as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The caller's own reference for the transfer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The caller's own metadata: the `metadata` of the request. Omitted if it is empty.
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    pub request_metadata: Metadata,
    /// The transfer that is reversed. Only present in a reversal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reverses: Option<EntityId>,
    /// The time of this event.
    #[serde(serialize_with = "parts::text")]
    pub timestamp: Timestamp,
    /// The idempotency key of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}
