//! A message on a topic, as both buses carry it.

use std::borrow::Cow;
use std::sync::Arc;

use super::event::BusEvent;
use crate::messages::TraceParent;

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
    pub fn headers(&self) -> [(&'static str, Cow<'static, str>); 12] {
        let time = self.time.to_string();
        // Without a trace of its own an event starts one.
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
