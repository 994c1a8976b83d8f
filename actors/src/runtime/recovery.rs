//! Recovery: what the ledger must know of the records that the views don't hold yet.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::mpsc::sync_channel;

use florin_storage::{Frame, Head, Position, Reader};

use super::id_hasher::IdHasher;
use super::index::{Index, key_hash, operation_entry};
use super::options::StartError;
use super::supervision::note_quarantine;
use crate::messages::{EntityId, Outcome, Record, Timestamp};
use crate::record_codec::decode_record;
use crate::views::Indexes;

/// Bytes of frames read at a time.
const SCAN_BYTES: usize = 1024 * 1024;
/// How often that may be decoded before it is wanted.
const DECODED_AHEAD: usize = 4;

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

/// Frames as they are read and decoded at a time.
type Decoded = Vec<(Vec<Record>, Frame)>;

/// What the tail goes to.
#[derive(Debug)]
pub(super) struct Tail<'a> {
    pub(super) reader: &'a Reader,
    /// How far the snapshots go.
    pub(super) snapshots: u64,
    pub(super) known: Known,
    pub(super) indexes: &'a mut Indexes,
    pub(super) keys: &'a mut Index,
    pub(super) operations: &'a mut Index,
}

impl Tail<'_> {
    /// Reads what the ledger must know of the records after the views' snapshots, and after the
    /// segments of the indexes: the last record of every entity changed since, and the entries that no
    /// segment holds. Segments that are missing are written, so that no more entries are held in memory
    /// than in a running node. Personal values erased since then are withheld. Each frame's link is
    /// recomputed on the way. `beside`: frames are read and decoded on a thread of their own.
    ///
    /// # Errors
    /// A damaged tail, or what the disk refused.
    pub(super) fn read(mut self, beside: bool) -> Result<Known, StartError> {
        let covered = self.indexes.covered();
        let first = self.snapshots.min(covered.0).min(covered.1) + 1;
        let mut decoded = decoded(self.reader.clone(), first);
        if beside {
            let (sender, receiver) = sync_channel(DECODED_AHEAD);
            std::thread::scope(|scope| {
                // Ends early where nobody wants more.
                scope.spawn(move || decoded.try_for_each(|frames| sender.send(frames)));
                receiver
                    .into_iter()
                    .try_for_each(|frames| self.take(frames?, covered))
            })?;
        } else {
            decoded.try_for_each(|frames| self.take(frames?, covered))?;
        }
        self.indexes.forget_taken();
        Ok(self.known)
    }

    fn take(&mut self, frames: Decoded, covered: (u64, u64)) -> Result<(), StartError> {
        for (records, frame) in frames {
            for record in &records {
                self.take_record(record, covered);
            }
            let time = Timestamp::from_micros(frame.last_time);
            if self.indexes.seal(frame.last_sequence, time, &mut || {})? {
                self.indexes.merge_while_starting()?;
                let segments = self.indexes.segments();
                self.keys.sealed(segments.0);
                self.operations.sealed(segments.1);
            }
        }
        Ok(())
    }

    fn take_record(&mut self, record: &Record, covered: (u64, u64)) {
        let sequence = record.sequence;
        self.indexes.take(record);
        if sequence > self.snapshots {
            self.reader.withhold(record.erased());
            let changes = record.changes.iter();
            let heads = changes.map(|change| (change.entity, sequence));
            self.known.heads.extend(heads);
            note_quarantine(&mut self.known.quarantined, record);
            note_accepted(&mut self.known.accepted, record);
        }
        if sequence > covered.1 {
            for operation in record.operations() {
                self.operations.insert(operation_entry(operation), sequence);
            }
        }
        if sequence > covered.0 {
            for key in record.keys() {
                self.keys.insert(key_hash(&record.caller, key), sequence);
            }
        }
    }
}

/// The durable records from `first` on, with the frames they are in.
fn decoded(reader: Reader, first: u64) -> impl Iterator<Item = Result<Decoded, StartError>> + Send {
    let mut next = first;
    std::iter::from_fn(move || {
        if next > reader.durable() {
            return None;
        }
        let decoded = decode_from(&reader, next);
        // Nothing comes behind what can't be read.
        next = match &decoded {
            Ok(frames) => frames
                .last()
                .map_or(u64::MAX, |(_, frame)| frame.last_sequence + 1),
            Err(_) => u64::MAX,
        };
        Some(decoded)
    })
}

fn decode_from(reader: &Reader, next: u64) -> Result<Decoded, StartError> {
    let mut decoded = Decoded::new();
    for frame in reader.scan(next, SCAN_BYTES)? {
        if !frame.verify() {
            return Err(StartError::Damaged(format!(
                "the frame of record {} is not what its link says",
                frame.first_sequence
            )));
        }
        let wanted = frame.iter().filter(|(sequence, _)| *sequence >= next);
        let records = wanted.map(|(sequence, bytes)| {
            decode_record(bytes)
                .map_err(|error| StartError::Damaged(format!("record {sequence}: {error}")))
        });
        decoded.push((records.collect::<Result<_, _>>()?, frame));
    }
    Ok(decoded)
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
