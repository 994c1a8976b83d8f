//! What the card service knows of accounts, by their events alone: each one's status. Kept in a file
//! with the places it was read from, and in memory for the check of every new card.

use std::sync::Arc;

use dashmap::DashMap;
use florin_storage::{Disk, ViewError};
use serde::Deserialize;

use crate::bus::{Consumer, EventType, Failure, Handling, Message, Reads};
use crate::messages::{AccountStatus, EntityId};
use crate::services::ReadModel;

/// The file, in the data folder.
const FILE: &str = "card-accounts.redb";

/// The events of the account topic that tell a status.
const TOLD: [EventType; 2] = [EventType::AccountCreated, EventType::AccountStatusChanged];

/// What is known of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    status: AccountStatus,
    /// The account's version then, where the event told it.
    version: Option<u64>,
}

/// The accounts as their events tell them.
#[derive(Debug)]
pub struct AccountCache {
    group: String,
    topics: Vec<String>,
    accounts: DashMap<EntityId, Known>,
    model: ReadModel,
}

/// An account's event, as far as it matters here; other fields may be there.
#[derive(Debug, Deserialize)]
struct AccountEvent {
    #[serde(rename = "type")]
    event_type: String,
    account_id: EntityId,
    status: Status,
    version: Option<u64>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Status {
    Active,
    Frozen,
    Deleted,
}

impl From<Status> for AccountStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Active => Self::Active,
            Status::Frozen => Self::Frozen,
            Status::Deleted => Self::Deleted,
        }
    }
}

impl AccountCache {
    /// Opens the cache: a consumer of `topic` in `group`.
    ///
    /// # Errors
    /// What the disk refused.
    pub fn open(disk: &Arc<dyn Disk>, topic: &str, group: &str) -> Result<Self, ViewError> {
        let accounts = DashMap::new();
        let model = ReadModel::open(disk, FILE, |key, value| {
            if let (Some(account), Some(known)) = (read_key(key), Known::read(value)) {
                accounts.insert(account, known);
            }
        })?;
        Ok(Self {
            group: group.to_owned(),
            topics: vec![topic.to_owned()],
            accounts,
            model,
        })
    }

    /// An account's status; `None`: no event told of it.
    pub fn status(&self, account: EntityId) -> Option<AccountStatus> {
        self.accounts.get(&account).map(|known| known.status)
    }

    /// How many accounts are known.
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Takes an event in: memory at once, the file in the same order.
    fn take(&self, message: &Message, event: &AccountEvent) -> Handling {
        let (account, status) = (event.account_id, AccountStatus::from(event.status));
        tracing::info!(
            "Received account event: type={}, account_id={account}, status={}",
            event.event_type,
            status.name()
        );
        let new = Known {
            status,
            version: event.version,
        };
        let is_creation = event.event_type == EventType::AccountCreated.document();
        // Held until the row is in line: of two events of an account the later one is written later.
        let mut entry = self.accounts.entry(account).or_insert(new);
        let is_first = *entry == new;
        if !is_first && !entry.is_superseded_by(&new, is_creation) {
            return self.model.put(message, None);
        }
        *entry = new;
        let handling = self.model.put(message, Some((key(account), new.write())));
        drop(entry);
        tracing::info!(
            "Updated account cache: account_id={account}, status={}",
            status.name()
        );
        handling
    }
}

impl Consumer for AccountCache {
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
        Some(self.model.place(topic, partition))
    }

    fn handle(&self, message: Arc<Message>) -> Handling {
        match parse(&message) {
            Ok(Some(event)) => self.take(&message, &event),
            // A type that came later: not for us.
            Ok(None) => self.model.put(&message, None),
            Err(failure) => Box::pin(async move { Err(failure) }),
        }
    }
}

/// The event; `None` for a type that tells no status.
fn parse(message: &Message) -> Result<Option<AccountEvent>, Failure> {
    let poison = |reason, detail: String| Failure::Poison { reason, detail };
    if let Some(cloud) = message.header("ce_type") {
        let is_told = TOLD.iter().any(|known| known.cloud() == cloud);
        let is_version_of = |known: &&EventType| {
            let name = cloud.strip_prefix("florin.").unwrap_or(cloud);
            let version = name.strip_prefix(known.short());
            version.is_some_and(|version| version.starts_with(".v"))
        };
        if !is_told && TOLD.iter().any(|known| is_version_of(&known)) {
            let detail = format!("{cloud} is of a version that is not known here");
            return Err(poison("unknown_version", detail));
        }
    }
    #[derive(Deserialize)]
    struct Typed {
        #[serde(rename = "type")]
        event_type: String,
    }
    let malformed = |error: serde_json::Error| poison("malformed", error.to_string());
    let value = message
        .value
        .as_deref()
        .ok_or_else(|| poison("malformed", "there is no value".to_owned()))?;
    let typed: Typed = serde_json::from_slice(value).map_err(malformed)?;
    if !TOLD
        .iter()
        .any(|known| known.document() == typed.event_type)
    {
        tracing::debug!(
            event_type = typed.event_type,
            "an account event of no concern"
        );
        return Ok(None);
    }
    serde_json::from_slice(value).map(Some).map_err(malformed)
}

impl Known {
    /// Whether an event that came later tells something newer. A deleted account stays so; by versions
    /// the higher one wins; without them the later one does, but for the account's creation.
    fn is_superseded_by(&self, new: &Self, is_creation: bool) -> bool {
        if self.status == AccountStatus::Deleted {
            return false;
        }
        match (self.version, new.version) {
            (Some(known), Some(new)) => new > known,
            _ => !is_creation,
        }
    }

    fn write(self) -> Vec<u8> {
        let mut row = vec![self.status as u8];
        row.extend(self.version.map(u64::to_le_bytes).into_iter().flatten());
        row
    }

    fn read(row: &[u8]) -> Option<Self> {
        let (status, version) = row.split_first()?;
        let mut all = AccountStatus::ALL.into_iter();
        Some(Self {
            status: all.find(|known| *known as u8 == *status)?,
            version: match version {
                [] => None,
                version => Some(u64::from_le_bytes(version.try_into().ok()?)),
            },
        })
    }
}

fn key(account: EntityId) -> Vec<u8> {
    account.to_bytes().to_vec()
}

fn read_key(key: &[u8]) -> Option<EntityId> {
    key.try_into().ok().map(EntityId::from_bytes)
}

#[cfg(test)]
mod tests {
    use florin_storage::SimulatedDisk;

    use super::*;

    const TOPIC: &str = "account-events";

    fn open(disk: &SimulatedDisk) -> AccountCache {
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        AccountCache::open(&disk, TOPIC, "card-service").unwrap()
    }

    fn id(last: u8) -> EntityId {
        EntityId::from_parts(1, 2, last)
    }

    fn message(offset: i64, value: &str) -> Arc<Message> {
        Arc::new(Message {
            topic: TOPIC.into(),
            partition: 0,
            offset,
            timestamp_millis: None,
            key: None,
            headers: Vec::new(),
            value: Some(value.as_bytes().to_vec()),
        })
    }

    fn event(offset: i64, name: &str, status: &str, version: Option<u64>) -> Arc<Message> {
        let version = version.map_or(String::new(), |version| format!(",\"version\":{version}"));
        let id = id(1);
        let value = format!(
            "{{\"type\":\"account.{name}\",\"account_id\":\"{id}\",\"status\":\"{status}\"{version}}}"
        );
        message(offset, &value)
    }

    #[tokio::test]
    async fn the_newest_version_wins_whatever_the_order() {
        let disk = SimulatedDisk::new();
        let cache = open(&disk);
        for (offset, name, status, version, then) in [
            (0, "status_changed", "FROZEN", 3, AccountStatus::Frozen),
            (1, "created", "ACTIVE", 1, AccountStatus::Frozen),
            (2, "status_changed", "ACTIVE", 4, AccountStatus::Active),
            (3, "status_changed", "FROZEN", 3, AccountStatus::Active),
            (4, "status_changed", "DELETED", 5, AccountStatus::Deleted),
            (5, "status_changed", "ACTIVE", 6, AccountStatus::Deleted),
        ] {
            cache
                .handle(event(offset, name, status, Some(version)))
                .await
                .unwrap();
            assert_eq!(cache.status(id(1)), Some(then), "{offset}");
        }
        assert_eq!(cache.position(TOPIC, 0), Some(6));
    }

    #[tokio::test]
    async fn without_versions_a_creation_that_comes_late_brings_nobody_back() {
        let cache = open(&SimulatedDisk::new());
        for (offset, name, status, then) in [
            (0, "status_changed", "DELETED", AccountStatus::Deleted),
            (1, "created", "ACTIVE", AccountStatus::Deleted),
        ] {
            cache
                .handle(event(offset, name, status, None))
                .await
                .unwrap();
            assert_eq!(cache.status(id(1)), Some(then));
        }
    }

    #[tokio::test]
    async fn rows_and_place_come_back_together() {
        let disk = SimulatedDisk::new();
        let cache = open(&disk);
        cache
            .handle(event(7, "created", "ACTIVE", Some(1)))
            .await
            .unwrap();
        drop(cache);
        let cache = open(&disk);
        assert_eq!(cache.status(id(1)), Some(AccountStatus::Active));
        assert_eq!(cache.position(TOPIC, 0), Some(8));
        assert_eq!(cache.position(TOPIC, 1), Some(0));
        assert_eq!(cache.len(), 1);
    }

    #[tokio::test]
    async fn what_is_malformed_is_poison_and_what_is_new_is_passed_by() {
        let cache = open(&SimulatedDisk::new());
        let account = id(1);
        let of = |fields: &str| format!("{{\"type\":\"account.created\",{fields}}}");
        for value in [
            "",
            "{",
            "[]",
            "{}",
            &of(""),
            &of(&format!("\"account_id\":\"{account}\"")),
            &of(&format!("\"account_id\":\"{account}\",\"status\":\"OPEN\"")),
            &of("\"account_id\":\"7\",\"status\":\"ACTIVE\""),
        ] {
            let failed = cache.handle(message(0, value)).await.unwrap_err();
            let is_poison =
                matches!(failed, Failure::Poison { reason, .. } if reason == "malformed");
            assert!(is_poison, "{value}: {failed:?}");
        }
        let mut next = Message::clone(&event(1, "created", "ACTIVE", Some(1)));
        let version = b"florin.account.created.v2".to_vec();
        next.headers = vec![("ce_type".to_owned(), version)];
        assert!(cache.handle(Arc::new(next)).await.is_err());
        let renamed = message(2, "{\"type\":\"account.renamed\"}");
        cache.handle(renamed).await.unwrap();
        assert!(cache.is_empty());
        assert_eq!(cache.position(TOPIC, 0), Some(3));
    }
}
