//! An event: its value, and the envelope from which the CloudEvents headers and Florin's own
//! headers are written.

use super::event_type::EventType;
use super::id::EventId;
use super::values::Value;
use crate::words::{EntityId, RequestId, Timestamp, TraceParent};

/// An event that results from a record.
#[derive(Debug, Clone, PartialEq)]
pub struct BusEvent {
    /// The event type.
    pub event_type: EventType,
    /// The event's permanent id.
    pub id: EventId,
    /// The entity whose events stay in order. For a transfer it is the source.
    pub key: EntityId,
    /// The sequence of the record.
    pub sequence: u64,
    /// The event's index among the record's events.
    pub index: u32,
    /// The time of the record.
    pub time: Timestamp,
    /// The correlation id of the command, or its request id if it has none.
    pub correlation: RequestId,
    /// The trace to which the command belongs.
    pub trace: Option<TraceParent>,
    /// The event's value.
    pub value: Value,
}

impl BusEvent {
    /// Returns the value as JSON.
    pub fn json(&self) -> Vec<u8> {
        // Values consist of texts and numbers, so serialization can't fail.
        serde_json::to_vec(&self.value).unwrap_or_default()
    }
}
