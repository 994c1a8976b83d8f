//! Recovery: reads what the ledger must know of the records that the views don't contain yet.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use florin_storage::threads::{self, Spawner, ThreadName};
use florin_storage::{Disk, Frame, Head, Position, Reader};

use crate::base::{IdHasher, note_quarantine};
use crate::record::{Outcome, Record};
use crate::record_codec::decode_record;
use crate::runtime::idempotency::index::{Index, key_hash, operation_entry};
use crate::runtime::options::{Limits, StartError};
use crate::views::{Crew, Indexes, Views};
use crate::words::{EntityId, Timestamp};

/// The number of frame bytes that are read at a time.
const SCAN_BYTES: usize = 1024 * 1024;
/// The number of decoded reads that may wait to be used.
const DECODED_AHEAD: usize = 4;

/// The facts about entities that are known at the start, before any entity is in memory.
#[derive(Debug, Default)]
pub struct Recovered {
    /// The last record of every entity that changed since the snapshots.
    pub heads: HashMap<EntityId, u64, IdHasher>,
    /// The entities out of service, with the reasons.
    pub quarantined: BTreeMap<EntityId, String>,
    /// The records that accepted commands which are not yet executed.
    pub accepted: BTreeSet<u64>,
}

/// Updates the set of accepted and not yet executed commands with a record.
pub(crate) fn note_accepted(accepted: &mut BTreeSet<u64>, record: &Record) {
    if record.outcome == Outcome::Accepted {
        accepted.insert(record.sequence);
    }
    if let Some(execution) = record.execution {
        accepted.remove(&execution.accepted);
    }
}

/// The opened journal.
#[derive(Debug)]
pub(super) struct Opened<'a> {
    pub(super) reader: &'a Reader,
    /// The journal's end.
    pub(super) head: Head,
    /// True if the node was shut down cleanly.
    pub(super) clean_start: bool,
}

/// Everything that a start reads beside the journal itself.
#[derive(Debug)]
pub(super) struct Recovery {
    pub(super) views: Arc<Views>,
    pub(super) indexes: Indexes,
    pub(super) keys: Index,
    pub(super) operations: Index,
    pub(super) known: Recovered,
}

impl Recovery {
    /// Opens the views and the indexes, and reads the journal's tail. With a spawner, the tail is
    /// read and decoded on a thread of its own.
    ///
    /// # Errors
    /// Returns an error if a file can't be used or is damaged.
    pub(super) fn read(
        disk: &Arc<dyn Disk>,
        opened: &Opened<'_>,
        limits: &Limits,
        crew: Crew,
        beside: Option<&Spawner>,
    ) -> Result<Self, StartError> {
        let reader = opened.reader;
        let (views, position) = Views::open(disk, limits.views_cache_bytes, !opened.clean_start)?;
        check_views(reader, opened.head, position)?;
        views.withhold(reader)?;
        let mut indexes = Indexes::open(
            disk,
            reader.clone(),
            limits.index_entries_max,
            limits.projector,
            views.index_memory(),
            crew,
        )?;
        let (of_keys, of_operations) = indexes.segments();
        let index = |segments| Index::new(limits.index_entries_max, segments, views.index_memory());
        let (mut keys, mut operations) = (index(of_keys), index(of_operations));
        let known = Recovered {
            quarantined: views.quarantined(),
            accepted: views.accepted()?,
            ..Recovered::default()
        };
        let tail = Tail {
            reader,
            snapshots: views.position(),
            known,
            indexes: &mut indexes,
            keys: &mut keys,
            operations: &mut operations,
        };
        let known = tail.read(beside)?;
        Ok(Self {
            views,
            indexes,
            keys,
            operations,
            known,
        })
    }
}

/// The frames of one read, with their decoded records.
type Decoded = Vec<(Vec<Record>, Frame)>;

/// The journal's tail, and the state that is updated while it is read.
#[derive(Debug)]
pub(in crate::runtime) struct Tail<'a> {
    pub(in crate::runtime) reader: &'a Reader,
    /// The last record that the snapshots contain.
    pub(in crate::runtime) snapshots: u64,
    pub(in crate::runtime) known: Recovered,
    pub(in crate::runtime) indexes: &'a mut Indexes,
    pub(in crate::runtime) keys: &'a mut Index,
    pub(in crate::runtime) operations: &'a mut Index,
}

impl Tail<'_> {
    /// Reads the records after the views' snapshots and after the segments of the indexes. It
    /// collects what the ledger must know of them: the last record of every entity changed since,
    /// and the entries that no segment holds. Missing segments are written, so that memory holds no
    /// more entries than in a running node. Personal values erased since then are withheld. Each
    /// frame's link is recomputed. With a spawner, the frames are read and decoded on a thread of
    /// their own.
    ///
    /// # Errors
    /// Returns an error if the tail is damaged or the disk can't be read.
    pub(in crate::runtime) fn read(
        mut self,
        beside: Option<&Spawner>,
    ) -> Result<Recovered, StartError> {
        let covered = self.indexes.covered();
        let first = self.snapshots.min(covered.0).min(covered.1) + 1;
        let mut decoded = decoded(self.reader.clone(), first);
        if let Some(spawner) = beside {
            let (sender, receiver) = sync_channel(DECODED_AHEAD);
            std::thread::scope(|scope| {
                let decode = move || {
                    threads::pulse();
                    // Decoding ends early if the receiver is gone.
                    let _ = decoded.try_for_each(|frames| sender.send(frames));
                };
                let decoding = spawner.start_scoped(scope, ThreadName::Recovery, decode);
                let decoding = decoding.map_err(StartError::NoThread)?;
                receiver
                    .into_iter()
                    .try_for_each(|frames| self.take(frames?, covered))?;
                match decoding.join() {
                    Ok(Some(())) => Ok(()),
                    _ => Err(StartError::Thread(
                        "the journal's tail was not read to its end: the thread that reads it panicked"
                            .to_owned(),
                    )),
                }
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

/// Returns the durable records from `first` on, with their frames.
fn decoded(reader: Reader, first: u64) -> impl Iterator<Item = Result<Decoded, StartError>> + Send {
    let mut next = first;
    std::iter::from_fn(move || {
        if next > reader.durable() {
            return None;
        }
        let decoded = decode_from(&reader, next);
        // The reading ends at frames that can't be read.
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
        let wanted = frame.iter().filter(|(sequence, _)| *sequence >= next);
        let records = wanted.map(|(sequence, bytes)| {
            decode_record(bytes)
                .map_err(|error| StartError::Damaged(format!("record {sequence}: {error}")))
        });
        decoded.push((records.collect::<Result<_, _>>()?, frame));
    }
    Ok(decoded)
}

/// Refuses views that know records which the journal doesn't contain, or that belong to another
/// history: the journal was cut short or replaced.
///
/// # Errors
/// Returns an error if the views and the journal don't match.
pub(in crate::runtime) fn check_views(
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
