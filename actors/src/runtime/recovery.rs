//! Recovery: what the ledger must know of the records that the views don't hold yet.

use std::collections::HashMap;

use florin_storage::{Head, Position, Reader};

use super::id_hasher::IdHasher;
use super::index::{Index, key_hash, operation_entry};
use super::options::StartError;
use crate::messages::EntityId;
use crate::record_codec::decode_record;

/// Bytes of frames read at a time.
const SCAN_BYTES: usize = 4 * 1024 * 1024;

/// How far each view reaches.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    /// The snapshots.
    pub(super) snapshots: u64,
    /// The index of keys.
    pub(super) keys: u64,
    /// The index of operations.
    pub(super) operations: u64,
}

/// Reads the journal's tail: the last record of every entity changed since the snapshots, and the
/// index entries that no segment holds. Personal values erased since then are withheld. Each frame's link is recomputed on the way.
///
/// # Errors
/// A damaged tail.
pub(super) fn read_tail(
    reader: &Reader,
    reach: Reach,
    keys: &mut Index,
    operations: &mut Index,
) -> Result<HashMap<EntityId, u64, IdHasher>, StartError> {
    let mut heads: HashMap<EntityId, u64, IdHasher> = HashMap::default();
    let mut next = reach.snapshots.min(reach.keys).min(reach.operations) + 1;
    while next <= reader.durable() {
        for frame in reader.scan(next, SCAN_BYTES)? {
            if !frame.verify() {
                return Err(StartError::Damaged(format!(
                    "the frame of record {} is not what its link says",
                    frame.first_sequence
                )));
            }
            for (sequence, bytes) in frame.iter().filter(|(sequence, _)| *sequence >= next) {
                let record = decode_record(bytes)
                    .map_err(|error| StartError::Damaged(format!("record {sequence}: {error}")))?;
                if sequence > reach.snapshots {
                    reader.withhold(record.erased());
                    heads.extend(
                        record
                            .changes
                            .iter()
                            .map(|change| (change.entity, sequence)),
                    );
                }
                if sequence > reach.operations {
                    operations.insert(operation_entry(record.operation_id), sequence);
                }
                if sequence > reach.keys
                    && let Some(key) = &record.key
                {
                    keys.insert(key_hash(&record.caller, key), sequence);
                }
            }
            next = frame.last_sequence + 1;
        }
    }
    Ok(heads)
}

/// Refuses views that know of records the journal doesn't have, or of another history: the
/// journal was cut or exchanged.
///
/// # Errors
/// What doesn't fit.
pub(super) fn check_views(
    reader: &Reader,
    head: Head,
    position: Option<Position>,
) -> Result<(), StartError> {
    let Some(position) = position.filter(|position| position.sequence > 0) else {
        return Ok(());
    };
    if position.sequence > head.sequence {
        return Err(StartError::Damaged(format!(
            "the journal ends at record {}, the views know record {}: the journal was cut short",
            head.sequence, position.sequence
        )));
    }
    let frame = reader.scan(position.sequence, 1)?.into_iter().next();
    if frame.is_none_or(|frame| frame.link != position.link) {
        return Err(StartError::Damaged(format!(
            "the views and the journal disagree on the history up to record {}",
            position.sequence
        )));
    }
    Ok(())
}
