//! The entries of the index of idempotency keys and of the index of operations, and the search for
//! them on disk.

use std::io;
use std::sync::Arc;

use florin_storage::SortedSegment;

use crate::words::{Caller, OperationId};

/// Returns the index entry of an idempotency key: 128 bits of a hash over the caller and the key.
pub fn key_hash(caller: &Caller, key: &str) -> u128 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(caller.name().as_bytes());
    hasher.update(&[0]);
    hasher.update(key.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    u128::from_be_bytes(bytes)
}

/// Returns the index entry of an operation, which is its id.
pub const fn operation_entry(id: OperationId) -> u128 {
    id.as_u128()
}

/// Looks an entry up in segments, newest first; reads the disk.
///
/// # Errors
/// Returns an error if the disk can't be read.
pub fn search(segments: &[Arc<SortedSegment>], entry: u128) -> io::Result<Option<u64>> {
    for segment in segments.iter().rev() {
        if let Some(sequence) = segment.find(entry)? {
            return Ok(Some(sequence));
        }
    }
    Ok(None)
}
