//! Milestones: of an entity's records each so many-th as a row by time, so that its history can be
//! entered anywhere. The records themselves are linked backwards: whoever wants to know what was at
//! a time takes the first milestone after it, or the entity's last record, and walks back. An entity
//! with fewer records has no row and costs nothing.

use std::collections::BTreeMap;
use std::ops::{Bound, RangeInclusive};
use std::sync::PoisonError;

use florin_storage::{ViewError, ViewRead, ViewWrite};
use serde::{Deserialize, Serialize};

use super::Views;
use crate::messages::{EntityId, Overdraft, Timestamp};
use crate::runtime::Present;

const MILESTONES: &str = "milestones";

/// Entity, time, sequence.
type Key = [u8; 32];

/// What an entity's money was right after a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// What is posted, in minor units; of an external account it may pass 2^53.
    pub balance: i128,
    /// What pending transfers held of it.
    pub held: i64,
    /// The overdraft limit then.
    pub overdraft: Overdraft,
    /// The entity's version.
    pub version: u64,
}

/// Milestones that are not in the store yet.
#[derive(Debug, Default)]
pub(super) struct Milestones(BTreeMap<Key, Standing>);

impl Milestones {
    /// Takes in an entity as it is right after its last record, made at `time`, which `raised` its
    /// version, if that one is a milestone: each `records`-th version is.
    pub(super) fn take(
        &mut self,
        entity: EntityId,
        present: &Present,
        raised: u32,
        time: Timestamp,
        records: u64,
    ) {
        let before = present.version - u64::from(raised);
        if before / records == present.version / records {
            return;
        }
        let posted = present.state.as_ref().and_then(|state| state.posted());
        let Some((_, balance, held, overdraft)) = posted else {
            return;
        };
        let standing = Standing {
            balance,
            held,
            overdraft,
            version: present.version,
        };
        self.0.insert(key(entity, time, present.last), standing);
    }

    /// Writes all of them, in order.
    pub(super) fn write(
        &self,
        write: &mut ViewWrite<'_>,
        pause: &mut dyn FnMut(),
    ) -> Result<(), ViewError> {
        let mut bytes = Vec::new();
        for (key, standing) in &self.0 {
            bytes.clear();
            florin_storage::encode(standing, &mut bytes)?;
            write.put(MILESTONES, key, &bytes)?;
            pause();
        }
        Ok(())
    }

    /// Forgets what was written.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl Views {
    /// The sequence of an entity's first milestone later than `time`; blocks on the disk.
    ///
    /// # Errors
    /// What can't be read, as a sentence.
    pub(super) fn milestone_after(
        &self,
        entity: EntityId,
        time: Timestamp,
    ) -> Result<Option<u64>, String> {
        let Some(later) = time.as_micros().checked_add(1) else {
            return Ok(None);
        };
        let keys = key(entity, Timestamp::from_micros(later), 0)..=key(entity, LATEST, u64::MAX);
        let found = self.milestone(keys, |one, other| one.0 < other.0, |rows| rows.next())?;
        Ok(found.map(|(key, _)| sequence(&key)))
    }

    /// An entity's last milestone at `time` or earlier; blocks on the disk.
    ///
    /// # Errors
    /// What can't be read, as a sentence.
    pub(super) fn milestone_until(
        &self,
        entity: EntityId,
        time: Timestamp,
    ) -> Result<Option<(u64, Standing)>, String> {
        let keys = key(entity, EARLIEST, 0)..=key(entity, time, u64::MAX);
        let found = self.milestone(keys, |one, other| one.0 > other.0, |rows| rows.next_back())?;
        Ok(found.map(|(key, standing)| (sequence(&key), standing)))
    }

    /// The milestone at one end of a range: of those in memory and of those in the store.
    fn milestone(
        &self,
        keys: RangeInclusive<Key>,
        is_nearer: impl Fn(&(Key, Standing), &(Key, Standing)) -> bool,
        end: impl Fn(&mut dyn Ends) -> Option<Result<(Key, Standing), ViewError>>,
    ) -> Result<Option<(Key, Standing)>, String> {
        let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
        let mut unwritten = memory.milestones.0.range(keys.clone());
        let unwritten = end(&mut unwritten).transpose();
        let unwritten = unwritten.map_err(|error| self.fault(error))?;
        let read = memory.store.read().map_err(|error| self.fault(error))?;
        drop(memory);
        let stored = stored(&read, &keys).and_then(|mut rows| end(&mut rows).transpose());
        let stored = stored.map_err(|error| self.fault(error))?;
        Ok(match (unwritten, stored) {
            (Some(one), Some(other)) if is_nearer(&one, &other) => Some(one),
            (one, other) => other.or(one),
        })
    }
}

/// Rows that can be taken from either end.
trait Ends {
    fn next(&mut self) -> Option<Result<(Key, Standing), ViewError>>;
    fn next_back(&mut self) -> Option<Result<(Key, Standing), ViewError>>;
}

impl Ends for std::collections::btree_map::Range<'_, Key, Standing> {
    fn next(&mut self) -> Option<Result<(Key, Standing), ViewError>> {
        Iterator::next(self).map(|(key, standing)| Ok((*key, *standing)))
    }

    fn next_back(&mut self) -> Option<Result<(Key, Standing), ViewError>> {
        DoubleEndedIterator::next_back(self).map(|(key, standing)| Ok((*key, *standing)))
    }
}

impl Ends for florin_storage::ViewRange {
    fn next(&mut self) -> Option<Result<(Key, Standing), ViewError>> {
        Iterator::next(self).map(parse)
    }

    fn next_back(&mut self) -> Option<Result<(Key, Standing), ViewError>> {
        DoubleEndedIterator::next_back(self).map(parse)
    }
}

fn stored(
    read: &ViewRead,
    keys: &RangeInclusive<Key>,
) -> Result<florin_storage::ViewRange, ViewError> {
    let bounds = (
        Bound::Included(keys.start().as_slice()),
        Bound::Included(keys.end().as_slice()),
    );
    read.range(MILESTONES, bounds)
}

fn parse(row: Result<(Vec<u8>, Vec<u8>), ViewError>) -> Result<(Key, Standing), ViewError> {
    let (key, value) = row?;
    let key = Key::try_from(key).map_err(|_| {
        florin_storage::Error::Decode("a milestone's key has another length".to_owned())
    })?;
    Ok((key, florin_storage::decode(&value)?))
}

const EARLIEST: Timestamp = Timestamp::from_micros(i64::MIN);
const LATEST: Timestamp = Timestamp::from_micros(i64::MAX);

/// Keys sort by entity, then time, then sequence.
fn key(entity: EntityId, time: Timestamp, sequence: u64) -> Key {
    let mut key = [0; 32];
    key[..16].copy_from_slice(&entity.to_bytes());
    // With its sign turned, a time sorts as its bytes do.
    let time = (time.as_micros() as u64) ^ (1 << 63);
    key[16..24].copy_from_slice(&time.to_be_bytes());
    key[24..].copy_from_slice(&sequence.to_be_bytes());
    key
}

fn sequence(key: &Key) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&key[24..]);
    u64::from_be_bytes(bytes)
}
