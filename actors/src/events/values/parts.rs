//! The parts that the values of several families share, and how they are serialized.

use schemars::JsonSchema;
use serde::Serialize;

use crate::entities::AccountStatus;
use crate::words::{Country, Currency, EntityId, Timestamp};

/// The service that an event belongs to, and the version of the event's format.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Source {
    /// The name of the service in the source documents.
    pub source: &'static str,
    /// The version of the format.
    pub version: &'static str,
}

/// The service that publishes movements, named as in the source documents.
pub(in crate::events) const LEDGER: Source = Source {
    source: "ledger-service",
    version: "1.0",
};

/// One end of a transaction. If the record did not change the entity, only its id is given.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct End {
    /// The kind of the entity, for example `wallet`.
    pub kind: Option<&'static str>,
    /// The entity.
    pub id: EntityId,
    /// The entity's version after the transaction.
    pub version: Option<u64>,
    /// The entity's balance after the transaction, in minor units.
    pub balance_after: Option<i64>,
}

impl End {
    /// Creates the end of an entity that the record didn't touch.
    pub(in crate::events) const fn untouched(id: EntityId) -> Self {
        Self {
            kind: None,
            id,
            version: None,
            balance_after: None,
        }
    }
}

/// The part of one end in a transaction with several legs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Part {
    /// The kind of the entity, for example `wallet`.
    pub kind: Option<&'static str>,
    /// The entity.
    pub id: EntityId,
    /// The amount in minor units; negative for a debit.
    pub amount: i64,
    /// The entity's currency.
    #[serde(serialize_with = "code")]
    pub currency: Currency,
    /// The entity's version after the transaction.
    pub version: Option<u64>,
    /// The entity's balance after the transaction, in minor units.
    pub balance_after: Option<i64>,
}

/// Serializes only the currency's code. The journal also stores the scale of an asset.
pub(in crate::events) fn code<S: serde::Serializer>(
    currency: &Currency,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(currency.code())
}

#[allow(clippy::ref_option, reason = "as serde asks for it")]
pub(in crate::events) fn code_or_null<S: serde::Serializer>(
    currency: &Option<Currency>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&currency.as_ref().map(Currency::code), serializer)
}

pub(in crate::events) fn text<S: serde::Serializer>(
    time: &Timestamp,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde asks for it")]
pub(in crate::events) fn status_name<S: serde::Serializer>(
    status: &AccountStatus,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(status.name())
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde asks for it")]
pub(in crate::events) fn country_code<S: serde::Serializer>(
    country: &Country,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(country.code())
}
