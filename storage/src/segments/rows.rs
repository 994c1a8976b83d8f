//! The layout of frames in a segment's rows and in the log: each frame has its length (4 bytes,
//! little-endian) before it. A row takes as many frames as fit, so that small commits cost the
//! store no more than large ones.

use crate::segments::frame::{FRAME_BYTES_MAX, Frame, sequences_of};

/// The bytes that a frame takes in addition to its own bytes.
pub(crate) const FRAME_HEAD: usize = 4;
/// The longest row in bytes, unless one frame alone needs more. With the bytes that redb adds it
/// still fits into 64 KiB.
const ROW_BYTES_MAX: usize = FRAME_BYTES_MAX + FRAME_HEAD;

/// Packs frames into rows and passes each row to `put`, with the first sequence of its first frame.
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

/// An iterator over the unparsed frames of a row. It checks that each frame continues the one
/// before it.
#[derive(Debug)]
pub(crate) struct Walk<'r> {
    expected: u64,
    rest: &'r [u8],
    /// Whether zeros may follow the last frame.
    is_padded: bool,
}

/// An unparsed frame of a row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawFrame<'r> {
    pub(crate) first_sequence: u64,
    pub(crate) last_sequence: u64,
    pub(crate) bytes: &'r [u8],
}

/// Iterates over the frames of a row that starts with sequence `first`. The frames must fill the
/// row: a row that ends early would hide frames.
pub(crate) fn walk(first: u64, row: &[u8]) -> Walk<'_> {
    Walk {
        expected: first,
        rest: row,
        is_padded: false,
    }
}

/// Iterates over the frames of a log entry that starts with sequence `first`, up to its end or to
/// zeros.
pub(crate) fn walk_padded(first: u64, entry: &[u8]) -> Walk<'_> {
    Walk {
        is_padded: true,
        ..walk(first, entry)
    }
}

impl<'r> Walk<'r> {
    fn step(&mut self) -> Result<Option<RawFrame<'r>>, String> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let length = self.rest.split_first_chunk::<FRAME_HEAD>();
        let length = length.map(|(length, rest)| (u32::from_le_bytes(*length) as usize, rest));
        let (length, rest) = match length {
            Some((0, _)) | None if self.is_padded => return Ok(None),
            Some((0, _)) | None => return Err("a frame's length can't be read".to_owned()),
            Some(read) => read,
        };
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
        Ok(Some(RawFrame {
            first_sequence,
            last_sequence,
            bytes,
        }))
    }
}

impl<'r> Iterator for Walk<'r> {
    type Item = Result<RawFrame<'r>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step().transpose();
        if !matches!(step, Some(Ok(_))) {
            self.rest = &[];
        }
        step
    }
}

/// Returns the frame of a row that holds `sequence`, or the row's last frame.
pub(crate) fn frame_at(first: u64, row: &[u8], sequence: u64) -> Result<Frame, String> {
    let mut found = None;
    for raw in walk(first, row) {
        let raw = raw?;
        found = Some(raw.bytes);
        if raw.last_sequence >= sequence {
            break;
        }
    }
    Frame::parse(found.ok_or("a row without a frame")?.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segments::chunk::Chunk;
    use crate::segments::frame::Packer;
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
                    .map(|raw| Frame::parse(raw.unwrap().bytes.to_vec()).unwrap())
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
