//! The functions that the fuzz targets (`tests/fuzz`) call. They exist in fuzzing builds only.

use crate::backup::manifest::Manifest;
use crate::disk::simulated::SimulatedDisk;
use crate::error::Error;
use crate::index::layout;
use crate::segments::chunk::Chunk;
use crate::segments::frame::{Frame, Link, Packer};
use crate::segments::head::Head;
use crate::segments::wal::{WAL, WAL_BYTES_MIN, WriteAheadLog, frames_after};

/// The link before the first frame.
const BEFORE_FIRST: Link = [7; 32];

/// Reads a frame.
///
/// # Errors
/// Returns a description of the damage.
pub fn frame(bytes: Vec<u8>) -> Result<Frame, String> {
    Frame::parse(bytes)
}

/// Returns the bytes of a frame.
pub fn frame_bytes(frame: &Frame) -> &[u8] {
    frame.bytes()
}

/// Packs these records into frames.
///
/// # Errors
/// Returns an error if a record is longer than any limit.
pub fn pack(first: u64, records: &[&[u8]], frame_bytes_max: usize) -> Result<Vec<Vec<u8>>, Error> {
    let mut chunk = Chunk::new(first, usize::MAX);
    for record in records {
        chunk.begin().extend_from_slice(record);
        chunk.end(1, None)?;
    }
    let mut packer = Packer::new(BEFORE_FIRST, frame_bytes_max);
    packer.add(&chunk)?;
    let frames = packer.finish();
    Ok(frames.iter().map(|frame| frame.bytes().to_vec()).collect())
}

/// Returns the bytes of a log that holds these frames, each as an entry of its own.
///
/// # Errors
/// Returns an error if the frames don't fit into a log of the minimum size.
pub fn wal(frames: &[Frame]) -> Result<Vec<u8>, Error> {
    let disk = SimulatedDisk::new();
    let mut log = WriteAheadLog::create(&disk, &[9; 16], WAL_BYTES_MIN)?;
    for frame in frames {
        log.append(std::slice::from_ref(frame))?;
    }
    Ok(disk.contents(WAL).unwrap_or_default())
}

/// Returns the frames of a log. The first one must follow the link that [`pack`] starts with.
///
/// # Errors
/// Returns an error if the log is damaged.
pub fn wal_frames(log: &[u8]) -> Result<Vec<Frame>, Error> {
    let empty = Head {
        sequence: 0,
        time_micros: 0,
        link: BEFORE_FIRST,
    };
    frames_after(log, &empty)
}

/// Reads a backup's manifest.
///
/// # Errors
/// Returns an error if the bytes are not a manifest.
pub fn manifest(bytes: &[u8]) -> Result<Manifest, Error> {
    Manifest::parse(bytes)
}

/// Recomputes the checksums of an altered index segment, as far as its header still tells where
/// they are. The fuzzer then also reaches the code behind the checksums.
pub fn mend_checks(segment: &mut [u8]) {
    layout::mend_checks(segment);
}
