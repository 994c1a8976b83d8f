//! A sorted segment: a part of an index from 128-bit keys to sequences. It is sorted, written once,
//! then read by interpolation search. `layout.rs` defines the bytes. Every block that is
//! read is checked.

use crate::disk::interface::{Disk, DiskFile, OpenHow};
use crate::index::layout::{
    BLOCK, BLOCK_ENTRIES, CHECK, ENTRY, Entry, Extent, HASH, HEADER, SegmentHead, damaged,
    parse_block, parse_filters,
};
use crate::index::writer::SegmentWriter;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use xorf::{BinaryFuse16, Filter};

/// The number of interpolation steps before a search switches to bisection, for keys that are far
/// from evenly spread.
const GUESSES_MAX: u32 = 4;

/// A sorted segment of an index. Clones share the file and the filters.
#[derive(Clone)]
pub struct SortedSegment {
    file: Arc<dyn DiskFile>,
    head: SegmentHead,
    filters: Option<Arc<Vec<(u128, BinaryFuse16)>>>,
    damaged: Arc<AtomicBool>,
}

impl std::fmt::Debug for SortedSegment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SortedSegment")
            .field("head", &self.head)
            .field("filters", &self.filters.is_some())
            .finish_non_exhaustive()
    }
}

impl SortedSegment {
    /// Sorts and writes a segment, which is durable under its name when this returns; see
    /// [`SegmentWriter::create`]. `pause` is called after every entry.
    ///
    /// # Errors
    /// Returns `InvalidInput` if no filter can be built, or the disk's error.
    pub fn write(
        disk: &dyn Disk,
        name: &str,
        mut entries: Vec<(u128, u64)>,
        extent: Extent,
        filter: bool,
        pause: &mut dyn FnMut(),
    ) -> io::Result<()> {
        entries.sort_unstable();
        let mut writer = SegmentWriter::create(disk, name, extent, filter)?;
        for entry in entries {
            writer.push(entry)?;
            pause();
        }
        writer.finish(disk)
    }

    /// Opens a segment without its filters.
    ///
    /// # Errors
    /// Returns `InvalidData` if the segment is damaged or of another version (the index must then
    /// be rebuilt), or the disk's error.
    pub fn open(disk: &dyn Disk, name: &str) -> io::Result<SortedSegment> {
        let file = disk.open(name, OpenHow::Read)?;
        let mut header = [0; HEADER];
        read(file.as_ref(), 0, &mut header)?;
        let head = SegmentHead::parse(&header)?;
        if file.len()? != head.file_bytes() {
            return Err(damaged("it is not as long as its header says"));
        }
        Ok(SortedSegment {
            file: Arc::from(file),
            head,
            filters: None,
            damaged: Arc::default(),
        })
    }

    /// Returns the same segment with its filters in memory, if it was written with filters. Absent
    /// keys then cost no read.
    ///
    /// # Errors
    /// Returns `InvalidData` if the filters are damaged, or the disk's error.
    pub fn with_filters(&self) -> io::Result<SortedSegment> {
        let mut bytes = vec![0; self.head.filter_bytes as usize];
        read(self.file.as_ref(), self.head.filter_at(), &mut bytes)?;
        let mut hash = [0; HASH];
        let hash_at = self.head.filter_at() + self.head.filter_bytes;
        read(self.file.as_ref(), hash_at, &mut hash)?;
        if hash != *blake3::hash(&bytes).as_bytes() {
            return Err(self.noted(damaged("its filters are not as they were written")));
        }
        let filters = parse_filters(&bytes).map_err(|error| self.noted(error))?;
        let filters = (!filters.is_empty()).then(|| Arc::new(filters));
        Ok(SortedSegment {
            filters,
            ..self.clone()
        })
    }

    /// Returns the same segment without filters in memory.
    pub fn without_filters(&self) -> SortedSegment {
        SortedSegment {
            filters: None,
            ..self.clone()
        }
    }

    /// Returns whether the filters are in memory.
    pub fn has_filters(&self) -> bool {
        self.filters.is_some()
    }

    /// Returns the memory that the filters take when they are loaded, in bytes; 0 if the segment
    /// was written without filters.
    pub fn filter_bytes(&self) -> u64 {
        self.head.filter_bytes
    }

    /// Returns the number of entries.
    pub fn len(&self) -> u64 {
        self.head.count
    }

    /// Returns whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.head.count == 0
    }

    /// Returns the range of sequences and times that the segment covers.
    pub fn extent(&self) -> Extent {
        self.head.extent
    }

    /// Returns the first and last sequence whose keys are in the segment.
    pub fn covers(&self) -> (u64, u64) {
        self.head.extent.covers
    }

    /// Returns whether damage was found in the segment.
    pub fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Returns whether the segment may contain the key, without reading the disk. The result is
    /// never false for a key that it contains. For other keys it is true for one in 65,000 if the
    /// filters are loaded, and for all between the first and last key otherwise.
    pub fn maybe(&self, key: u128) -> bool {
        let head = &self.head;
        if head.count == 0 || !(head.key_min..=head.key_max).contains(&key) {
            return false;
        }
        let Some(filters) = &self.filters else {
            return true;
        };
        let after = filters.partition_point(|(first, _)| *first <= key);
        let filter = after.checked_sub(1).and_then(|place| filters.get(place));
        filter.is_some_and(|(_, filter)| filter.contains(&(key as u64)))
    }

    /// Returns the highest sequence of a key.
    ///
    /// # Errors
    /// Returns `InvalidData` for a damaged block, or the disk's error.
    pub fn find(&self, key: u128) -> io::Result<Option<u64>> {
        if !self.maybe(key) {
            return Ok(None);
        }
        let last = self.last_not_above(key)?;
        Ok(last.filter(|entry| entry.0 == key).map(|entry| entry.1))
    }

    /// Returns the number of blocks.
    pub fn blocks(&self) -> u64 {
        self.head.blocks()
    }

    /// Returns the entries of at most `count` blocks from block `first` on, in order.
    ///
    /// # Errors
    /// Returns the errors of [`SortedSegment::find`].
    pub fn read_blocks(&self, first: u64, count: u64) -> io::Result<Vec<(u128, u64)>> {
        let end = self.blocks().min(first.saturating_add(count));
        let entries = self.head.count.min(end * BLOCK_ENTRIES);
        let entries = entries.saturating_sub(first * BLOCK_ENTRIES);
        let blocks = end.saturating_sub(first);
        let mut bytes = vec![0; entries as usize * ENTRY + blocks as usize * CHECK];
        let at = HEADER as u64 + first * BLOCK as u64;
        read(self.file.as_ref(), at, &mut bytes).map_err(|error| self.noted(error))?;
        let mut all = Vec::with_capacity(entries as usize);
        for block in bytes.chunks(BLOCK) {
            parse_block(block, &mut all).map_err(|error| self.noted(error))?;
        }
        Ok(all)
    }

    /// Checks the whole file and the order of its entries.
    ///
    /// # Errors
    /// Returns `InvalidData` if the segment is damaged, or the disk's error.
    pub fn verify(&self) -> io::Result<()> {
        self.with_filters()?;
        let mut last = None;
        for block in 0..self.blocks() {
            for entry in self.read_blocks(block, 1)? {
                if last.is_some_and(|last| last > entry) {
                    return Err(self.noted(damaged("its entries are out of order")));
                }
                last = Some(entry);
            }
        }
        Ok(())
    }

    /// Returns the last entry whose key is at most `key`. The first block with a higher key lies
    /// between `low` and `high`; each guess narrows that range.
    fn last_not_above(&self, key: u128) -> io::Result<Option<Entry>> {
        let (mut low, mut high) = (0, self.blocks());
        let (mut low_key, mut high_key) = (self.head.key_min, self.head.key_max);
        let mut last = None;
        let mut guesses = 0;
        while low < high {
            guesses += 1;
            let middle = if guesses <= GUESSES_MAX {
                low + guess(key, low_key, high_key, high - low)
            } else {
                low + (high - low) / 2
            };
            let block = self.read_blocks(middle, 1)?;
            let above = block.partition_point(|entry| entry.0 <= key);
            if above > 0 {
                last = Some(block[above - 1]);
            }
            if above == block.len() {
                low = middle + 1;
                low_key = last.map_or(low_key, |entry| entry.0);
            } else if above == 0 {
                high = middle;
                high_key = block[0].0;
            } else {
                break;
            }
        }
        Ok(last)
    }

    /// Returns the error, and notes if it means that the file is damaged.
    fn noted(&self, error: io::Error) -> io::Error {
        if error.kind() == io::ErrorKind::InvalidData {
            self.damaged.store(true, Ordering::Relaxed);
        }
        error
    }
}

/// Returns the block in which the key would be if `count` blocks were evenly spread.
fn guess(key: u128, low: u128, high: u128, count: u64) -> u64 {
    let share = key.saturating_sub(low) as f64 / (high.saturating_sub(low) as f64).max(1.0);
    ((share * count as f64) as u64).min(count - 1)
}

/// Reads bytes. A file that is too short is damaged.
fn read(file: &dyn DiskFile, at: u64, out: &mut [u8]) -> io::Result<()> {
    file.read_at(at, out).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged("it is cut"),
        _ => error,
    })
}
