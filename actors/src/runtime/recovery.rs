//! Recovery: what the ledger must know of the records that the views don't hold yet.

use std::collections::{BTreeMap, HashMap};

use florin_storage::{Head, Position, Reader};

use super::id_hasher::IdHasher;
use super::index::{Index, key_hash, operation_entry};
use super::options::StartError;
use crate::messages::{Command, EntityId, Outcome, Record};
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

/// What the start knows of entities before any of them is in memory.
#[derive(Debug, Default)]
pub struct Known {
    /// The last record of every entity changed since the snapshots.
    pub heads: HashMap<EntityId, u64, IdHasher>,
    /// The entities out of service, and why.
    pub quarantined: BTreeMap<EntityId, String>,
}

/// What a record says of who is out of service.
pub(crate) fn note_quarantine(quarantined: &mut BTreeMap<EntityId, String>, record: &Record) {
    match (&record.command, &record.outcome) {
        (Command::Quarantine(quarantine), Outcome::Done(_)) => {
            quarantined.insert(quarantine.entity, quarantine.reason.clone());
        }
        (Command::Resume(resume), Outcome::Done(_)) => {
            quarantined.remove(&resume.entity);
        }
        _ => {}
    }
}

/// Reads the journal's tail: the last record of every entity changed since the snapshots, and the
/// index entries that no segment holds. Personal values erased since then are withheld. Each frame's link is recomputed on the way.
///
/// # Errors
/// A damaged tail.
pub(super) fn read_tail(
    reader: &Reader,
    reach: Reach,
    quarantined: BTreeMap<EntityId, String>,
    keys: &mut Index,
    operations: &mut Index,
) -> Result<Known, StartError> {
    let mut known = Known {
        quarantined,
        ..Known::default()
    };
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
                    let changes = record.changes.iter();
                    known
                        .heads
                        .extend(changes.map(|change| (change.entity, sequence)));
                    note_quarantine(&mut known.quarantined, &record);
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
