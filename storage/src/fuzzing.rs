//! What the fuzz targets reach (`tests/fuzz`); it is there in their builds only.

use crate::chunk::Chunk;
use crate::error::Error;
use crate::frame::{Frame, Link, Packer};
use crate::head::Head;
use crate::manifest::Manifest;
use crate::simulated::SimulatedDisk;
use crate::sorted_layout;
use crate::wal::{WAL, WAL_BYTES_MIN, WriteAheadLog, frames_after};

/// The link before the first frame.
const BEFORE_FIRST: Link = [7; 32];

/// Reads a frame.
///
/// # Errors
/// What is wrong with its form.
pub fn frame(bytes: Vec<u8>) -> Result<Frame, String> {
    Frame::parse(bytes)
}

/// The bytes of a frame.
pub fn frame_bytes(frame: &Frame) -> &[u8] {
    frame.bytes()
}

/// These records as frames.
///
/// # Errors
/// A record past every bound.
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

/// A log that holds these frames, each as an entry of its own.
///
/// # Errors
/// More than such a log takes.
pub fn wal(frames: &[Frame]) -> Result<Vec<u8>, Error> {
    let disk = SimulatedDisk::new();
    let mut log = WriteAheadLog::create(&disk, &[9; 16], WAL_BYTES_MIN)?;
    for frame in frames {
        log.append(std::slice::from_ref(frame))?;
    }
    Ok(disk.contents(WAL).unwrap_or_default())
}

/// The frames of a log from the first one that [`pack`] makes on.
///
/// # Errors
/// A log that is damaged.
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
/// Bytes that are none.
pub fn manifest(bytes: &[u8]) -> Result<Manifest, Error> {
    Manifest::parse(bytes)
}

/// Makes the checks of an index segment right again where it was altered, as far as its header
/// still tells where they lie: so that what is behind them is tried too.
pub fn mend_checks(segment: &mut [u8]) {
    sorted_layout::mend_checks(segment);
}
