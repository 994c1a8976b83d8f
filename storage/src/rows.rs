//! How frames lie one after the other, in a segment's rows and in the log: each with its length
//! (4 bytes, little-endian) before it. A row takes as many as fit, so that small commits cost the
//! store no more than large ones.

use crate::frame::{FRAME_BYTES_MAX, Frame, sequences_of};

/// What a frame takes beside its bytes.
pub(crate) const FRAME_HEAD: usize = 4;
/// A row's length, unless one frame alone needs more: what redb adds to it still fits into 64 KiB.
const ROW_BYTES_MAX: usize = FRAME_BYTES_MAX + FRAME_HEAD;

/// Hands frames to `put` as rows, by the first sequence of each row's first frame.
pub(crate) fn pack<'f, E>(
    frames: impl Iterator<Item = &'f Frame>,
    mut put: impl FnMut(u64, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut first = 0;
    let mut row: Vec<u8> = Vec::new();
    for frame in frames {
        let with = row.len() + FRAME_HEAD + frame.bytes_len();
        if with > ROW_BYTES_MAX && !row.is_empty() {
            put(first, &row)?;
            row.clear();
        }
        if row.is_empty() {
            first = frame.first_sequence;
        }
        row.extend_from_slice(&(frame.bytes_len() as u32).to_le_bytes());
        row.extend_from_slice(frame.bytes());
    }
    if row.is_empty() {
        return Ok(());
    }
    put(first, &row)
}

/// The frames of a row, unparsed; each is known to continue the one before it.
#[derive(Debug)]
pub(crate) struct Walk<'r> {
    expected: u64,
    rest: &'r [u8],
}

/// A frame as it lies in a row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lying<'r> {
    pub(crate) first_sequence: u64,
    pub(crate) last_sequence: u64,
    pub(crate) bytes: &'r [u8],
}

/// The frames of a row that starts with sequence `first`, up to its end or to zeros.
pub(crate) fn walk(first: u64, row: &[u8]) -> Walk<'_> {
    Walk {
        expected: first,
        rest: row,
    }
}

impl<'r> Walk<'r> {
    fn step(&mut self) -> Result<Option<Lying<'r>>, String> {
        let Some((length, rest)) = self.rest.split_first_chunk::<FRAME_HEAD>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*length) as usize;
        if length == 0 {
            return Ok(None);
        }
        let (bytes, rest) = rest
            .split_at_checked(length)
            .ok_or_else(|| format!("a frame of {length} bytes does not fit"))?;
        let (first_sequence, last_sequence) =
            sequences_of(bytes).ok_or("a frame's sequences can't be read")?;
        if first_sequence != self.expected {
            let expected = self.expected;
            return Err(format!(
                "a frame says that it starts at {first_sequence}, not at {expected}"
            ));
        }
        self.expected = last_sequence.checked_add(1).ok_or("sequences overflow")?;
        self.rest = rest;
        Ok(Some(Lying {
            first_sequence,
            last_sequence,
            bytes,
        }))
    }
}

impl<'r> Iterator for Walk<'r> {
    type Item = Result<Lying<'r>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step().transpose();
        if !matches!(step, Some(Ok(_))) {
            self.rest = &[];
        }
        step
    }
}

/// The frame of a row that holds `sequence`, or the row's last one.
pub(crate) fn frame_at(first: u64, row: &[u8], sequence: u64) -> Result<Frame, String> {
    let mut found = None;
    for lying in walk(first, row) {
        let lying = lying?;
        found = Some(lying.bytes);
        if lying.last_sequence >= sequence {
            break;
        }
    }
    Frame::parse(found.ok_or("a row without a frame")?.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::Chunk;
    use crate::frame::Packer;
    use proptest::prelude::*;
    use std::convert::Infallible;

    fn frames(records: &[usize]) -> Vec<Frame> {
        let mut packer = Packer::new([7; 32], 1_024);
        for (sequence, bytes) in (1..).zip(records) {
            let mut chunk = Chunk::new(sequence, usize::MAX);
            chunk.begin().resize(*bytes, sequence as u8);
            chunk.end(1, None).unwrap();
            packer.add(&chunk).unwrap();
        }
        packer.finish()
    }

    proptest! {
        #[test]
        fn frames_come_back_from_their_rows(
            records in prop::collection::vec(
                prop_oneof![9 => 1..2_000usize, 1 => 20_000..90_000usize],
                0..120,
            ),
        ) {
            let frames = frames(&records);
            let mut rows = Vec::new();
            let packed: Result<(), Infallible> = pack(frames.iter(), |first, row| {
                rows.push((first, row.to_vec()));
                Ok(())
            });
            packed.unwrap();
            let mut read = Vec::new();
            for (at, (first, row)) in rows.iter().enumerate() {
                let of_row: Vec<Frame> = walk(*first, row)
                    .map(|lying| Frame::parse(lying.unwrap().bytes.to_vec()).unwrap())
                    .collect();
                prop_assert_eq!(of_row[0].first_sequence, *first);
                prop_assert!(row.len() <= ROW_BYTES_MAX || of_row.len() == 1);
                if let Some((next_first, next)) = rows.get(at + 1) {
                    let head = walk(*next_first, next).next().unwrap().unwrap();
                    let head = head.bytes.len() + FRAME_HEAD;
                    prop_assert!(row.len() + head > ROW_BYTES_MAX, "another frame would fit");
                }
                for frame in &of_row {
                    for sequence in [frame.first_sequence, frame.last_sequence] {
                        prop_assert_eq!(&frame_at(*first, row, sequence).unwrap(), frame);
                    }
                }
                read.extend(of_row);
            }
            prop_assert_eq!(read, frames);
        }

        #[test]
        fn noise_never_panics(row in prop::collection::vec(any::<u8>(), 0..400), at in any::<u64>()) {
            let _ = (frame_at(at, &row, at), walk(at, &row).count());
        }
    }
}
