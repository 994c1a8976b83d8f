//! A segment of an index from 128-bit keys to sequences: sorted once, written once, then read
//! by interpolation. Layout, all integers little-endian:
//!
//! | header, 128 bytes | entries, 24 bytes each: key, sequence | filter | BLAKE3 of header and filter | BLAKE3 of all before |
//! |---|---|---|---|---|
//!
//! What is kept in memory (header and filter) is checked at every opening; the entries only by
//! [`SortedSegment::verify`].

use crate::disk::{Disk, DiskFile, OpenHow};
use std::io;
use xorf::{BinaryFuse16, DmaSerializable, Filter};

const MAGIC: [u8; 8] = *b"florinix";
const VERSION: u16 = 1;
const HEADER: usize = 128;
const ENTRY: usize = 24;
const HASH: usize = 32;
/// Entries read at a time, just below 4 KiB.
const WINDOW: u64 = 170;
/// Seed, segment length, its mask, count of segments times length.
const DESCRIPTOR: usize = 20;
/// Guesses before a search goes by halves, for keys that are far from evenly spread.
const GUESSES_MAX: u32 = 4;

/// A sorted segment of an index.
pub struct SortedSegment {
    file: Box<dyn DiskFile>,
    head: SegmentHead,
    filter: Option<BinaryFuse16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SegmentHead {
    count: u64,
    covers: (u64, u64),
    key_min: u128,
    key_max: u128,
    filter_bytes: u64,
}

impl std::fmt::Debug for SortedSegment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SortedSegment")
            .field("head", &self.head)
            .field("filter", &self.filter.is_some())
            .finish_non_exhaustive()
    }
}

impl SortedSegment {
    /// Sorts and writes a segment, durable under its name when this returns. `covers` are the
    /// first and last sequence whose keys are in it. With `filter`, absent keys cost no read:
    /// right for random keys, useless for time-ordered ones. The low 64 bits of keys must be as
    /// good as random then.
    ///
    /// # Errors
    /// `InvalidInput` if no filter can be built, or what the disk refused.
    pub fn write(
        disk: &dyn Disk,
        name: &str,
        mut entries: Vec<(u128, u64)>,
        covers: (u64, u64),
        filter: bool,
    ) -> io::Result<()> {
        entries.sort_unstable();
        let filter = if filter {
            build_filter(&entries)?
        } else {
            Vec::new()
        };
        let head = SegmentHead {
            count: entries.len() as u64,
            covers,
            key_min: entries.first().map_or(0, |entry| entry.0),
            key_max: entries.last().map_or(0, |entry| entry.0),
            filter_bytes: filter.len() as u64,
        };
        let header = head.bytes();
        let mut bytes = Vec::with_capacity(head.file_bytes() as usize);
        bytes.extend_from_slice(&header);
        for (key, sequence) in &entries {
            bytes.extend_from_slice(&key.to_le_bytes());
            bytes.extend_from_slice(&sequence.to_le_bytes());
        }
        bytes.extend_from_slice(&filter);
        bytes.extend_from_slice(&memory_hash(&header, &filter));
        let hash = *blake3::hash(&bytes).as_bytes();
        bytes.extend_from_slice(&hash);
        crate::disk::write_whole(disk, name, &bytes)
    }

    /// Opens a segment and reads its filter.
    ///
    /// # Errors
    /// `InvalidData` if it is damaged or of another version: the index has to be rebuilt; or
    /// what the disk refused.
    pub fn open(disk: &dyn Disk, name: &str) -> io::Result<SortedSegment> {
        let file = disk.open(name, OpenHow::Read)?;
        let mut header = [0; HEADER];
        read(file.as_ref(), 0, &mut header)?;
        let head = SegmentHead::parse(&header)?;
        if file.len()? != head.file_bytes() {
            return Err(damaged("it is not as long as its header says"));
        }
        let mut filter = vec![0; head.filter_bytes as usize];
        read(file.as_ref(), head.filter_at(), &mut filter)?;
        let mut hash = [0; HASH];
        read(
            file.as_ref(),
            head.filter_at() + head.filter_bytes,
            &mut hash,
        )?;
        if hash != memory_hash(&header, &filter) {
            return Err(damaged("its header or filter is not as it was written"));
        }
        let filter = parse_filter(&filter)?;
        Ok(SortedSegment { file, head, filter })
    }

    /// How many entries.
    pub fn len(&self) -> u64 {
        self.head.count
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.head.count == 0
    }

    /// The first and last sequence whose keys are in it.
    pub fn covers(&self) -> (u64, u64) {
        self.head.covers
    }

    /// What it takes of memory, in bytes.
    pub fn memory_bytes(&self) -> usize {
        let filter = self.filter.as_ref();
        size_of::<SortedSegment>() + filter.map_or(0, |filter| filter.len() * 2)
    }

    /// Whether the key may be in it, from memory alone: never false for one that is; true for
    /// one in 65,000 others with a filter, for all between the first and last key without.
    pub fn maybe(&self, key: u128) -> bool {
        let head = &self.head;
        head.count > 0
            && (head.key_min..=head.key_max).contains(&key)
            && self
                .filter
                .as_ref()
                .is_none_or(|filter| filter.contains(&(key as u64)))
    }

    /// The highest sequence under a key.
    ///
    /// # Errors
    /// What the disk refused.
    pub fn find(&self, key: u128) -> io::Result<Option<u64>> {
        if !self.maybe(key) {
            return Ok(None);
        }
        let last = self.last_not_above(key)?;
        Ok(last.filter(|entry| entry.0 == key).map(|entry| entry.1))
    }

    /// Every entry, in order, in blocks: to merge segments.
    ///
    /// # Errors
    /// Each block what the disk refused.
    pub fn blocks(&self) -> impl Iterator<Item = io::Result<Vec<(u128, u64)>>> + '_ {
        const BLOCK: u64 = 64 * WINDOW;
        (0..self.head.count.div_ceil(BLOCK)).map(|block| {
            let start = block * BLOCK;
            self.entries(start, self.head.count.min(start + BLOCK))
        })
    }

    /// Checks the whole file against its hash, and the order of its entries.
    ///
    /// # Errors
    /// `InvalidData` if it is not as it was written, or what the disk refused.
    pub fn verify(&self) -> io::Result<()> {
        let mut hasher = blake3::Hasher::new();
        let hashed = self.head.file_bytes() - HASH as u64;
        let mut block = vec![0; 256 * 1024];
        let mut at = 0;
        while at < hashed {
            let part = (hashed - at).min(block.len() as u64) as usize;
            self.file.read_at(at, &mut block[..part])?;
            hasher.update(&block[..part]);
            at += part as u64;
        }
        let mut hash = [0; HASH];
        self.file.read_at(hashed, &mut hash)?;
        if hash != *hasher.finalize().as_bytes() {
            return Err(damaged("its entries are not as they were written"));
        }
        Ok(())
    }

    /// The last entry whose key is at most `key`: the position where keys get higher lies
    /// between `low` and `high`, which close in by windows around a guess.
    fn last_not_above(&self, key: u128) -> io::Result<Option<(u128, u64)>> {
        let (mut low, mut high) = (0, self.head.count);
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
            let start = middle.saturating_sub(WINDOW / 2).clamp(low, high - 1);
            let end = high.min(start + WINDOW);
            let window = self.entries(start, end)?;
            let above = window.partition_point(|entry| entry.0 <= key);
            if above > 0 {
                last = Some(window[above - 1]);
            }
            if above == window.len() {
                low = end;
                low_key = window[above - 1].0;
            } else if above == 0 {
                high = start;
                high_key = window[0].0;
            } else {
                break;
            }
        }
        Ok(last)
    }

    /// Entries `start..end`.
    fn entries(&self, start: u64, end: u64) -> io::Result<Vec<(u128, u64)>> {
        let mut bytes = vec![0; (end - start) as usize * ENTRY];
        let at = HEADER as u64 + start * ENTRY as u64;
        self.file.read_at(at, &mut bytes)?;
        let entries = bytes.chunks_exact(ENTRY);
        let entry = |bytes: &[u8]| (u128::from_le_bytes(array_at(bytes, 0)), u64_at(bytes, 16));
        Ok(entries.map(entry).collect())
    }
}

/// Where among `count` evenly spread entries the key would be.
fn guess(key: u128, low: u128, high: u128, count: u64) -> u64 {
    let share = key.saturating_sub(low) as f64 / (high.saturating_sub(low) as f64).max(1.0);
    ((share * count as f64) as u64).min(count - 1)
}

impl SegmentHead {
    fn bytes(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.count.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.covers.0.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.covers.1.to_le_bytes());
        bytes[40..56].copy_from_slice(&self.key_min.to_le_bytes());
        bytes[56..72].copy_from_slice(&self.key_max.to_le_bytes());
        bytes[72..80].copy_from_slice(&self.filter_bytes.to_le_bytes());
        bytes
    }

    fn parse(bytes: &[u8; HEADER]) -> io::Result<SegmentHead> {
        if bytes[..8] != MAGIC {
            return Err(damaged("it is no sorted segment"));
        }
        if bytes[8..10] != VERSION.to_le_bytes() {
            return Err(damaged("it is of another version"));
        }
        let head = SegmentHead {
            count: u64_at(bytes, 16),
            covers: (u64_at(bytes, 24), u64_at(bytes, 32)),
            key_min: u128::from_le_bytes(array_at(bytes, 40)),
            key_max: u128::from_le_bytes(array_at(bytes, 56)),
            filter_bytes: u64_at(bytes, 72),
        };
        // Far above any real segment, far below an overflow.
        if head.count > 1 << 40 || head.filter_bytes > 1 << 40 {
            return Err(damaged("its header has impossible sizes"));
        }
        Ok(head)
    }

    fn filter_at(&self) -> u64 {
        HEADER as u64 + self.count * ENTRY as u64
    }

    fn file_bytes(&self) -> u64 {
        self.filter_at() + self.filter_bytes + 2 * HASH as u64
    }
}

fn build_filter(entries: &[(u128, u64)]) -> io::Result<Vec<u8>> {
    let mut keys: Vec<u64> = entries.iter().map(|entry| entry.0 as u64).collect();
    keys.sort_unstable();
    keys.dedup();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let filter = BinaryFuse16::try_from(&keys)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let mut bytes = vec![0; DESCRIPTOR];
    filter.dma_copy_descriptor_to(&mut bytes);
    for fingerprint in &filter.fingerprints {
        bytes.extend_from_slice(&fingerprint.to_le_bytes());
    }
    Ok(bytes)
}

fn parse_filter(bytes: &[u8]) -> io::Result<Option<BinaryFuse16>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let Some((descriptor, fingerprints)) = bytes.split_at_checked(DESCRIPTOR) else {
        return Err(damaged("its filter is cut"));
    };
    let fingerprints: Box<[u16]> = fingerprints
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    let u32_at = |at| u32::from_le_bytes(array_at(descriptor, at));
    // A filter can only be built; so a small one is, and gets what was kept.
    let mut filter = BinaryFuse16::try_from(&[0][..]).map_err(damaged)?;
    filter.descriptor.seed = u64_at(descriptor, 0);
    filter.descriptor.segment_length = u32_at(8);
    filter.descriptor.segment_length_mask = u32_at(12);
    filter.descriptor.segment_count_length = u32_at(16);
    filter.fingerprints = fingerprints;
    let layout = &filter.descriptor;
    // A look-up reaches up to two segments past the count, so these bounds keep it inside.
    let reach = u64::from(layout.segment_count_length) + 2 * u64::from(layout.segment_length);
    let masked = layout.segment_length.checked_sub(1) == Some(layout.segment_length_mask);
    if !masked || reach > filter.fingerprints.len() as u64 {
        return Err(damaged("its filter is impossible"));
    }
    Ok(Some(filter))
}

fn memory_hash(header: &[u8; HEADER], filter: &[u8]) -> [u8; HASH] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(header);
    hasher.update(filter);
    *hasher.finalize().as_bytes()
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Reads; a file too short is a damaged one.
fn read(file: &dyn DiskFile, at: u64, out: &mut [u8]) -> io::Result<()> {
    file.read_at(at, out).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged("it is cut"),
        _ => error,
    })
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}
