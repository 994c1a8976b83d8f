//! The index of idempotency keys and the index of operations: each maps an entry to the record that
//! settled it.
//!
//! The newest entries are in memory, in generations. Older entries are in sorted segments on disk,
//! which the projector writes. A generation is dropped once a segment holds all of it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use florin_storage::SortedSegment;

use crate::base::IdHasher;
pub use crate::base::{key_hash, operation_entry};
use crate::runtime::replies::reply::Unavailable;
use crate::views::IndexMemory;

/// The result of looking an entry up in memory.
#[derive(Debug)]
pub enum Found {
    /// The record with this sequence settled the entry.
    At(u64),
    /// Only these segments can tell. If there are none, the entry doesn't exist.
    Perhaps(Vec<Arc<SortedSegment>>),
}

/// The result of searching the segments on disk, and the last record that they covered.
#[derive(Debug, Clone, Copy)]
pub struct Searched {
    /// The sequence of the record that settled the entry, if one was found.
    pub found: Option<u64>,
    /// The last record whose entry was in a searched segment.
    pub through: u64,
}

impl Searched {
    /// Returns whether the result is still complete, given the segments that may hold the entry
    /// now. A segment written since the search makes it incomplete, because the entry may have left
    /// memory for that segment.
    pub fn holds(&self, segments: &[Arc<SortedSegment>]) -> bool {
        let mut segments = segments.iter();
        self.found.is_some() || segments.all(|segment| segment.covers().1 <= self.through)
    }
}

/// The entries of one generation: each maps to the record that settled it.
type Generation = HashMap<u128, u64, IdHasher>;

/// Creates an empty generation whose memory has been touched already. The first touch of this much
/// new memory takes the system tens of milliseconds, or hundreds on a virtual machine, and no
/// command should wait for that.
pub fn prepared(entries: usize) -> Generation {
    let mut fresh = Generation::with_capacity_and_hasher(entries, IdHasher::default());
    // These are far more entries than pages, spread over the whole map.
    fresh.extend((0..entries as u128 / 8).map(|entry| (entry, 0)));
    fresh.clear();
    fresh
}

/// The index of keys, or the index of operations.
#[derive(Debug)]
pub struct Index {
    newest: Generation,
    older: VecDeque<(u64, Generation)>,
    /// The next generation, prepared so that none has to be allocated during a command.
    spare: Option<Generation>,
    last: u64,
    generation_entries: usize,
    sealed: Vec<Arc<SortedSegment>>,
    memory: Arc<IndexMemory>,
}

impl Index {
    /// Creates an index with the segments that are on disk, oldest first. A generation holds
    /// `generation_entries`, and its memory is allocated for that many from the start, so that it
    /// never grows during a command. The memory is counted in `memory`.
    pub fn new(
        generation_entries: usize,
        sealed: Vec<Arc<SortedSegment>>,
        memory: Arc<IndexMemory>,
    ) -> Self {
        memory.add_generation(generation_bytes(generation_entries));
        Self {
            newest: Generation::with_capacity_and_hasher(generation_entries, IdHasher::default()),
            older: VecDeque::new(),
            spare: None,
            last: 0,
            generation_entries,
            sealed,
            memory,
        }
    }

    /// Notes that a record settled `entry`.
    pub fn insert(&mut self, entry: u128, sequence: u64) {
        if self.newest.len() >= self.generation_entries {
            let fresh = self.spare.take().unwrap_or_else(|| {
                self.memory
                    .add_generation(generation_bytes(self.generation_entries));
                Generation::with_capacity_and_hasher(self.generation_entries, IdHasher::default())
            });
            let full = std::mem::replace(&mut self.newest, fresh);
            self.older.push_back((self.last, full));
        }
        self.newest.insert(entry, sequence);
        self.last = self.last.max(sequence);
    }

    /// Returns the number of entries for a spare generation, if one will be needed soon and there
    /// is none.
    pub fn wants_spare(&self) -> Option<usize> {
        let soon = self.newest.len() >= self.generation_entries / 2;
        (soon && self.spare.is_none()).then_some(self.generation_entries)
    }

    /// Keeps a prepared generation, unless there is a spare one by now.
    pub fn keep_spare(&mut self, spare: Generation) {
        if self.spare.is_none() {
            self.memory
                .add_generation(generation_bytes(self.generation_entries));
            self.spare = Some(spare);
        }
    }

    /// Looks an entry up in memory.
    pub fn find(&self, entry: u128) -> Found {
        let held = self.newest.get(&entry).or_else(|| {
            self.older
                .iter()
                .rev()
                .find_map(|(_, held)| held.get(&entry))
        });
        match held {
            Some(sequence) => Found::At(*sequence),
            None => Found::Perhaps(
                self.sealed
                    .iter()
                    .filter(|segment| segment.maybe(entry))
                    .cloned()
                    .collect(),
            ),
        }
    }

    /// Returns the last record whose entry is in a segment.
    pub fn covered(&self) -> u64 {
        self.sealed.last().map_or(0, |segment| segment.covers().1)
    }

    /// Replaces the segments on disk, and drops the generations that they hold.
    pub fn sealed(&mut self, segments: Vec<Arc<SortedSegment>>) {
        self.sealed = segments;
        let covered = self.covered();
        while self.older.front().is_some_and(|(last, _)| *last <= covered) {
            let forgotten = self.older.pop_front();
            if let (None, Some((_, mut again))) = (&self.spare, forgotten) {
                again.clear();
                self.spare = Some(again);
            } else {
                self.memory
                    .drop_generation(generation_bytes(self.generation_entries));
            }
        }
    }

    /// Returns the number of entries in memory and in segments. An entry in both is counted twice.
    pub fn len(&self) -> u64 {
        let memory: usize =
            self.newest.len() + self.older.iter().map(|(_, held)| held.len()).sum::<usize>();
        memory as u64 + self.sealed.iter().map(|segment| segment.len()).sum::<u64>()
    }
}

/// Returns the memory of a generation's map, in bytes. The map has a power of two of slots, an
/// eighth of them free, and each slot takes an entry and one byte.
fn generation_bytes(entries: usize) -> u64 {
    let places = (entries as u64)
        .saturating_mul(8)
        .div_ceil(7)
        .next_power_of_two();
    places.saturating_mul(size_of::<(u128, u64)>() as u64 + 1)
}

/// Returns the reason why a failed search can't be answered. A damaged segment is rewritten in the
/// meantime.
pub fn unreadable(error: &std::io::Error) -> Unavailable {
    if error.kind() == std::io::ErrorKind::InvalidData {
        return Unavailable::ViewBehind;
    }
    tracing::error!(%error, "the index can't be read");
    Unavailable::Quarantined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(entries: usize) -> Index {
        Index::new(entries, Vec::new(), Arc::default())
    }

    #[test]
    fn a_prepared_generation_is_the_next_one() {
        let mut index = index(100);
        assert_eq!(index.wants_spare(), None);
        (0..50).for_each(|entry| index.insert(entry, 1));
        assert_eq!(index.wants_spare(), Some(100));
        let spare = prepared(100);
        assert_eq!((spare.len(), spare.capacity() >= 100), (0, true));
        index.keep_spare(spare);
        assert_eq!(index.wants_spare(), None);
        let bytes = index.memory.bytes();

        (50..101).for_each(|entry| index.insert(entry, 2));
        assert_eq!(index.memory.bytes(), bytes, "no other was made");
        for entry in 0..101 {
            assert!(matches!(index.find(entry), Found::At(_)), "{entry}");
        }
        assert!(matches!(index.find(101), Found::Perhaps(_)));
    }

    #[test]
    fn without_a_prepared_one_a_generation_is_made() {
        let mut index = index(10);
        (0..35).for_each(|entry| index.insert(entry, 1));
        assert_eq!((index.len(), index.older.len()), (35, 3));
        assert_eq!(index.memory.bytes(), 4 * generation_bytes(10));
    }
}
