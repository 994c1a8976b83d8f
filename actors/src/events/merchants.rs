//! The events of merchants: a merchant was opened. Its money has the events of all movements.

use super::collector::Collector;
use super::event_type::EventType;
use super::id::EventId;
use super::values::{MerchantOpened, Source, Value};
use crate::entities::MerchantEvent;
use crate::record::Change;

/// The service that publishes events of merchants, named as in the source documents.
const SOURCE: Source = Source {
    source: "merchant-service",
    version: "1.0",
};

impl Collector<'_> {
    /// Adds the event of a merchant's change, if it causes one.
    pub(super) fn merchant(&mut self, change: &Change, event: &MerchantEvent) {
        match event {
            MerchantEvent::Opened(opened) => {
                let event_type = EventType::MerchantCreated;
                let value = Value::Merchant(MerchantOpened {
                    event_type: event_type.document(),
                    event_id: EventId::new(self.record, event_type.short(), 0),
                    merchant_id: change.entity,
                    currency: opened.currency,
                    timestamp: self.record.time,
                    metadata: SOURCE,
                });
                self.push(event_type, 0, change.entity, value);
            }
            MerchantEvent::Money(_) | MerchantEvent::PersonalErased(_) => {}
        }
    }
}
