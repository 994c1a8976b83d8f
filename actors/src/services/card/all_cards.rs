//! The cards of all instances of the card service, from their events. Each instance has its own
//! journal; with this model every instance can show and delete the cards of all instances.
//!
//! The events of a card may arrive in any order: the card is deleted once any event says so.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use dashmap::{DashMap, DashSet};
use florin_storage::{Disk, ViewError, decode, encode};
use serde::{Deserialize, Serialize};

use crate::bus::{Consumer, Continuity, Failure, Handling, Message, Reads, Reason};
use crate::entities::{CardCopy, CardOpened, CardView};
use crate::events::EventType;
use crate::services::ReadModel;
use crate::upkeep::Upkeep;
use crate::words::{Country, EntityId, Timestamp};

/// The name of the file in the data folder.
pub(crate) const FILE: &str = "card-cards.redb";

/// A card, as known from its events.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct KnownCard {
    copy: CardCopy,
    deleted: bool,
}

/// The cards of all instances.
#[derive(Debug)]
pub struct AllCards {
    group: String,
    topics: Vec<String>,
    cards: Arc<Cards>,
    order: Mutex<()>,
    model: ReadModel,
}

#[derive(Debug, Default)]
struct Cards {
    by_id: DashMap<EntityId, KnownCard>,
    by_account: DashMap<EntityId, BTreeSet<EntityId>>,
    numbers: DashSet<u32>,
}

/// The fields of a card event that the model needs. Other fields are ignored.
#[derive(Debug, Deserialize)]
struct CardEvent {
    #[serde(rename = "type")]
    event_type: String,
    card_id: EntityId,
    card_number: String,
    account_id: EntityId,
    country: String,
    creation_timestamp: String,
}

impl AllCards {
    /// Opens the model. It is a consumer of `topics` in `group`.
    ///
    /// # Errors
    /// Returns an error if the disk fails.
    pub fn open(
        disk: &Arc<dyn Disk>,
        topics: Vec<String>,
        group: &str,
        upkeep: &Upkeep,
    ) -> Result<Self, ViewError> {
        let cards = Arc::<Cards>::default();
        let take = |key: &[u8], value: &[u8]| {
            if let (Ok(card), Ok(known)) = (<[u8; 16]>::try_from(key), decode(value)) {
                cards.take(EntityId::from_bytes(card), known);
            }
        };
        let all = Arc::clone(&cards);
        let model = ReadModel::open(disk, FILE, upkeep, take, move || all.rows())?;
        Ok(Self {
            group: group.to_owned(),
            topics,
            cards,
            order: Mutex::default(),
            model,
        })
    }

    /// Returns a card; `None` if there was no event about it.
    pub fn card(&self, id: EntityId) -> Option<CardView> {
        self.cards.by_id.get(&id).map(|known| known.view(id))
    }

    /// Returns an account's cards in the order of their ids, at most `limit`. If `after` is given,
    /// only cards with higher ids are returned.
    pub fn of_account(
        &self,
        account: EntityId,
        after: Option<EntityId>,
        limit: usize,
    ) -> Vec<CardView> {
        let behind = |id: &&EntityId| after.is_none_or(|after| **id > after);
        let known = self.cards.by_account.get(&account);
        let ids = known.map_or_else(Vec::new, |ids| {
            ids.iter().filter(behind).take(limit).copied().collect()
        });
        ids.into_iter().filter_map(|id| self.card(id)).collect()
    }

    /// Returns whether a card has the number.
    pub fn is_taken(&self, number: u32) -> bool {
        self.cards.numbers.contains(&number)
    }
}

impl Consumer for AllCards {
    fn group(&self) -> &str {
        &self.group
    }

    fn topics(&self) -> &[String] {
        &self.topics
    }

    fn reads(&self) -> Reads {
        Reads::Everything
    }

    fn position(&self, topic: &str, partition: i32) -> Option<i64> {
        Some(self.model.position(topic, partition))
    }

    fn continuity(&self) -> Option<&dyn Continuity> {
        Some(&self.model)
    }

    fn handle(&self, message: Arc<Message>) -> Handling {
        let malformed = |detail: String| -> Handling {
            Box::pin(async move { Err(Failure::new(Reason::Malformed, detail)) })
        };
        let value = message.value.as_deref().unwrap_or_default();
        let known = serde_json::from_slice(value)
            .map_err(|error| error.to_string())
            .and_then(read);
        let (card, known) = match known {
            Ok(Some(read)) => read,
            // A newer event type is not relevant for the model.
            Ok(None) => return self.model.put(&message, None),
            Err(detail) => return malformed(detail),
        };
        // The lock makes the rows of a card be written in the order of the updates in memory.
        let _order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.cards.take(card, known);
        let mut row = Vec::new();
        if let Err(error) = encode(&known, &mut row) {
            return malformed(error.to_string());
        }
        self.model
            .put(&message, Some((card.to_bytes().to_vec(), row)))
    }
}

/// Reads the card from an event; `None` for a type that is not about a card.
fn read(value: serde_json::Value) -> Result<Option<(EntityId, KnownCard)>, String> {
    let name = value["type"].as_str().ok_or("there is no type")?;
    let types = [EventType::CardCreated, EventType::CardDeleted];
    if !types.iter().any(|known| known.document() == name) {
        return Ok(None);
    }
    let event: CardEvent = serde_json::from_value(value).map_err(|error| error.to_string())?;
    let country: Country = event.country.parse().map_err(|_| "no such country")?;
    let number = event.card_number.split_once('-').map(|(_, number)| number);
    let number = number.filter(|number| number.len() == 8);
    let number = number.and_then(|number| u32::from_str_radix(number, 16).ok());
    let created_at: Timestamp = event
        .creation_timestamp
        .parse()
        .map_err(|_| "creation_timestamp is not a time")?;
    let copy = CardCopy {
        opened: CardOpened {
            account: event.account_id,
            country,
            number: number.ok_or("card_number is not a card number")?,
        },
        created_at,
    };
    let deleted = event.event_type == EventType::CardDeleted.document();
    Ok(Some((event.card_id, KnownCard { copy, deleted })))
}

impl Cards {
    /// Returns all cards as rows.
    fn rows(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let all = self.by_id.iter();
        all.filter_map(|entry| {
            let mut row = Vec::new();
            // Every card in memory was encoded before, so encoding can't fail here.
            encode(entry.value(), &mut row).ok()?;
            Some((entry.key().to_bytes().to_vec(), row))
        })
        .collect()
    }

    /// Merges an event into the known card, and returns the result.
    fn take(&self, card: EntityId, told: KnownCard) -> KnownCard {
        // The guard of one map is released before the next map is locked, because readers lock them
        // in the opposite order.
        let known = {
            let mut known = self.by_id.entry(card).or_insert(told);
            known.deleted |= told.deleted;
            *known
        };
        let opened = known.copy.opened;
        self.by_account
            .entry(opened.account)
            .or_default()
            .insert(card);
        self.numbers.insert(opened.number);
        known
    }
}

impl KnownCard {
    const fn view(&self, id: EntityId) -> CardView {
        CardView {
            id,
            opened: self.copy.opened,
            deleted: self.deleted,
            version: 1 + self.deleted as u64,
            created_at: self.copy.created_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use florin_storage::SimulatedDisk;
    use serde_json::json;

    use super::*;

    fn open(disk: &SimulatedDisk) -> AllCards {
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let topics = vec!["card-events".to_owned()];
        AllCards::open(&disk, topics, "card-service", &Upkeep::default()).unwrap()
    }

    fn id(last: u8) -> EntityId {
        EntityId::from_parts(1, 2, last)
    }

    fn event(offset: i64, name: &str, card: EntityId) -> Arc<Message> {
        let value = json!({
            "type": name, "card_id": card, "card_number": "US-7c9e6679", "account_id": id(9),
            "country": "US", "creation_timestamp": "2026-01-02T03:04:05.000006Z", "more": 1,
        });
        Arc::new(Message {
            topic: "card-events".into(),
            partition: 1,
            offset,
            incarnation: Default::default(),
            settled_before: 0,
            timestamp_millis: None,
            key: None,
            headers: Vec::new(),
            value: Some(value.to_string().into_bytes()),
        })
    }

    #[tokio::test]
    async fn a_card_is_deleted_once_any_event_says_so() {
        let disk = SimulatedDisk::new();
        let cards = open(&disk);
        for (offset, name, card) in [
            (0, "card.deleted", id(1)),
            (1, "card.created", id(1)),
            (2, "card.created", id(2)),
            (3, "card.renewed", id(3)),
        ] {
            cards.handle(event(offset, name, card)).await.unwrap();
        }
        drop(cards);
        let cards = open(&disk);
        assert!(cards.card(id(1)).unwrap().deleted);
        let other = cards.card(id(2)).unwrap();
        assert_eq!(other.opened.card_number(), "US-7c9e6679");
        assert!(!other.deleted && cards.card(id(3)).is_none());
        assert!(cards.is_taken(0x7c9e_6679) && !cards.is_taken(1));
        assert_eq!(cards.position("card-events", 1), Some(4));
        let of = |after, limit| cards.of_account(id(9), after, limit).len();
        assert_eq!(
            (
                of(None, 9),
                of(None, 1),
                of(Some(id(1)), 9),
                of(Some(id(2)), 9)
            ),
            (2, 1, 1, 0)
        );
    }

    #[tokio::test]
    async fn what_is_malformed_is_poison() {
        let cards = open(&SimulatedDisk::new());
        for value in ["", "{}", "{\"type\":\"card.created\"}"] {
            let mut message = Message::clone(&event(0, "card.created", id(1)));
            message.value = Some(value.as_bytes().to_vec());
            let failed = cards.handle(Arc::new(message)).await;
            let reason = failed.map_err(|failure| failure.reason);
            assert_eq!(reason, Err(Reason::Malformed), "{value}");
        }
    }
}
