//! The values of the events of wallets: a wallet was opened, or a deposit reached it.

use super::parts::{self, Source};
use crate::events::id::EventId;
use crate::words::{Currency, EntityId, Metadata, OperationId, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

/// A wallet was opened.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WalletOpened {
    /// `WALLET_CREATED` or `WalletCreatedEvent`.
    pub event_type: &'static str,
    /// The event's id, which never changes.
    pub event_id: EventId,
    /// The wallet.
    pub wallet_id: EntityId,
    /// The customer who owns the wallet.
    pub customer_id: EntityId,
    /// The wallet's label.
    pub name: Option<String>,
    /// The wallet's only currency.
    #[serde(serialize_with = "parts::code")]
    pub currency: Currency,
    /// The time at which the wallet was opened.
    #[serde(serialize_with = "parts::text")]
    pub timestamp: Timestamp,
    /// The service that reports the event.
    pub metadata: Source,
}

/// A deposit reached a wallet.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FundsAdded {
    /// `FundsAddedEvent`.
    pub event_type: &'static str,
    /// The event's id, which never changes.
    pub event_id: EventId,
    /// The wallet.
    pub wallet_id: EntityId,
    /// The transaction.
    pub transaction_id: OperationId,
    /// The amount in minor units.
    pub amount: u64,
    /// The wallet's currency.
    #[serde(serialize_with = "parts::code")]
    pub currency: Currency,
    /// The wallet's balance after the deposit, in minor units.
    pub balance_after: i64,
    /// The wallet's version after the deposit.
    pub version: u64,
    /// The caller's own reference for the deposit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The caller's own metadata: the `metadata` of the request. Omitted if it is empty.
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    pub request_metadata: Metadata,
    /// The time of the deposit.
    #[serde(serialize_with = "parts::text")]
    pub timestamp: Timestamp,
    /// The service that reports the event.
    pub metadata: Source,
}
