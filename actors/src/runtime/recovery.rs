//! Recovery: what the ledger must know of the records that the views don't hold yet.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use florin_storage::{Head, Position, Reader};

use super::id_hasher::IdHasher;
use super::index::{Index, key_hash, operation_entry};
use super::options::StartError;
use super::supervision::note_quarantine;
use crate::messages::{EntityId, Outcome, Record, Timestamp};
use crate::record_codec::decode_record;
use crate::views::Indexes;

/// Bytes of frames read at a time.
const SCAN_BYTES: usize = 4 * 1024 * 1024;

/// What the start knows of entities before any of them is in memory.
#[derive(Debug, Default)]
pub struct Known {
    /// The last record of every entity changed since the snapshots.
    pub heads: HashMap<EntityId, u64, IdHasher>,
    /// The entities out of service, and why.
    pub quarantined: BTreeMap<EntityId, String>,
    /// The records of commands that were accepted and not executed.
    pub accepted: BTreeSet<u64>,
}

/// What a record says of what was accepted and not executed.
pub(crate) fn note_accepted(accepted: &mut BTreeSet<u64>, record: &Record) {
    if record.outcome == Outcome::Accepted {
        accepted.insert(record.sequence);
    }
    if let Some(execution) = record.execution {
        accepted.remove(&execution.accepted);
    }
}

/// Reads the journal's tail behind the snapshots, which reach as far as `snapshots`, and behind the
/// segments of the indexes: the last record of every entity changed since, and the entries that no
/// segment holds. Segments that are missing are written, so that no more entries are held in memory
/// than in a running node. Personal values erased since then are withheld. Each frame's link is recomputed on the way.
///
/// # Errors
/// A damaged tail, or what the disk refused.
pub(super) fn read_tail(
    reader: &Reader,
    snapshots: u64,
    mut known: Known,
    indexes: &mut Indexes,
    keys: &mut Index,
    operations: &mut Index,
) -> Result<Known, StartError> {
    let covered = indexes.covered();
    let mut next = snapshots.min(covered.0).min(covered.1) + 1;
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
                indexes.take(&record);
                if sequence > snapshots {
                    reader.withhold(record.erased());
                    let changes = record.changes.iter();
                    known
                        .heads
                        .extend(changes.map(|change| (change.entity, sequence)));
                    note_quarantine(&mut known.quarantined, &record);
                    note_accepted(&mut known.accepted, &record);
                }
                if sequence > covered.1 {
                    for operation in record.operations() {
                        operations.insert(operation_entry(operation), sequence);
                    }
                }
                if sequence > covered.0 {
                    for key in record.keys() {
                        keys.insert(key_hash(&record.caller, key), sequence);
                    }
                }
            }
            next = frame.last_sequence + 1;
            if indexes.seal(
                frame.last_sequence,
                Timestamp::from_micros(frame.last_time),
                &mut || {},
            )? {
                indexes.merge_while_starting()?;
                let segments = indexes.segments();
                keys.sealed(segments.0);
                operations.sealed(segments.1);
            }
        }
    }
    indexes.forget_taken();
    Ok(known)
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
