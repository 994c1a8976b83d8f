//! The values of events: what stands in a message, in the documents' own names.

use schemars::JsonSchema;
use serde::Serialize;

use super::event::EventId;
use crate::messages::{AccountStatus, Country, Currency, EntityId, OperationId, Timestamp};

/// What an event tells.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// Of an account itself.
    Account(AccountChanged),
    /// Of a card.
    Card(CardTold),
    /// Of a wallet that was opened.
    Wallet(WalletOpened),
    /// Of a wallet that money was brought into.
    FundsAdded(FundsAdded),
    /// Of a movement.
    Transaction(Box<TransactionTold>),
    /// Of a deposit or withdrawal, as asked for or answered.
    Movement(MovementTold),
    /// Of a transfer, as asked for or answered.
    Transfer(Box<TransferTold>),
}

/// Which service an event is of, and in which form.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Source {
    /// The service, as the documents name it.
    pub source: &'static str,
    /// The form's version.
    pub version: &'static str,
}

/// An account was opened, or has another status.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct AccountChanged {
    /// `account.created` or `account.status_changed`.
    #[serde(rename = "type")]
    pub event_type: &'static str,
    /// The account.
    pub account_id: EntityId,
    /// Its status from now on.
    #[serde(serialize_with = "status_name")]
    pub status: AccountStatus,
    /// The account's version: a consumer keeps the status of the highest.
    pub version: u64,
    /// When it happened.
    #[serde(serialize_with = "text")]
    pub timestamp: Timestamp,
}

/// A card was made or deleted.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CardTold {
    /// `card.created` or `card.deleted`.
    #[serde(rename = "type")]
    pub event_type: &'static str,
    /// The card.
    pub card_id: EntityId,
    /// Its number with the country, as `US-7c9e6679`.
    pub card_number: String,
    /// The account that it belongs to.
    pub account_id: EntityId,
    /// The country that it is for.
    #[serde(serialize_with = "country_code")]
    pub country: Country,
    /// Whether it is deleted from now on.
    pub deleted: bool,
    /// When the card was made.
    #[serde(serialize_with = "text")]
    pub creation_timestamp: Timestamp,
    /// When this happened.
    #[serde(serialize_with = "text")]
    pub timestamp: Timestamp,
}

/// A wallet was opened.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WalletOpened {
    /// `WALLET_CREATED` or `WalletCreatedEvent`.
    pub event_type: &'static str,
    /// The event's id for ever.
    pub event_id: EventId,
    /// The wallet.
    pub wallet_id: EntityId,
    /// Whose it is.
    pub customer_id: EntityId,
    /// Its label.
    pub name: Option<String>,
    /// Its one currency.
    #[serde(serialize_with = "code")]
    pub currency: Currency,
    /// When it was opened.
    #[serde(serialize_with = "text")]
    pub timestamp: Timestamp,
    /// Who tells it.
    pub metadata: Source,
}

/// A deposit reached a wallet.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FundsAdded {
    /// `FundsAddedEvent`.
    pub event_type: &'static str,
    /// The event's id for ever.
    pub event_id: EventId,
    /// The wallet.
    pub wallet_id: EntityId,
    /// The transaction.
    pub transaction_id: OperationId,
    /// Minor units.
    pub amount: u64,
    /// The wallet's currency.
    #[serde(serialize_with = "code")]
    pub currency: Currency,
    /// The wallet's balance right after, in minor units.
    pub balance_after: i64,
    /// The wallet's version right after.
    pub version: u64,
    /// When it happened.
    #[serde(serialize_with = "text")]
    pub timestamp: Timestamp,
    /// Who tells it.
    pub metadata: Source,
}

/// A movement was begun, made, or failed.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransactionTold {
    /// `TRANSACTION_INITIATED`, `TRANSACTION_COMPLETED` or `TRANSACTION_FAILED`.
    pub event_type: &'static str,
    /// The event's id for ever.
    pub event_id: EventId,
    /// The transaction.
    pub transaction_id: OperationId,
    /// The transfer that was begun, made or ended: it ties a hold to its posts and its end.
    pub transfer_id: Option<EntityId>,
    /// `DEPOSIT`, `WITHDRAWAL`, `TRANSFER`, `REVERSAL`, `TRANSACTION` or `BATCH`.
    pub transaction_type: &'static str,
    /// In major units, with the currency's own digits; null where several things moved, or the
    /// currency isn't known.
    pub amount: Option<String>,
    /// Null where the refusal doesn't tell it, or there are several.
    #[serde(serialize_with = "code_or_null")]
    pub currency: Option<Currency>,
    /// The source, if it is a wallet.
    pub from_wallet_id: Option<EntityId>,
    /// The target, if it is a wallet.
    pub to_wallet_id: Option<EntityId>,
    /// Where money is taken; null where it comes from outside, and where several things moved.
    pub from: Option<End>,
    /// Where it goes.
    pub to: Option<End>,
    /// Every end's part, where there are more than two.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub postings: Vec<Part>,
    /// `PENDING`, `COMPLETED` or `FAILED`.
    pub status: &'static str,
    /// Why it failed: a stable code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// Why it failed, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The caller's own name for it.
    pub reference: Option<String>,
    /// When it happened.
    #[serde(serialize_with = "text")]
    pub timestamp: Timestamp,
    /// Who tells it.
    pub metadata: Source,
}

/// One end of a movement. What the record didn't touch is told by its id alone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct End {
    /// `account` or `wallet`.
    pub kind: Option<&'static str>,
    /// The entity.
    pub id: EntityId,
    /// Its version right after.
    pub version: Option<u64>,
    /// Its balance right after, in minor units.
    pub balance_after: Option<i64>,
}

/// One end's part of a transaction of many legs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Part {
    /// `account` or `wallet`.
    pub kind: Option<&'static str>,
    /// The entity.
    pub id: EntityId,
    /// Minor units, negative for a debit.
    pub amount: i64,
    /// The entity's currency.
    #[serde(serialize_with = "code")]
    pub currency: Currency,
    /// Its version right after.
    pub version: Option<u64>,
    /// Its balance right after, in minor units.
    pub balance_after: Option<i64>,
}

/// A deposit or withdrawal: asked for, made or refused.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct MovementTold {
    /// The request's own operation where it came with one, otherwise Florin's.
    pub operation_id: OperationId,
    /// Florin's operation, which is the transaction.
    pub transaction_id: OperationId,
    /// The account or wallet.
    pub account_id: EntityId,
    /// Minor units.
    pub amount: u64,
    /// The currency, where it is known.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "code_or_null"
    )]
    pub currency: Option<Currency>,
    /// The balance right after, in minor units; only where it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balance_after: Option<i64>,
    /// The entity's version right after; only where it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Why it was refused: a stable code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// Why it was refused, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The caller's own name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// When it happened.
    #[serde(serialize_with = "text")]
    pub timestamp: Timestamp,
    /// The request's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

/// A transfer: asked for, made or refused.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TransferTold {
    /// The request's own operation where it came with one, otherwise Florin's.
    pub operation_id: OperationId,
    /// Florin's operation, which is the transaction and the transfer.
    pub transaction_id: OperationId,
    /// Where it is taken.
    pub from_account_id: EntityId,
    /// Where it goes.
    pub to_account_id: EntityId,
    /// Minor units.
    pub amount: u64,
    /// The currency, where it is known.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "code_or_null"
    )]
    pub currency: Option<Currency>,
    /// The source right after; only where it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<End>,
    /// The target right after; only where it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<End>,
    /// Why it was refused: a stable code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// Why it was refused, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The caller's own name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// When it happened.
    #[serde(serialize_with = "text")]
    pub timestamp: Timestamp,
    /// The request's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

/// The code alone: the journal writes an asset with its scale.
fn code<S: serde::Serializer>(currency: &Currency, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(currency.code())
}

#[allow(clippy::ref_option, reason = "as serde asks for it")]
fn code_or_null<S: serde::Serializer>(
    currency: &Option<Currency>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&currency.as_ref().map(Currency::code), serializer)
}

fn text<S: serde::Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde asks for it")]
fn status_name<S: serde::Serializer>(
    status: &AccountStatus,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(status.name())
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde asks for it")]
fn country_code<S: serde::Serializer>(country: &Country, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(country.code())
}
