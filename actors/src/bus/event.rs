//! One event: its envelope, by which CloudEvents and Florin's own headers are written, and its value.

use std::fmt;

use super::event_type::EventType;
use super::values::Value;
use crate::messages::{EntityId, OperationId, Record, RequestId, Timestamp, TraceParent};

/// Names an event for ever: the same record, type and place give the same id again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(u128);

impl EventId {
    /// The id of the event of that type which a record makes for one of its items, or for itself
    /// (`item` 0): a UUIDv7 of the record's time, its random bits drawn from the operation, the
    /// record's place and the type.
    pub fn new(record: &Record, event_type: EventType, item: u32) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"florin event");
        hasher.update(&record.operation_id.to_bytes());
        hasher.update(&record.sequence.to_le_bytes());
        hasher.update(&item.to_le_bytes());
        hasher.update(event_type.short().as_bytes());
        let mut random = [0; 16];
        random.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        let random = u128::from_le_bytes(random);
        let shard = record.operation_id.shard();
        Self(OperationId::from_parts(record.time.as_millis(), random, shard).as_u128())
    }

    /// The id as a number.
    pub const fn as_u128(self) -> u128 {
        self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&OperationId::from_bytes(self.0.to_be_bytes()), f)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for EventId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An event that a record made.
#[derive(Debug, Clone, PartialEq)]
pub struct BusEvent {
    /// What happened.
    pub event_type: EventType,
    /// Its name for ever.
    pub id: EventId,
    /// The entity whose events stay in order; of a transfer its source.
    pub key: EntityId,
    /// The record that made it.
    pub sequence: u64,
    /// Its place among the record's events.
    pub index: u32,
    /// When the record was made.
    pub time: Timestamp,
    /// What the command belongs to.
    pub correlation: RequestId,
    /// The trace that the command came in.
    pub trace: Option<TraceParent>,
    /// What is told.
    pub value: Value,
}

impl BusEvent {
    /// The value as JSON.
    pub fn json(&self) -> Vec<u8> {
        // Values are made of texts and numbers: their JSON can't fail.
        serde_json::to_vec(&self.value).unwrap_or_default()
    }
}
