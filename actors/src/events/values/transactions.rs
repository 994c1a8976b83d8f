//! The values of the events of every movement of money: it was begun, made, or failed.

use super::parts::{self, End, Part, Source};
use crate::events::id::EventId;
use crate::words::{Currency, EntityId, Metadata, OperationId, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

/// A transaction was initiated, completed, or failed.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransactionTold {
    /// `TRANSACTION_INITIATED`, `TRANSACTION_COMPLETED` or `TRANSACTION_FAILED`.
    pub event_type: &'static str,
    /// The event's id, which never changes.
    pub event_id: EventId,
    /// The transaction.
    pub transaction_id: OperationId,
    /// The transfer that was initiated, completed or ended. It links a hold to its posts and its
    /// end.
    pub transfer_id: Option<EntityId>,
    /// `DEPOSIT`, `WITHDRAWAL`, `TRANSFER`, `REVERSAL`, `TRANSACTION` or `BATCH`.
    pub transaction_type: &'static str,
    /// The amount as the source documents define it: a decimal in major units, with as many
    /// fraction digits as the currency has. Every other amount of this event, including
    /// `amountMinor`, is an integer in minor units. Null if several amounts move or would have
    /// moved, or if the amount or its currency is not known.
    pub amount: Option<String>,
    /// The same amount in minor units; omitted if `amount` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount_minor: Option<u64>,
    /// The currency. Null if there are several, or if a refused command names none and its entity
    /// is unknown.
    #[serde(serialize_with = "parts::code_or_null")]
    pub currency: Option<Currency>,
    /// The source, if it is a wallet.
    pub from_wallet_id: Option<EntityId>,
    /// The target, if it is a wallet.
    pub to_wallet_id: Option<EntityId>,
    /// The end that is debited. Null if the money comes from outside, if several amounts move, or
    /// if the source is not known.
    pub from: Option<End>,
    /// The end that is credited. Null if the money goes outside, if several amounts move, or if the
    /// target is not known.
    pub to: Option<End>,
    /// The part of every end, if there are more than two ends.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub postings: Vec<Part>,
    /// `PENDING`, `COMPLETED` or `FAILED`.
    pub status: &'static str,
    /// The reason for the failure, as a stable code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// The reason for the failure, as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The caller's own reference. For the post or the end of a pending transfer, it is the
    /// transfer's.
    pub reference: Option<String>,
    /// The caller's own metadata: the `metadata` of the request that created the transaction. For
    /// the post or the end of a pending transfer, it is the transfer's. Omitted if it is empty.
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    pub request_metadata: Metadata,
    /// The transfer that is reversed. Only present in a reversal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reverses: Option<EntityId>,
    /// The time of this event.
    #[serde(serialize_with = "parts::text")]
    pub timestamp: Timestamp,
    /// The service that reports the event.
    pub metadata: Source,
}
