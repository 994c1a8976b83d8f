//! The permanent id of an event.

use std::fmt;

use crate::record::Record;
use crate::words::OperationId;

/// The permanent id of an event: the same record, type and item always give the same id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(u128);

impl EventId {
    /// Creates the id of a record's event of the type with this short name, for a batch item or for the record
    /// itself (`item` 0). It is a UUIDv7 with the record's time. Its random bits are derived from
    /// the operation, the record's sequence, the item and the type.
    pub fn new(record: &Record, event_type: &str, item: u32) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"florin event");
        hasher.update(&record.operation_id.to_bytes());
        hasher.update(&record.sequence.to_le_bytes());
        hasher.update(&item.to_le_bytes());
        hasher.update(event_type.as_bytes());
        let mut random = [0; 16];
        random.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        let random = u128::from_le_bytes(random);
        let shard = record.operation_id.shard();
        Self(OperationId::from_parts(record.time.as_millis(), random, shard).as_u128())
    }

    /// Returns the id as a number.
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
