//! The events of cards: a card was made or deleted.

use super::collector::Collector;
use super::event_type::EventType;
use super::values::CardTold;
use super::values::Value;
use crate::entities::{CardEvent, Event};

impl<'a> Collector<'a> {
    /// Adds the event of a created or deleted card.
    pub(super) fn card(&mut self) {
        let Some(view) = self.record.card() else {
            return;
        };
        let mut changes = self.record.changes.iter();
        let own = changes.find(|change| change.entity == view.id);
        for event in own.into_iter().flat_map(|change| &change.events) {
            let event_type = match event {
                Event::Card(CardEvent::Opened(_)) => EventType::CardCreated,
                Event::Card(CardEvent::Deleted) => EventType::CardDeleted,
                _ => continue,
            };
            let value = Value::Card(CardTold {
                event_type: event_type.document(),
                card_id: view.id,
                card_number: view.opened.card_number(),
                account_id: view.opened.account,
                country: view.opened.country,
                deleted: view.deleted,
                creation_timestamp: view.created_at,
                timestamp: self.record.time,
            });
            self.push(event_type, 0, view.id, value);
        }
    }
}
