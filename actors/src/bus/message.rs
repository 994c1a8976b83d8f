//! A message on a topic, as both buses carry it.

use std::sync::Arc;

use super::event::BusEvent;

/// A message's headers, in order; a name may come more than once.
pub type Headers = Vec<(String, Vec<u8>)>;

/// A message that came from a topic.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The topic.
    pub topic: Arc<str>,
    /// Its partition there; 0 on the embedded bus.
    pub partition: i32,
    /// Its place in the partition.
    pub offset: i64,
    /// When it was written, in milliseconds since 1970, where known.
    pub timestamp_millis: Option<i64>,
    /// What keeps its order.
    pub key: Option<Vec<u8>>,
    /// Its headers.
    pub headers: Headers,
    /// Its value; none for a tombstone.
    pub value: Option<Vec<u8>>,
}

impl Message {
    /// The first header of that name, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter();
        let (_, value) = all.find(|(known, _)| known == name)?;
        std::str::from_utf8(value).ok()
    }
}

impl BusEvent {
    /// The event's headers: CloudEvents 1.0 in Kafka's binary mode, the trace, and the document's
    /// own two.
    pub fn headers(&self) -> [(&'static str, String); 12] {
        let time = self.time.to_string();
        // Without a trace of its own an event starts one.
        let trace = self.trace.map_or_else(
            || {
                let id = self.id.as_u128();
                format!("00-{id:032x}-{:016x}-00", (id >> 64) as u64 | 1)
            },
            |trace| trace.to_string(),
        );
        [
            ("ce_specversion", "1.0".to_owned()),
            ("ce_id", self.id.to_string()),
            ("ce_source", self.event_type.service().source().to_owned()),
            ("ce_type", self.event_type.cloud().to_owned()),
            ("ce_time", time.clone()),
            ("ce_subject", self.key.to_string()),
            ("ce_correlationid", self.correlation.to_string()),
            ("ce_sequence", self.sequence.to_string()),
            ("content-type", "application/json".to_owned()),
            ("traceparent", trace),
            ("event-type", self.event_type.document().to_owned()),
            ("occurred-at", time),
        ]
    }
}
