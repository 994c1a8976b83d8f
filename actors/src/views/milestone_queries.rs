//! Queries of milestones: the nearest one before or after a time. They block on the disk.

use std::ops::{Bound, RangeInclusive};
use std::sync::PoisonError;

use florin_storage::{ViewError, ViewRead};

use super::Views;
use super::milestones::{Key, MILESTONES, Standing, key, sequence};
use crate::words::{EntityId, Timestamp};

const EARLIEST: Timestamp = Timestamp::from_micros(i64::MIN);
const LATEST: Timestamp = Timestamp::from_micros(i64::MAX);

impl Views {
    /// Returns the sequence of an entity's first milestone later than `time`. Blocks on the disk.
    ///
    /// # Errors
    /// Returns a sentence if something can't be read.
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

    /// Returns an entity's last milestone at `time` or earlier. Blocks on the disk.
    ///
    /// # Errors
    /// Returns a sentence if something can't be read.
    pub(super) fn milestone_until(
        &self,
        entity: EntityId,
        time: Timestamp,
    ) -> Result<Option<(u64, Standing)>, String> {
        let keys = key(entity, EARLIEST, 0)..=key(entity, time, u64::MAX);
        let found = self.milestone(keys, |one, other| one.0 > other.0, |rows| rows.next_back())?;
        Ok(found.map(|(key, standing)| (sequence(&key), standing)))
    }

    /// Returns the milestone at one end of a range, from the milestones in memory and those in the
    /// store.
    fn milestone(
        &self,
        keys: RangeInclusive<Key>,
        is_nearer: impl Fn(&(Key, Standing), &(Key, Standing)) -> bool,
        end: impl Fn(&mut dyn Ends) -> Option<Result<(Key, Standing), ViewError>>,
    ) -> Result<Option<(Key, Standing)>, String> {
        let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
        let mut unwritten = memory.milestones.range(keys.clone());
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

/// Rows that can be read from either end.
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
