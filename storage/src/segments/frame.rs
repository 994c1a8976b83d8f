//! A frame: consecutive records, an index of their ends, and the chain's link. Frames are stored in
//! the rows of a segment. All integers are little-endian:
//!
//! | previous link | version | first sequence | records | ends (u32 each) | last time | count | link |
//! |---|---|---|---|---|---|---|---|
//! | 32 bytes | 1 | 8 | any | 4 × count | 8 | 4 | 32 |
//!
//! The link is the BLAKE3 hash of everything before it, so a frame can be checked on its own.

use crate::error::Error;
use crate::segments::chunk::Chunk;
use std::sync::Arc;

/// The longest frame in bytes, unless one record alone needs more. redb rounds a row up to a power
/// of two, so a frame stays below 64 KiB by the bytes that redb adds to a row.
pub const FRAME_BYTES_MAX: usize = 65_536 - 64;

/// A chain link: a BLAKE3 hash.
pub(crate) type Link = [u8; 32];

const VERSION: u8 = 1;
const LINK: usize = 32;
const RECORDS_AT: usize = LINK + 1 + 8;
/// The length of the last time and the count, in bytes.
const TRAILER: usize = 8 + 4;
/// The bytes that a frame takes in addition to its records and their ends.
pub(crate) const OVERHEAD: usize = RECORDS_AT + TRAILER + LINK;
/// The bytes that each record takes in addition to its own bytes.
pub(crate) const OVERHEAD_PER_RECORD: usize = 4;

/// Consecutive records in the form in which the journal stores them. Cloning is cheap. A value of
/// this type is always intact: it was packed here, or its link was compared with its bytes when it
/// was read.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// The sequence of the first record.
    pub first_sequence: u64,
    /// The sequence of the last record.
    pub last_sequence: u64,
    /// The time of the last record, in microseconds since 1970.
    pub last_time: i64,
    /// The chain link of this frame.
    pub link: [u8; 32],
    /// The chain link of the frame before.
    pub previous_link: [u8; 32],
    bytes: Arc<Vec<u8>>,
}

impl std::fmt::Debug for Frame {
    // The records' bytes must not appear in logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frame")
            .field("first_sequence", &self.first_sequence)
            .field("last_sequence", &self.last_sequence)
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

impl Frame {
    /// Reads a frame and checks its form and its link. This is the only way to read a frame, so a
    /// reader never sees a damaged one.
    ///
    /// # Errors
    /// Returns a description of the damage.
    pub(crate) fn parse(bytes: Vec<u8>) -> Result<Frame, String> {
        if bytes.len() < OVERHEAD + OVERHEAD_PER_RECORD {
            return Err(format!("{} bytes are too few for a frame", bytes.len()));
        }
        if bytes[LINK] != VERSION {
            return Err(format!("version {} is unknown", bytes[LINK]));
        }
        let link_at = bytes.len() - LINK;
        let count = u64::from(u32_at(&bytes, link_at - 4));
        let index_bytes = count * OVERHEAD_PER_RECORD as u64;
        let room = (bytes.len() - OVERHEAD) as u64;
        if count == 0 || index_bytes > room {
            return Err(format!("an index of {count} records does not fit"));
        }
        let first_sequence = u64::from_le_bytes(array_at(&bytes, LINK + 1));
        let last_sequence = first_sequence
            .checked_add(count - 1)
            .ok_or("its sequences overflow")?;
        let frame = Frame {
            first_sequence,
            last_sequence,
            last_time: i64::from_le_bytes(array_at(&bytes, link_at - TRAILER)),
            link: array_at(&bytes, link_at),
            previous_link: array_at(&bytes, 0),
            bytes: Arc::new(bytes),
        };
        let mut before = 0;
        for record in 0..frame.records() {
            let end = frame.end(record);
            if end < before {
                return Err(format!("record {record} ends before it starts"));
            }
            before = end;
        }
        if before as u64 != room - index_bytes {
            return Err("its index does not cover its records".to_owned());
        }
        let hash = blake3::hash(&frame.bytes[..link_at]);
        if *hash.as_bytes() != frame.link {
            return Err("its link differs from its bytes".to_owned());
        }
        Ok(frame)
    }

    /// Returns the number of records.
    pub fn records(&self) -> usize {
        // A frame has fewer records than bytes, so the number fits.
        (self.last_sequence - self.first_sequence + 1) as usize
    }

    /// Returns the length of the stored frame in bytes.
    pub fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the bytes of the stored frame.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns a record's bytes, or `None` if the sequence lies outside the frame.
    pub fn record(&self, sequence: u64) -> Option<&[u8]> {
        if sequence < self.first_sequence || sequence > self.last_sequence {
            return None;
        }
        let index = (sequence - self.first_sequence) as usize;
        let start = if index == 0 { 0 } else { self.end(index - 1) };
        Some(&self.bytes[RECORDS_AT + start..RECORDS_AT + self.end(index)])
    }

    /// Iterates over the records with their sequences, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        (self.first_sequence..=self.last_sequence)
            .filter_map(|sequence| self.record(sequence).map(|bytes| (sequence, bytes)))
    }

    /// Returns the end of a record, counted from the start of the first record. `index` must be
    /// below the count, which `parse` has checked against the length.
    fn end(&self, index: usize) -> usize {
        let ends_at = self.bytes.len() - LINK - TRAILER - OVERHEAD_PER_RECORD * self.records();
        u32_at(&self.bytes, ends_at + OVERHEAD_PER_RECORD * index) as usize
    }
}

/// Returns the first and last sequence in a frame's unchecked bytes, or `None` if there are too few
/// bytes.
pub(crate) fn sequences_of(bytes: &[u8]) -> Option<(u64, u64)> {
    let first = u64::from_le_bytes(*bytes.get(LINK + 1..)?.first_chunk()?);
    let count_at = bytes.len().checked_sub(LINK + 4)?;
    let count = u32::from_le_bytes(*bytes[count_at..].first_chunk()?);
    let last = first.checked_add(u64::from(count).checked_sub(1)?)?;
    Some((first, last))
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

/// Packs records into frames. Each frame is linked to the one before it.
#[derive(Debug)]
pub(crate) struct Packer {
    bytes_max: usize,
    previous_link: Link,
    built: Vec<Frame>,
    body: Vec<u8>,
    ends: Vec<u32>,
    first_sequence: u64,
    last_time: i64,
}

impl Packer {
    pub(crate) fn new(previous_link: Link, bytes_max: usize) -> Packer {
        Packer {
            bytes_max,
            previous_link,
            built: Vec::new(),
            body: Vec::new(),
            ends: Vec::new(),
            first_sequence: 0,
            last_time: 0,
        }
    }

    /// Adds a chunk's records, which must follow the records added before.
    pub(crate) fn add(&mut self, chunk: &Chunk) -> Result<(), Error> {
        for (sequence, time, record) in chunk.iter() {
            let with = self.len() + record.len() + OVERHEAD_PER_RECORD;
            if with > self.bytes_max && !self.ends.is_empty() {
                self.seal();
            }
            if self.ends.is_empty() {
                self.first_sequence = sequence;
                self.body.extend_from_slice(&self.previous_link);
                self.body.push(VERSION);
                self.body.extend_from_slice(&sequence.to_le_bytes());
            }
            self.body.extend_from_slice(record);
            let end =
                u32::try_from(self.body.len() - RECORDS_AT).map_err(|_| Error::RecordTooLarge {
                    bytes: record.len(),
                    bytes_max: u32::MAX as usize,
                })?;
            self.ends.push(end);
            self.last_time = time;
        }
        Ok(())
    }

    /// Returns all frames.
    pub(crate) fn finish(mut self) -> Vec<Frame> {
        if !self.ends.is_empty() {
            self.seal();
        }
        self.built
    }

    fn len(&self) -> usize {
        let records = self.body.len().saturating_sub(RECORDS_AT);
        records + OVERHEAD + self.ends.len() * OVERHEAD_PER_RECORD
    }

    fn seal(&mut self) {
        let mut bytes = std::mem::take(&mut self.body);
        for end in &self.ends {
            bytes.extend_from_slice(&end.to_le_bytes());
        }
        bytes.extend_from_slice(&self.last_time.to_le_bytes());
        bytes.extend_from_slice(&(self.ends.len() as u32).to_le_bytes());
        let link = *blake3::hash(&bytes).as_bytes();
        bytes.extend_from_slice(&link);
        self.built.push(Frame {
            first_sequence: self.first_sequence,
            last_sequence: self.first_sequence + self.ends.len() as u64 - 1,
            last_time: self.last_time,
            link,
            previous_link: self.previous_link,
            bytes: Arc::new(bytes),
        });
        self.previous_link = link;
        self.ends.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chunk(first: u64, records: &[Vec<u8>]) -> Chunk {
        let mut chunk = Chunk::new(first, usize::MAX);
        for (index, record) in records.iter().enumerate() {
            chunk.begin().extend_from_slice(record);
            chunk.end(1_000 + index as i64, None).unwrap();
        }
        chunk
    }

    fn frames(first: u64, records: &[Vec<u8>], bytes_max: usize) -> Vec<Frame> {
        let mut packer = Packer::new([7; 32], bytes_max);
        packer.add(&chunk(first, records)).unwrap();
        let frames = packer.finish();
        for frame in &frames {
            assert_eq!(&Frame::parse(frame.bytes().to_vec()).unwrap(), frame);
        }
        frames
    }

    proptest! {
        #[test]
        fn records_survive_packing(
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..60),
            first in 1..u64::MAX / 2,
        ) {
            let frames = frames(first, &records, 700);
            let mut previous = [7; 32];
            let mut read = Vec::new();
            for frame in &frames {
                prop_assert_eq!(frame.previous_link, previous);
                prop_assert!(frame.bytes_len() <= 700);
                previous = frame.link;
                read.extend(frame.iter().map(|(sequence, bytes)| (sequence, bytes.to_vec())));
            }
            let wanted: Vec<_> = (first..).zip(records.iter().cloned()).collect();
            prop_assert_eq!(read, wanted);
            prop_assert_eq!(frames.last().unwrap().last_time, 999 + records.len() as i64);
        }

        #[test]
        fn any_altered_byte_shows(at in any::<prop::sample::Index>(), flip in 1..=255u8) {
            let frame = &frames(1, &[b"one".to_vec(), b"two".to_vec()], 700)[0];
            let mut bytes = frame.bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert!(Frame::parse(bytes).is_err());
        }

        #[test]
        fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(frame) = Frame::parse(bytes) {
                let _ = frame.iter().count();
            }
        }
    }

    #[test]
    fn a_record_above_the_frame_limit_gets_a_frame_of_its_own() {
        let records = [vec![1; 10], vec![2; 5_000], vec![3; 10]];
        let frames = frames(1, &records, 700);
        let firsts: Vec<_> = frames.iter().map(|frame| frame.first_sequence).collect();
        assert_eq!(firsts, [1, 2, 3]);
        assert_eq!(frames[1].record(2).unwrap(), records[1]);
        assert_eq!(frames[1].record(3), None);
    }
}
