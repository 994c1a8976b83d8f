//! The byte layout of a sorted segment. All integers are little-endian:
//!
//! | header, 128 bytes | blocks of 170 entries, each with its check | filters | BLAKE3 of the filters |
//! |---|---|---|---|
//!
//! An entry is a key and a sequence, 24 bytes. A full block with its check is 4 KiB. The header
//! ends with a check of itself. So everything that is read is checked: the header when the file is
//! opened, the filters when they are loaded, a block at every look-up.

use std::io;
use xorf::{BinaryFuse16, DmaSerializable};

const MAGIC: [u8; 8] = *b"florinix";
const VERSION: u16 = 2;
pub(crate) const HEADER: usize = 128;
pub(crate) const ENTRY: usize = 24;
/// The number of entries in a full block.
pub(crate) const BLOCK_ENTRIES: u64 = 170;
/// The length of the check at the end of the header and of each block: bytes of BLAKE3.
pub(crate) const CHECK: usize = 16;
pub(crate) const BLOCK: usize = BLOCK_ENTRIES as usize * ENTRY + CHECK;
/// The length of the hash at the end of the filters.
pub(crate) const HASH: usize = 32;
/// The length of a filter's descriptor: seed, segment length, its mask, count of segments times
/// length.
const DESCRIPTOR: usize = 20;

/// A key and its sequence.
pub(crate) type Entry = (u128, u64);

/// The range of sequences and times that a segment covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The first and last sequence whose keys are in it.
    pub covers: (u64, u64),
    /// The times of both, in the unit of the code that wrote the segment.
    pub times: (i64, i64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHead {
    pub(crate) count: u64,
    pub(crate) extent: Extent,
    pub(crate) key_min: u128,
    pub(crate) key_max: u128,
    pub(crate) filter_bytes: u64,
}

impl SegmentHead {
    pub(crate) fn bytes(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let Extent { covers, times } = self.extent;
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.count.to_le_bytes());
        bytes[24..32].copy_from_slice(&covers.0.to_le_bytes());
        bytes[32..40].copy_from_slice(&covers.1.to_le_bytes());
        bytes[40..56].copy_from_slice(&self.key_min.to_le_bytes());
        bytes[56..72].copy_from_slice(&self.key_max.to_le_bytes());
        bytes[72..80].copy_from_slice(&self.filter_bytes.to_le_bytes());
        bytes[80..88].copy_from_slice(&times.0.to_le_bytes());
        bytes[88..96].copy_from_slice(&times.1.to_le_bytes());
        let check = check(&bytes[..HEADER - CHECK]);
        bytes[HEADER - CHECK..].copy_from_slice(&check);
        bytes
    }

    pub(crate) fn parse(bytes: &[u8; HEADER]) -> io::Result<SegmentHead> {
        if bytes[..8] != MAGIC {
            return Err(damaged("it is not a sorted segment"));
        }
        if bytes[8..10] != VERSION.to_le_bytes() {
            return Err(damaged("it is of another version"));
        }
        if bytes[HEADER - CHECK..] != check(&bytes[..HEADER - CHECK]) {
            return Err(damaged("its header is not as it was written"));
        }
        let head = SegmentHead {
            count: u64_at(bytes, 16),
            extent: Extent {
                covers: (u64_at(bytes, 24), u64_at(bytes, 32)),
                times: (i64_at(bytes, 80), i64_at(bytes, 88)),
            },
            key_min: u128::from_le_bytes(array_at(bytes, 40)),
            key_max: u128::from_le_bytes(array_at(bytes, 56)),
            filter_bytes: u64_at(bytes, 72),
        };
        // The limit is far above any real segment, and far below an overflow.
        if head.count > 1 << 40 || head.filter_bytes > 1 << 40 {
            return Err(damaged("its header has impossible sizes"));
        }
        Ok(head)
    }

    pub(crate) fn blocks(&self) -> u64 {
        self.count.div_ceil(BLOCK_ENTRIES)
    }

    pub(crate) fn filter_at(&self) -> u64 {
        HEADER as u64 + self.count * ENTRY as u64 + self.blocks() * CHECK as u64
    }

    pub(crate) fn file_bytes(&self) -> u64 {
        self.filter_at() + self.filter_bytes + HASH as u64
    }
}

/// Appends the check of the block that starts at `start`.
pub(crate) fn seal_block(bytes: &mut Vec<u8>, start: usize) {
    let check = check(&bytes[start..]);
    bytes.extend_from_slice(&check);
}

/// Appends a block's entries to `out` after checking the block.
pub(crate) fn parse_block(bytes: &[u8], out: &mut Vec<Entry>) -> io::Result<()> {
    let Some((entries, found)) = bytes.split_last_chunk::<CHECK>() else {
        return Err(damaged("a block is cut"));
    };
    if *found != check(entries) {
        return Err(damaged("a block is not as it was written"));
    }
    let entry = |bytes: &[u8]| (u128::from_le_bytes(array_at(bytes, 0)), u64_at(bytes, 16));
    out.extend(entries.chunks_exact(ENTRY).map(entry));
    Ok(())
}

/// Builds a filter over the low halves of these keys, and appends it to `out` after the first key
/// and the filter's length.
pub(crate) fn append_filter(first: u128, mut keys: Vec<u64>, out: &mut Vec<u8>) -> io::Result<()> {
    keys.sort_unstable();
    keys.dedup();
    let filter = BinaryFuse16::try_from(&keys)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let mut descriptor = [0; DESCRIPTOR];
    filter.dma_copy_descriptor_to(&mut descriptor);
    out.extend_from_slice(&first.to_le_bytes());
    out.extend_from_slice(&(filter.fingerprints.len() as u64).to_le_bytes());
    out.extend_from_slice(&descriptor);
    for fingerprint in &filter.fingerprints {
        out.extend_from_slice(&fingerprint.to_le_bytes());
    }
    Ok(())
}

/// Reads the filters, each with the first key that it is for.
pub(crate) fn parse_filters(mut bytes: &[u8]) -> io::Result<Vec<(u128, BinaryFuse16)>> {
    let mut filters = Vec::new();
    while !bytes.is_empty() {
        let cut = || damaged("its filters are cut");
        let (head, rest) = bytes
            .split_first_chunk::<{ 16 + 8 + DESCRIPTOR }>()
            .ok_or_else(cut)?;
        let length = usize::try_from(u64_at(head, 16)).unwrap_or(usize::MAX);
        let fingerprints = rest.get(..length.saturating_mul(2)).ok_or_else(cut)?;
        bytes = &rest[fingerprints.len()..];
        let first = u128::from_le_bytes(array_at(head, 0));
        filters.push((first, parse_filter(&head[24..], fingerprints)?));
    }
    Ok(filters)
}

fn parse_filter(descriptor: &[u8], fingerprints: &[u8]) -> io::Result<BinaryFuse16> {
    let fingerprints: Box<[u16]> = fingerprints
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    let u32_at = |at| u32::from_le_bytes(array_at(descriptor, at));
    // The library can only build a filter, so a small one is built and its content is replaced.
    let mut filter = BinaryFuse16::try_from(&[0][..]).map_err(damaged)?;
    filter.descriptor.seed = u64_at(descriptor, 0);
    filter.descriptor.segment_length = u32_at(8);
    filter.descriptor.segment_length_mask = u32_at(12);
    filter.descriptor.segment_count_length = u32_at(16);
    filter.fingerprints = fingerprints;
    let layout = &filter.descriptor;
    // A look-up reads up to two segments past the count, so this bound keeps it inside the filter.
    let reach = u64::from(layout.segment_count_length) + 2 * u64::from(layout.segment_length);
    let masked = layout.segment_length.checked_sub(1) == Some(layout.segment_length_mask);
    if !masked || reach > filter.fingerprints.len() as u64 {
        return Err(damaged("its filter is impossible"));
    }
    Ok(filter)
}

/// See [`crate::fuzzing::mend_checks`].
#[cfg(fuzzing)]
pub(crate) fn mend_checks(segment: &mut [u8]) {
    let Some((header, rest)) = segment.split_first_chunk_mut::<HEADER>() else {
        return;
    };
    let found = check(&header[..HEADER - CHECK]);
    header[HEADER - CHECK..].copy_from_slice(&found);
    let Ok(head) = SegmentHead::parse(header) else {
        return;
    };
    let entries = (head.filter_at() - HEADER as u64).min(rest.len() as u64) as usize;
    let (blocks, filters) = rest.split_at_mut(entries);
    for block in blocks.chunks_mut(BLOCK) {
        if let Some((entries, last)) = block.split_last_chunk_mut::<CHECK>() {
            *last = check(entries);
        }
    }
    if let Some((filters, last)) = filters.split_last_chunk_mut::<HASH>() {
        *last = *blake3::hash(filters).as_bytes();
    }
}

fn check(bytes: &[u8]) -> [u8; CHECK] {
    array_at(blake3::hash(bytes).as_bytes(), 0)
}

pub(crate) fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

fn i64_at(bytes: &[u8], at: usize) -> i64 {
    i64::from_le_bytes(array_at(bytes, at))
}
