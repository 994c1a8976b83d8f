//! The index of idempotency keys and operations: which record settled them.
//!
//! The newest entries are in memory, in generations; older ones in sorted segments on disk that
//! the projector writes. A generation is forgotten once a segment holds all of it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use florin_storage::SortedSegment;

use super::id_hasher::IdHasher;
use super::reply::Unavailable;
use crate::messages::{Caller, OperationId};
use crate::views::IndexMemory;

/// The index key of an idempotency key: 128 bits of a hash of caller and key.
pub fn key_hash(caller: &Caller, key: &str) -> u128 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(caller.name().as_bytes());
    hasher.update(&[0]);
    hasher.update(key.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    u128::from_be_bytes(bytes)
}

/// What memory knows of an entry.
#[derive(Debug)]
pub enum Found {
    /// The record with this sequence.
    At(u64),
    /// Only these segments can tell; none: there is no such entry.
    Perhaps(Vec<Arc<SortedSegment>>),
}

/// What a search of the segments on disk said, and how far these went.
#[derive(Debug, Clone, Copy)]
pub struct Searched {
    /// The record with this sequence settled the entry.
    pub found: Option<u64>,
    /// The last record whose entry was in a segment.
    pub through: u64,
}

impl Searched {
    /// Whether it still says all there is to know when these segments may hold the entry. One that
    /// was written since may: the entry left memory for it meanwhile.
    pub fn holds(&self, segments: &[Arc<SortedSegment>]) -> bool {
        let mut segments = segments.iter();
        self.found.is_some() || segments.all(|segment| segment.covers().1 <= self.through)
    }
}

/// Entries in memory: which record settled each.
type Generation = HashMap<u128, u64, IdHasher>;

/// A generation of which no entry was ever used, but whose memory was: the first touch of so much
/// new memory takes the system tens of milliseconds, or hundreds on a virtual machine, which no
/// command should wait for.
pub fn prepared(entries: usize) -> Generation {
    let mut fresh = Generation::with_capacity_and_hasher(entries, IdHasher::default());
    // Far more entries than pages, anywhere in it.
    fresh.extend((0..entries as u128 / 8).map(|entry| (entry, 0)));
    fresh.clear();
    fresh
}

/// One of the two indexes.
#[derive(Debug)]
pub struct Index {
    newest: Generation,
    older: VecDeque<(u64, Generation)>,
    /// The next generation, so that none has to be made under a command.
    spare: Option<Generation>,
    last: u64,
    generation_entries: usize,
    sealed: Vec<Arc<SortedSegment>>,
    memory: Arc<IndexMemory>,
}

impl Index {
    /// An index with the segments that are on disk, oldest first. A generation takes
    /// `generation_entries`, which is also what its memory is sized for from the start, so that
    /// it never grows under a command. What it takes is counted in `memory`.
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

    /// The entries of the generation that is to be prepared, if one will be needed soon.
    pub fn wants_spare(&self) -> Option<usize> {
        let soon = self.newest.len() >= self.generation_entries / 2;
        (soon && self.spare.is_none()).then_some(self.generation_entries)
    }

    /// Takes a prepared generation, unless there is one by now.
    pub fn keep_spare(&mut self, spare: Generation) {
        if self.spare.is_none() {
            self.memory
                .add_generation(generation_bytes(self.generation_entries));
            self.spare = Some(spare);
        }
    }

    /// What memory knows of an entry.
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

    /// The last record whose entry is in a segment.
    pub fn covered(&self) -> u64 {
        self.sealed.last().map_or(0, |segment| segment.covers().1)
    }

    /// Takes the segments on disk as they are now, and forgets the generations they hold.
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

    /// Entries in memory and in segments; those in both are counted twice.
    pub fn len(&self) -> u64 {
        let memory: usize =
            self.newest.len() + self.older.iter().map(|(_, held)| held.len()).sum::<usize>();
        memory as u64 + self.sealed.iter().map(|segment| segment.len()).sum::<u64>()
    }
}

/// What a generation's map takes of memory: a power of two of places, an eighth of them free, each
/// of an entry and a byte.
fn generation_bytes(entries: usize) -> u64 {
    let places = (entries as u64)
        .saturating_mul(8)
        .div_ceil(7)
        .next_power_of_two();
    places.saturating_mul(size_of::<(u128, u64)>() as u64 + 1)
}

/// Looks an entry up in segments, newest first; reads the disk.
///
/// # Errors
/// What the disk refused.
pub fn search(segments: &[Arc<SortedSegment>], entry: u128) -> std::io::Result<Option<u64>> {
    for segment in segments.iter().rev() {
        if let Some(sequence) = segment.find(entry)? {
            return Ok(Some(sequence));
        }
    }
    Ok(None)
}

/// Why a search that failed can't be answered. What is damaged is written anew meanwhile.
pub fn unreadable(error: &std::io::Error) -> Unavailable {
    if error.kind() == std::io::ErrorKind::InvalidData {
        return Unavailable::ViewBehind;
    }
    tracing::error!(%error, "the index can't be read");
    Unavailable::Quarantined
}

/// The index entry of an operation: its id.
pub const fn operation_entry(id: OperationId) -> u128 {
    id.as_u128()
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
