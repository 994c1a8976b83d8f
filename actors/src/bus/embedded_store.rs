//! What the embedded bus keeps in a file of its own: how far each group is, and dead letters.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use florin_storage::{Disk, ViewError, ViewOptions, ViewStore, ViewWrite, decode, encode};
use serde::{Deserialize, Serialize};

use super::consumer::Failure;
use super::dead_letters::{DEAD_LETTERS_SUFFIX, DeadLetter, DeadLetterId};
use super::message::{Headers, Message};
use crate::messages::Timestamp;

/// The file, in the data folder.
const FILE: &str = "bus.redb";
/// Raised when the rows' form changes.
const SCHEMA: u32 = 1;
const CACHE_BYTES: usize = 1 << 20;
const CURSORS: &str = "cursors";
const LETTERS: &str = "letters";
/// The next letter's place, by topic of dead letters: a place is never given twice.
const NEXT: &str = "next";

/// How far a group is in a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// The offset behind the last message that it handled.
    pub(super) handled: i64,
    /// From there on nothing was looked at. Between the two there is no message of the topic.
    pub(super) looked: i64,
    /// Where the consumer itself was then, if it keeps that: it is not behind a dead letter.
    pub(super) own: Option<i64>,
}

/// The file of the embedded bus.
#[derive(Debug)]
pub struct BusStore {
    store: ViewStore,
    /// Letters that wait, by the topic that they came from.
    waiting: Mutex<HashMap<String, u64>>,
}

/// A dead letter as it is kept; its topic and offset are its row's key.
#[derive(Serialize, Deserialize)]
struct Letter {
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
    /// Opens the file. A damaged one is made anew: the groups begin again, and what became a dead
    /// letter becomes one again.
    ///
    /// # Errors
    /// What the disk refused.
    pub fn open(disk: &Arc<dyn Disk>) -> Result<Self, ViewError> {
        let options = ViewOptions {
            cache_bytes: CACHE_BYTES,
            forget_cached: true,
        };
        let store = match ViewStore::open(disk.as_ref(), FILE, SCHEMA, options) {
            Err(error @ ViewError::Unusable { .. }) => {
                tracing::warn!(%error, "the bus begins anew");
                disk.remove(FILE)
                    .map_err(|source| florin_storage::Error::Io {
                        file: FILE.to_owned(),
                        source,
                    })?;
                ViewStore::open(disk.as_ref(), FILE, SCHEMA, options)?
            }
            opened => opened?,
        };
        let bus = Self {
            store,
            waiting: Mutex::default(),
        };
        let all = bus.letters(None, None, usize::MAX)?;
        for letter in all {
            bus.wait(letter.id.source_topic(), 1);
        }
        Ok(bus)
    }

    /// How far a group is in a topic; `None` before it handled anything.
    pub(super) fn cursor(&self, group: &str, topic: &str) -> Result<Option<Cursor>, ViewError> {
        let row = self.store.read()?.get(CURSORS, &cursor_key(group, topic))?;
        row.map(|row| Ok(decode(&row)?)).transpose()
    }

    /// Notes how far a group is.
    pub(super) fn save(&self, group: &str, topic: &str, cursor: Cursor) -> Result<(), ViewError> {
        self.store
            .write(|write| put_cursor(write, group, topic, cursor))
    }

    /// Keeps a message that its consumer could not handle, and notes that the group is past it, in
    /// one step.
    pub(super) fn bury(
        &self,
        message: &Message,
        group: &str,
        failure: &Failure,
        attempts: u32,
        failed_at: Timestamp,
        cursor: Cursor,
    ) -> Result<(), ViewError> {
        let (Failure::Transient { reason, detail } | Failure::Poison { reason, detail }) = failure;
        let letter = Letter {
            topic: message.topic.to_string(),
            partition: message.partition,
            offset: message.offset,
            timestamp_millis: message.timestamp_millis,
            key: message.key.clone(),
            headers: message.headers.clone(),
            value: message.value.clone(),
            group: group.to_owned(),
            reason: (*reason).to_owned(),
            error: detail.clone(),
            attempts,
            failed_at,
            redrives: 0,
            redriven_at: None,
        };
        self.store.write(|write| {
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

    /// Letters that wait, in the order of their ids: of one source topic where given, behind `after`
    /// where given.
    pub(super) fn letters(
        &self,
        source_topic: Option<&str>,
        after: Option<&DeadLetterId>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, ViewError> {
        let from = after.map(letter_key).unwrap_or_default();
        let mut found = Vec::new();
        for row in self.store.read()?.range(LETTERS, from.as_slice()..)? {
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

    /// The letter of that id, if it waits.
    pub(super) fn letter(&self, id: &DeadLetterId) -> Result<Option<DeadLetter>, ViewError> {
        let row = self.store.read()?.get(LETTERS, &letter_key(id))?;
        row.map(|row| Ok(letter(id.clone(), decode(&row)?)))
            .transpose()
    }

    /// It was handled after all.
    pub(super) fn remove(&self, id: &DeadLetterId) -> Result<(), ViewError> {
        self.store
            .write(|write| write.remove(LETTERS, &letter_key(id)))?;
        self.wait(id.source_topic(), -1);
        Ok(())
    }

    /// It was handed to its consumer once more.
    pub(super) fn note_redrive(&self, letter: &DeadLetter, at: Timestamp) -> Result<(), ViewError> {
        let message = &letter.message;
        let kept = Letter {
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
        self.store
            .write(|write| write.put(LETTERS, &letter_key(&letter.id), &row))
    }

    /// How many letters wait, by the topic that they came from.
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

fn put_cursor(
    write: &mut ViewWrite<'_>,
    group: &str,
    topic: &str,
    cursor: Cursor,
) -> Result<(), ViewError> {
    let mut row = Vec::new();
    encode(&cursor, &mut row)?;
    write.put(CURSORS, &cursor_key(group, topic), &row)
}

/// A topic's name has no byte 0.
fn cursor_key(group: &str, topic: &str) -> Vec<u8> {
    [topic.as_bytes(), &[0], group.as_bytes()].concat()
}

fn letter_key(id: &DeadLetterId) -> Vec<u8> {
    // Offsets and partitions are never negative: their bytes are in their order.
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

fn letter(id: DeadLetterId, letter: Letter) -> DeadLetter {
    DeadLetter {
        id,
        message: Message {
            topic: letter.topic.into(),
            partition: letter.partition,
            offset: letter.offset,
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
