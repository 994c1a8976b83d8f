//! Milestones. Every n-th record of an entity gets a row, ordered by time, so that the entity's
//! history can be entered at any time. The records themselves are linked backwards: to find the
//! state at a time, a reader takes the first milestone after that time, or the entity's last
//! record, and walks back. An entity with fewer than n records has no row and costs nothing.

use std::collections::BTreeMap;
use std::collections::btree_map::Range;
use std::ops::RangeInclusive;

use florin_storage::{ViewError, ViewWrite};
use serde::{Deserialize, Serialize};

use crate::base::Present;
use crate::words::{EntityId, Overdraft, Timestamp};

/// The table of milestones.
pub(super) const MILESTONES: &str = "milestones";

/// The key of a row: entity, time, sequence.
pub(super) type Key = [u8; 32];

/// The balance of an entity right after a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The posted balance, in minor units. That of an external account may exceed 2^53.
    pub balance: i128,
    /// The amount of the balance that pending transfers held.
    pub held: i64,
    /// The overdraft limit at that time.
    pub overdraft: Overdraft,
    /// The entity's version right after the record.
    pub version: u64,
}

/// The milestones that are not in the store yet.
#[derive(Debug, Default)]
pub(super) struct Milestones(BTreeMap<Key, Standing>);

impl Milestones {
    /// Adds a milestone for an entity's last record, made at `time`, if that record is a milestone:
    /// if it raised the entity's version to or past a multiple of `records`. `present` is the
    /// entity right after the record, and `raised` is the number by which the record raised the
    /// version.
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

    /// Returns the milestones whose keys are in a range.
    pub(super) fn range(&self, keys: RangeInclusive<Key>) -> Range<'_, Key, Standing> {
        self.0.range(keys)
    }

    /// Writes all milestones, in order.
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

    /// Drops the milestones, which were written.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// Returns the key of a row. Keys sort by entity, then time, then sequence.
pub(super) fn key(entity: EntityId, time: Timestamp, sequence: u64) -> Key {
    let mut key = [0; 32];
    key[..16].copy_from_slice(&entity.to_bytes());
    // With the sign bit inverted, the bytes sort in the order of times.
    let time = (time.as_micros() as u64) ^ (1 << 63);
    key[16..24].copy_from_slice(&time.to_be_bytes());
    key[24..].copy_from_slice(&sequence.to_be_bytes());
    key
}

/// Returns the sequence in the key of a row.
pub(super) fn sequence(key: &Key) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&key[24..]);
    u64::from_be_bytes(bytes)
}
