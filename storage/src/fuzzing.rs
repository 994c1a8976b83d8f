//! What the fuzz targets reach (`tests/fuzz`); it is there in their builds only.

use crate::chunk::Chunk;
use crate::error::Error;
use crate::frame::{Frame, Packer};
use crate::manifest::Manifest;
use crate::sorted_layout;

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
    let mut packer = Packer::new([7; 32], frame_bytes_max);
    packer.add(&chunk)?;
    Ok(packer
        .finish()
        .into_iter()
        .map(|built| built.bytes)
        .collect())
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
