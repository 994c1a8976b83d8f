//! The file of the embedded bus: the cursors of groups, and dead letters.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use florin_storage::{Disk, ViewError, ViewOptions, ViewStore, ViewWrite, decode, encode};
use serde::{Deserialize, Serialize};

use crate::bus::dead_letters::{DEAD_LETTERS_SUFFIX, DeadLetter, DeadLetterId};
use crate::bus::delivery::Failure;
use crate::bus::message::{Headers, Message};
use crate::conditions::Conditions;
use crate::upkeep::Upkeep;
use crate::words::{Incarnation, Timestamp};

/// The name of the file in the data folder.
const FILE: &str = "bus.redb";
/// The version of the row format. It is raised when the format changes.
const SCHEMA: u32 = 1;
const CACHE_BYTES: usize = 1 << 20;
const CURSORS: &str = "cursors";
const LETTERS: &str = "letters";
/// The table with the next offset of each dead-letter topic. An offset is never assigned twice.
const NEXT: &str = "next";

/// The position of a group in a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct GroupCursor {
    /// The offset after the last handled message.
    pub(super) handled: i64,
    /// The offset up to which records were examined. There is no message of the topic between
    /// `handled` and this offset.
    pub(super) looked: i64,
    /// The consumer's own position when the cursor was saved, if it keeps one. Dead letters don't
    /// move that position.
    pub(super) own: Option<i64>,
}

/// The file of the embedded bus.
#[derive(Debug)]
pub struct BusStore {
    disk: Arc<dyn Disk>,
    conditions: Arc<Conditions>,
    /// `None` while it can't be opened.
    store: Mutex<Option<ViewStore>>,
    /// The number of waiting dead letters, by source topic.
    waiting: Mutex<HashMap<String, u64>>,
}

/// The stored form of a dead letter. The row's key contains the dead-letter topic and offset.
#[derive(Serialize, Deserialize)]
struct StoredLetter {
    topic: String,
    partition: i32,
    offset: i64,
    timestamp_millis: Option<i64>,
    key: Option<Vec<u8>>,
    headers: Headers,
    value: Option<Vec<u8>>,
    group: String,
    reason: String,
    error: String,
    attempts: u32,
    failed_at: Timestamp,
    redrives: u32,
    redriven_at: Option<Timestamp>,
}

impl BusStore {
    /// Opens the file. A damaged file is recreated: the groups start from the beginning, and
    /// unhandled messages become dead letters again. A file that fails later is reopened before the
    /// next use, and the condition `file_not_writable` lasts until a write succeeds.
    ///
    /// # Errors
    /// Returns an error if the disk fails.
    pub fn open(disk: &Arc<dyn Disk>, upkeep: &Upkeep) -> Result<Self, ViewError> {
        let bus = Self {
            disk: Arc::clone(disk),
            conditions: Arc::clone(&upkeep.conditions),
            store: Mutex::new(Some(open_store(disk.as_ref())?)),
            waiting: Mutex::default(),
        };
        bus.with(|store| bus.count_letters(store))?;
        Ok(bus)
    }

    /// Calls `use_it` with the store, after reopening the file if it failed before.
    fn with<R>(
        &self,
        use_it: impl FnOnce(&ViewStore) -> Result<R, ViewError>,
    ) -> Result<R, ViewError> {
        let mut kept = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let store = match kept.take() {
            Some(store) if !store.has_failed() && !store.is_damaged() => kept.insert(store),
            broken => {
                // The failed store is closed before the file is opened again.
                drop(broken);
                let store = open_store(self.disk.as_ref())?;
                self.count_letters(&store)?;
                kept.insert(store)
            }
        };
        use_it(store)
    }

    fn write(
        &self,
        change: impl FnOnce(&mut ViewWrite<'_>) -> Result<(), ViewError>,
    ) -> Result<(), ViewError> {
        let written = self.with(|store| store.write(change));
        self.conditions.note_file(FILE, &written);
        written
    }

    /// Recounts the waiting dead letters.
    fn count_letters(&self, store: &ViewStore) -> Result<(), ViewError> {
        let mut waiting: HashMap<String, u64> = HashMap::new();
        for row in store.read()?.range(LETTERS, ..)? {
            let (key, _) = row?;
            if let Some(id) = letter_id(&key) {
                *waiting.entry(id.source_topic().to_owned()).or_default() += 1;
            }
        }
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = waiting;
        Ok(())
    }

    /// Returns a group's cursor in a topic; `None` if none was saved yet.
    pub(super) fn cursor(
        &self,
        group: &str,
        topic: &str,
    ) -> Result<Option<GroupCursor>, ViewError> {
        let key = cursor_key(group, topic);
        let row = self.with(|store| store.read()?.get(CURSORS, &key))?;
        row.map(|row| Ok(decode(&row)?)).transpose()
    }

    /// Saves a group's cursor.
    pub(super) fn save(
        &self,
        group: &str,
        topic: &str,
        cursor: GroupCursor,
    ) -> Result<(), ViewError> {
        self.write(|write| put_cursor(write, group, topic, cursor))
    }

    /// Stores a message as a dead letter and moves the group's cursor past it, in one transaction.
    pub(super) fn put_dead_letter(
        &self,
        message: &Message,
        group: &str,
        failure: &Failure,
        attempts: u32,
        failed_at: Timestamp,
        cursor: GroupCursor,
    ) -> Result<(), ViewError> {
        let letter = StoredLetter {
            topic: message.topic.to_string(),
            partition: message.partition,
            offset: message.offset,
            timestamp_millis: message.timestamp_millis,
            key: message.key.clone(),
            headers: message.headers.clone(),
            value: message.value.clone(),
            group: group.to_owned(),
            reason: failure.reason.code().to_owned(),
            error: failure.detail.clone(),
            attempts,
            failed_at,
            redrives: 0,
            redriven_at: None,
        };
        self.write(|write| {
            let topic = format!("{}{DEAD_LETTERS_SUFFIX}", letter.topic);
            let next = match write.get(NEXT, topic.as_bytes())? {
                Some(row) => decode::<i64>(&row)?,
                None => 0,
            };
            let mut row = Vec::new();
            encode(&(next + 1), &mut row)?;
            write.put(NEXT, topic.as_bytes(), &row)?;
            let id = DeadLetterId {
                topic,
                partition: 0,
                offset: next,
            };
            row.clear();
            encode(&letter, &mut row)?;
            write.put(LETTERS, &letter_key(&id), &row)?;
            put_cursor(write, group, &message.topic, cursor)
        })?;
        self.wait(&message.topic, 1);
        Ok(())
    }

    /// Returns waiting dead letters in the order of their ids, restricted to one source topic and
    /// to ids after `after`, if given.
    pub(super) fn letters(
        &self,
        source_topic: Option<&str>,
        after: Option<&DeadLetterId>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, ViewError> {
        let from = after.map(letter_key).unwrap_or_default();
        let mut found = Vec::new();
        let read = self.with(ViewStore::read)?;
        for row in read.range(LETTERS, from.as_slice()..)? {
            let (key, bytes) = row?;
            let Some(id) = letter_id(&key).filter(|id| Some(id) != after) else {
                continue;
            };
            if source_topic.is_some_and(|wanted| wanted != id.source_topic()) {
                continue;
            }
            if found.len() == limit {
                break;
            }
            found.push(letter(id, decode(&bytes)?));
        }
        Ok(found)
    }

    /// Returns the dead letter with the id, if it waits.
    pub(super) fn letter(&self, id: &DeadLetterId) -> Result<Option<DeadLetter>, ViewError> {
        let row = self.with(|store| store.read()?.get(LETTERS, &letter_key(id)))?;
        row.map(|row| Ok(letter(id.clone(), decode(&row)?)))
            .transpose()
    }

    /// Removes a dead letter that a redrive has handled.
    pub(super) fn remove(&self, id: &DeadLetterId) -> Result<(), ViewError> {
        self.write(|write| write.remove(LETTERS, &letter_key(id)).map(drop))?;
        self.wait(id.source_topic(), -1);
        Ok(())
    }

    /// Stores the time and number of a failed redrive.
    pub(super) fn note_redrive(&self, letter: &DeadLetter, at: Timestamp) -> Result<(), ViewError> {
        let message = &letter.message;
        let kept = StoredLetter {
            topic: message.topic.to_string(),
            partition: message.partition,
            offset: message.offset,
            timestamp_millis: message.timestamp_millis,
            key: message.key.clone(),
            headers: message.headers.clone(),
            value: message.value.clone(),
            group: letter.group.clone(),
            reason: letter.reason.clone(),
            error: letter.error.clone(),
            attempts: letter.attempts,
            failed_at: letter.failed_at,
            redrives: letter.redrives + 1,
            redriven_at: Some(at),
        };
        let mut row = Vec::new();
        encode(&kept, &mut row)?;
        self.write(|write| write.put(LETTERS, &letter_key(&letter.id), &row).map(drop))
    }

    /// Returns the number of waiting dead letters, by source topic.
    pub(super) fn waiting(&self) -> Vec<(String, u64)> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting
            .iter()
            .map(|(topic, count)| (topic.clone(), *count))
            .collect()
    }

    fn wait(&self, source_topic: &str, more: i64) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.entry(source_topic.to_owned()).or_default();
        *count = count.saturating_add_signed(more);
    }
}

/// Opens the file. A damaged file is removed and recreated.
fn open_store(disk: &dyn Disk) -> Result<ViewStore, ViewError> {
    let options = ViewOptions {
        cache_bytes: CACHE_BYTES,
        forget_cached: true,
    };
    match ViewStore::open(disk, FILE, SCHEMA, options) {
        Err(error @ ViewError::Unusable { .. }) => {
            tracing::warn!(%error, "the file of the embedded bus is unusable and is created again");
            disk.remove(FILE)
                .map_err(|source| florin_storage::Error::Io {
                    file: FILE.to_owned(),
                    source,
                })?;
            ViewStore::open(disk, FILE, SCHEMA, options)
        }
        opened => opened,
    }
}

fn put_cursor(
    write: &mut ViewWrite<'_>,
    group: &str,
    topic: &str,
    cursor: GroupCursor,
) -> Result<(), ViewError> {
    let mut row = Vec::new();
    encode(&cursor, &mut row)?;
    write.put(CURSORS, &cursor_key(group, topic), &row)
}

/// The separator is byte 0, which a topic's name never contains.
fn cursor_key(group: &str, topic: &str) -> Vec<u8> {
    [topic.as_bytes(), &[0], group.as_bytes()].concat()
}

fn letter_key(id: &DeadLetterId) -> Vec<u8> {
    // Offsets and partitions are never negative, so their big-endian bytes sort in numeric order.
    [
        id.topic.as_bytes(),
        &[0],
        &id.partition.to_be_bytes(),
        &id.offset.to_be_bytes(),
    ]
    .concat()
}

fn letter_id(key: &[u8]) -> Option<DeadLetterId> {
    let (rest, offset) = key.split_last_chunk::<8>()?;
    let (rest, partition) = rest.split_last_chunk::<4>()?;
    let (_, topic) = rest.split_last()?;
    Some(DeadLetterId {
        topic: std::str::from_utf8(topic).ok()?.to_owned(),
        partition: i32::from_be_bytes(*partition),
        offset: i64::from_be_bytes(*offset),
    })
}

fn letter(id: DeadLetterId, letter: StoredLetter) -> DeadLetter {
    DeadLetter {
        id,
        message: Message {
            topic: letter.topic.into(),
            partition: letter.partition,
            offset: letter.offset,
            incarnation: Incarnation::default(),
            settled_before: 0,
            timestamp_millis: letter.timestamp_millis,
            key: letter.key,
            headers: letter.headers,
            value: letter.value,
        },
        group: letter.group,
        reason: letter.reason,
        error: letter.error,
        attempts: letter.attempts,
        failed_at: letter.failed_at,
        redrives: letter.redrives,
        redriven_at: letter.redriven_at,
    }
}
