//! The JSON Schemas of ids, times, currencies, countries, metadata and account statuses.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::entities::AccountStatus;
use crate::events::EventId;
use crate::words::{Country, Currency, EntityId, Metadata, OperationId, Timestamp};

macro_rules! schema_of {
    ($($type:ty, $name:literal: { $($schema:tt)+ };)+) => {
        $(impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ $($schema)+ })
            }
        })+
    };
}

schema_of! {
    EntityId, "EntityId": { "type": "string", "format": "uuid" };
    OperationId, "OperationId": { "type": "string", "format": "uuid" };
    EventId, "EventId": { "type": "string", "format": "uuid" };
    Timestamp, "Timestamp": { "type": "string", "format": "date-time" };
    Currency, "Currency": { "type": "string", "pattern": "^[A-Z0-9]{3,8}$" };
    Country, "Country": { "type": "string", "pattern": "^[A-Z]{2}$" };
    Metadata, "Metadata": { "type": "object", "additionalProperties": { "type": "string" } };
    AccountStatus, "AccountStatus": {
        "type": "string",
        "enum": AccountStatus::ALL.map(AccountStatus::name)
    };
}
