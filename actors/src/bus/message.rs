//! A message on a topic, as used by both the Kafka and the embedded bus.

use std::borrow::Cow;
use std::sync::Arc;

use crate::events::BusEvent;
use crate::words::{Incarnation, TraceParent};

/// The headers of a message, in order. A name may occur more than once.
pub type Headers = Vec<(String, Vec<u8>)>;

/// A message that was read from a topic.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition of the topic; 0 on the embedded bus.
    pub partition: i32,
    /// The offset in the partition.
    pub offset: i64,
    /// The incarnation of the topic to which the offset belongs; always the default one on the
    /// embedded bus.
    pub incarnation: Incarnation,
    /// When this message was taken, every message of the partition before this offset was settled.
    /// 0 if that is not known.
    pub settled_before: i64,
    /// The time at which the message was written, in milliseconds since 1970, if known.
    pub timestamp_millis: Option<i64>,
    /// The key. Messages with the same key stay in order.
    pub key: Option<Vec<u8>>,
    /// The headers.
    pub headers: Headers,
    /// The value; `None` for a tombstone.
    pub value: Option<Vec<u8>>,
}

impl Message {
    /// Returns the first header with the name, if it is valid UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter();
        let (_, value) = all.find(|(known, _)| known == name)?;
        std::str::from_utf8(value).ok()
    }
}

impl BusEvent {
    /// Returns the event's headers: CloudEvents 1.0 in Kafka's binary mode, the trace, and the two
    /// headers of the source documents.
    pub fn headers(&self) -> [(&'static str, Cow<'static, str>); 12] {
        let time = self.time.to_string();
        // An event without a trace starts a new one.
        let trace = self.trace.unwrap_or_else(|| {
            let id = self.id.as_u128();
            TraceParent {
                trace_id: id.to_be_bytes(),
                parent_id: ((id >> 64) as u64 | 1).to_be_bytes(),
                flags: 0,
            }
        });
        [
            ("ce_specversion", "1.0".into()),
            ("ce_id", self.id.to_string().into()),
            ("ce_source", self.event_type.service().source().into()),
            ("ce_type", self.event_type.cloud().into()),
            ("ce_time", time.clone().into()),
            ("ce_subject", self.key.to_string().into()),
            ("ce_correlationid", self.correlation.to_string().into()),
            ("ce_sequence", self.sequence.to_string().into()),
            ("content-type", "application/json".into()),
            ("traceparent", trace.to_string().into()),
            ("event-type", self.event_type.document().into()),
            ("occurred-at", time.into()),
        ]
    }
}
