//! Events as the API shows them to operators.

use std::borrow::Cow;

use florin_actors::events::{BusEvent, Value};
use florin_actors::messages::EntityId;
use serde::Serialize;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema};
use utoipa::openapi::{RefOr, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::http::values::Time;

/// An event of a record.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub struct EventBody {
    /// The sequence of the record that made the event.
    sequence: u64,
    /// The event's position among the events of its record, starting at 0.
    index: u32,
    /// The id of the event, which never changes. It is also the header `ce_id`.
    #[schema(format = Uuid)]
    id: String,
    /// The type of the event with its version. It is also the header `ce_type`.
    #[schema(example = "florin.wallet.created.v1")]
    r#type: &'static str,
    /// The source documents' name of the type. It is also the header `event-type`.
    #[schema(example = "WALLET_CREATED")]
    document_type: &'static str,
    /// The message's key: the id of the entity whose events stay in order.
    #[schema(value_type = String, format = Uuid)]
    key: EntityId,
    /// The topics that the event is published to; empty if its type is bound to no topic.
    topics: Vec<String>,
    /// The time when the event's record was made.
    #[schema(value_type = String, format = DateTime)]
    time: Time,
    /// The correlation id of the event's command.
    #[schema(example = "checkout-77")]
    correlation_id: String,
    /// True if the event is published. It is always true with the embedded bus, where the journal
    /// itself serves as the topics.
    published: bool,
    /// The message's value. Its JSON Schema is `/schemas/{type}.json`.
    value: EventValue,
}

impl EventBody {
    /// Creates the body from an event, the topics that it is published to, and the sequence of the
    /// last record whose events are published.
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

/// The value of an event. The OpenAPI document describes it as an object with any fields; each type
/// of event has its own JSON Schema.
#[derive(Debug, Serialize)]
struct EventValue(Value);

impl PartialSchema for EventValue {
    fn schema() -> RefOr<Schema> {
        let object = ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some(
                "The value of an event, as its own JSON Schema describes it.",
            ));
        let object = object.additional_properties(Some(AdditionalProperties::FreeForm(true)));
        RefOr::T(Schema::Object(object.build()))
    }
}

impl ToSchema for EventValue {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("EventValue")
    }
}
