//! Events as operators see them.

use std::borrow::Cow;

use florin_actors::bus::{BusEvent, Value};
use florin_actors::messages::EntityId;
use serde::Serialize;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema};
use utoipa::openapi::{RefOr, Type};
use utoipa::{PartialSchema, ToSchema};

use super::values::Time;

/// One event that a record made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub struct EventBody {
    /// The record that made it.
    sequence: u64,
    /// Its place among that record's events, from 0.
    index: u32,
    /// Its id for ever: the header `ce_id`.
    #[schema(format = Uuid)]
    id: String,
    /// Its type and version: the header `ce_type`.
    #[schema(example = "florin.wallet.created.v1")]
    r#type: &'static str,
    /// The document's name of it: the header `event-type`.
    #[schema(example = "WALLET_CREATED")]
    document_type: &'static str,
    /// The message's key: the entity whose events stay in order.
    #[schema(value_type = String, format = Uuid)]
    key: EntityId,
    /// The topics that it goes to; none where its type is bound to none.
    topics: Vec<String>,
    /// When its record was made.
    #[schema(value_type = String, format = DateTime)]
    time: Time,
    /// What its command belongs to.
    correlation_id: String,
    /// Whether it is out. Inside one process, where the journal is the topics, it always is.
    published: bool,
    /// The message's value; `/schemas/{type}.json` describes it.
    value: EventValue,
}

impl EventBody {
    /// An event, the topics that it goes to, and the last record whose events are out.
    pub fn new(event: BusEvent, topics: &[String], published: u64) -> Self {
        Self {
            sequence: event.sequence,
            index: event.index,
            id: event.id.to_string(),
            r#type: event.event_type.cloud(),
            document_type: event.event_type.document(),
            key: event.key,
            topics: topics.to_vec(),
            time: Time(event.time),
            correlation_id: event.correlation.to_string(),
            published: event.sequence <= published,
            value: EventValue(event.value),
        }
    }
}

/// What an event tells: any object, to this document.
#[derive(Debug, Serialize)]
struct EventValue(Value);

impl PartialSchema for EventValue {
    fn schema() -> RefOr<Schema> {
        let object = ObjectBuilder::new().schema_type(Type::Object);
        let object = object.additional_properties(Some(AdditionalProperties::FreeForm(true)));
        RefOr::T(Schema::Object(object.build()))
    }
}

impl ToSchema for EventValue {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("EventValue")
    }
}
