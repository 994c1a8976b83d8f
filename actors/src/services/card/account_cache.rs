//! The card service's cache of account statuses, built from account events alone. It is kept in a
//! file together with the read positions, and in memory for the check of every new card.

use std::sync::Arc;

use dashmap::DashMap;
use florin_storage::{Disk, ViewError};
use serde::Deserialize;

use crate::bus::{Consumer, Continuity, Failure, Handling, Message, Reads, Reason};
use crate::entities::AccountStatus;
use crate::events::EventType;
use crate::services::ReadModel;
use crate::upkeep::Upkeep;
use crate::words::EntityId;

/// The name of the file in the data folder.
pub(crate) const FILE: &str = "card-accounts.redb";

/// The event types of the account topic that carry a status.
const TOLD: [EventType; 2] = [EventType::AccountCreated, EventType::AccountStatusChanged];

/// The known status of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct KnownAccount {
    status: AccountStatus,
    /// The account's version at the event; `None` if the event carried none.
    version: Option<u64>,
}

/// The statuses of accounts, from their events.
#[derive(Debug)]
pub struct AccountCache {
    group: String,
    topics: Vec<String>,
    accounts: Arc<DashMap<EntityId, KnownAccount>>,
    /// True if each event is logged at INFO, as source document 003 shows.
    logs_events: bool,
    model: ReadModel,
}

/// The fields of an account event that the cache needs. Other fields are ignored.
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
    /// Opens the cache. It is a consumer of `topic` in `group`.
    ///
    /// # Errors
    /// Returns an error if the disk fails.
    pub fn open(
        disk: &Arc<dyn Disk>,
        topic: &str,
        group: &str,
        upkeep: &Upkeep,
    ) -> Result<Self, ViewError> {
        let accounts: Arc<DashMap<EntityId, KnownAccount>> = Arc::default();
        let take = |row: &[u8], value: &[u8]| {
            if let (Some(account), Some(known)) = (read_key(row), KnownAccount::read(value)) {
                accounts.insert(account, known);
            }
        };
        let all = Arc::clone(&accounts);
        let rows = move || {
            let all = all.iter();
            all.map(|entry| (key(*entry.key()), entry.value().write()))
                .collect()
        };
        let model = ReadModel::open(disk, FILE, upkeep, take, rows)?;
        Ok(Self {
            logs_events: false,
            group: group.to_owned(),
            topics: vec![topic.to_owned()],
            accounts,
            model,
        })
    }

    /// Sets whether the two log lines for each event that source document 003 shows are logged at
    /// INFO; otherwise they are logged at DEBUG.
    #[must_use]
    pub fn logging_events(self, logs_events: bool) -> Self {
        Self {
            logs_events,
            ..self
        }
    }

    /// Logs a line that source document 003 shows.
    fn log(&self, line: std::fmt::Arguments<'_>) {
        if self.logs_events {
            tracing::info!("{line}");
        } else {
            tracing::debug!("{line}");
        }
    }

    /// Returns an account's status; `None` if there was no event about it.
    pub fn status(&self, account: EntityId) -> Option<AccountStatus> {
        self.accounts.get(&account).map(|known| known.status)
    }

    /// Returns a sentence that says why account events may be missing; `None` if none is missing.
    pub fn gap(&self) -> Option<String> {
        self.model.gap()
    }

    /// Returns the number of known accounts.
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Returns whether no account is known.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Applies an event: to memory at once, and to the file in the same order.
    fn take(&self, message: &Message, event: &AccountEvent) -> Handling {
        let (account, status) = (event.account_id, AccountStatus::from(event.status));
        self.log(format_args!(
            "Received account event: type={}, account_id={account}, status={}",
            event.event_type,
            status.name()
        ));
        let new = KnownAccount {
            status,
            version: event.version,
        };
        let is_creation = event.event_type == EventType::AccountCreated.document();
        // The entry stays locked until the row is queued, so that the rows of an account are
        // written in the order of its events.
        let mut entry = self.accounts.entry(account).or_insert(new);
        let is_first = *entry == new;
        if !is_first && !entry.is_superseded_by(&new, is_creation) {
            return self.model.put(message, None);
        }
        *entry = new;
        let handling = self.model.put(message, Some((key(account), new.write())));
        drop(entry);
        self.log(format_args!(
            "Updated account cache: account_id={account}, status={}",
            status.name()
        ));
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
        Some(self.model.position(topic, partition))
    }

    fn continuity(&self) -> Option<&dyn Continuity> {
        Some(&self.model)
    }

    fn handle(&self, message: Arc<Message>) -> Handling {
        match parse(&message) {
            Ok(Some(event)) => self.take(&message, &event),
            // A newer event type is not relevant for the cache.
            Ok(None) => self.model.put(&message, None),
            Err(failure) => Box::pin(async move { Err(failure) }),
        }
    }
}

/// Parses an account event; `None` for a type that carries no status.
fn parse(message: &Message) -> Result<Option<AccountEvent>, Failure> {
    if let Some(cloud) = message.header("ce_type") {
        let is_told = TOLD.iter().any(|known| known.cloud() == cloud);
        let is_version_of = |known: &&EventType| {
            let name = cloud.strip_prefix("florin.").unwrap_or(cloud);
            let version = name.strip_prefix(known.short());
            version.is_some_and(|version| version.starts_with(".v"))
        };
        if !is_told && TOLD.iter().any(|known| is_version_of(&known)) {
            let detail = format!("the version of {cloud} is unknown to this program");
            return Err(Failure::new(Reason::UnknownVersion, detail));
        }
    }
    #[derive(Deserialize)]
    struct Typed {
        #[serde(rename = "type")]
        event_type: String,
    }
    let malformed = |error: serde_json::Error| Failure::new(Reason::Malformed, error.to_string());
    let value = message
        .value
        .as_deref()
        .ok_or_else(|| Failure::new(Reason::Malformed, "there is no value"))?;
    let typed: Typed = serde_json::from_slice(value).map_err(malformed)?;
    if !TOLD
        .iter()
        .any(|known| known.document() == typed.event_type)
    {
        tracing::debug!(
            event_type = typed.event_type,
            "an account event of a type that the card service does not use"
        );
        return Ok(None);
    }
    serde_json::from_slice(value).map(Some).map_err(malformed)
}

impl KnownAccount {
    /// Returns whether an event that arrived later replaces this status. A deleted account stays
    /// deleted. If both have versions, the higher version wins. Otherwise the later event wins,
    /// unless it is the account's creation.
    fn is_superseded_by(&self, new: &Self, is_creation: bool) -> bool {
        if self.status == AccountStatus::Deleted {
            return false;
        }
        match (self.version, new.version) {
            (Some(known), Some(new)) => new > known,
            (Some(_), None) | (None, _) => !is_creation,
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
        AccountCache::open(&disk, TOPIC, "card-service", &Upkeep::default()).unwrap()
    }

    fn id(last: u8) -> EntityId {
        EntityId::from_parts(1, 2, last)
    }

    fn message(offset: i64, value: &str) -> Arc<Message> {
        Arc::new(Message {
            topic: TOPIC.into(),
            partition: 0,
            offset,
            incarnation: Default::default(),
            settled_before: 0,
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
            assert_eq!(failed.reason, Reason::Malformed, "{value}: {failed:?}");
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
