//! Opening a journal: finds the segments, discards cached content that may not be on the disk,
//! checks the tail, and returns the journal's parts. Damage is reported and never repaired.

use crate::disk::interface::Disk;
use crate::error::Error;
use crate::journal::checkpointer::{CheckpointSignal, Checkpointer};
use crate::journal::clean_mark;
use crate::journal::committer::{Committer, CommitterParts};
use crate::journal::damages::Damages;
use crate::journal::eraser::Eraser;
use crate::journal::folder::{survey, sync_folder};
use crate::journal::options::Options;
use crate::journal::queue::Queue;
use crate::journal::reader::Reader;
use crate::journal::shelf::Shelf;
use crate::journal::watermark::Watermark;
use crate::journal::withheld::Withheld;
use crate::segments::chain::{check_continues, check_genesis, genesis_link};
use crate::segments::frame::Link;
use crate::segments::head::Head;
use crate::segments::segment::{FOLDER, Header, Segment, segment_name};
use crate::segments::wal::{WAL, WAL_BYTES, WriteAheadLog};
use std::io;
use std::sync::Arc;

/// The number of shards over which the ids of a journal are spread. It is part of the journal's
/// identity.
const SHARD_COUNT: u16 = 256;

/// The journal. See [`Journal::open`].
#[derive(Debug)]
pub struct Journal;

/// The parts of an open journal.
#[derive(Debug)]
pub struct Opened {
    /// Writes the queued records; belongs to one thread or task.
    pub committer: Committer,
    /// Writes the log's content into the segment; belongs to one thread or task, or is dropped.
    pub checkpointer: Checkpointer,
    /// The queue of records to write.
    pub queue: Arc<Queue>,
    /// Tells how far the journal is durable.
    pub watermark: Arc<Watermark>,
    /// Reads the durable records.
    pub reader: Reader,
    /// Removes personal fields permanently; belongs to one thread or task.
    pub eraser: Eraser,
    /// The journal's head after opening.
    pub head: Head,
    /// Whether the last run ended cleanly.
    pub clean_start: bool,
    /// The journal's identity. It is the one of the options only if the journal was just created.
    pub journal_id: [u8; 16],
}

impl Journal {
    /// Opens the journal on `disk`, or creates an empty one there. `now_micros` (microseconds since
    /// 1970) is noted in a new segment.
    ///
    /// Without the clean-shutdown mark, the last segment and the log are first synced and dropped
    /// from the page cache, so that only the disk's content is served. A torn last commit was never
    /// acknowledged and is dropped. Log entries that are not in the segment yet are written to it.
    ///
    /// # Errors
    /// Returns [`Error::Damaged`] for any other difference from what was written,
    /// [`Error::Setting`] for an option out of range, and [`Error::Io`] or [`Error::Store`] for an
    /// error of the disk.
    pub fn open(disk: Arc<dyn Disk>, options: Options, now_micros: i64) -> Result<Opened, Error> {
        options.check()?;
        let (firsts, leftovers) = survey(disk.as_ref())?;
        for leftover in leftovers {
            disk.remove(&leftover)
                .map_err(|source| Error::io(&leftover, source))?;
        }
        let mark = clean_mark::read(disk.as_ref())?;
        if mark.is_none() {
            sync_folder(disk.as_ref())?;
        }
        let last = firsts.last().copied();
        let shelf = Arc::new(Shelf::new(
            disk.clone(),
            options.sealed_cache_bytes,
            options.sealed_open_max,
            firsts,
            Damages::new(options.damage_observer.clone()),
        ));
        let (live, head, log) = match last {
            None => {
                if let Some(mark) = &mark {
                    let what = "the last run ended here, there is no segment";
                    return Err(Error::damaged(FOLDER, mark.sequence, what));
                }
                if let Some(first) = WriteAheadLog::first_record(disk.as_ref())? {
                    let what = "the log has records, there is no segment";
                    return Err(Error::damaged(FOLDER, first, what));
                }
                // The log is created first, because a journal without a log counts as having lost
                // it.
                let wal_bytes = options.wal_bytes.unwrap_or(WAL_BYTES);
                let log = WriteAheadLog::create(disk.as_ref(), &options.journal_id, wal_bytes)?;
                let live = create_first(&shelf, &options, now_micros)?;
                let head = recover_head(&shelf, &live)?;
                (live, head, log)
            }
            Some(first) => {
                if mark.is_none() {
                    forget_cached(disk.as_ref(), &segment_name(first))?;
                    forget_cached(disk.as_ref(), WAL)?;
                }
                let live = Segment::open_live(disk.as_ref(), first, options.live_cache_bytes)?;
                let head = recover_head(&shelf, &live)?;
                let (log, head) = recover_log(disk.as_ref(), &live, head, mark.as_ref(), &options)?;
                (live, head, log)
            }
        };
        let live = Arc::new(live);
        if mark.is_some() {
            clean_mark::remove(disk.as_ref())?;
        }
        shelf.set_live(live.clone());
        let journal_id = live.header.journal_id;
        let queue = Arc::new(Queue::new());
        let watermark = Arc::new(Watermark::new(head.sequence));
        let frames_cached_max = options.frames_cached_max;
        let withheld = Arc::new(Withheld::default());
        let reader = Reader::new(
            shelf.clone(),
            watermark.clone(),
            withheld.clone(),
            frames_cached_max,
        );
        let eraser = Eraser::new(shelf.clone(), queue.clone(), withheld.clone());
        let checkpoint_signal = Arc::new(CheckpointSignal::default());
        let checkpointer = Checkpointer::new(shelf.clone(), checkpoint_signal.clone());
        let parts = CommitterParts {
            shelf,
            live,
            log,
            checkpoint_signal,
            queue: queue.clone(),
            watermark: watermark.clone(),
            withheld,
        };
        let committer = Committer::new(parts, options, head);
        Ok(Opened {
            committer,
            checkpointer,
            queue,
            watermark,
            reader,
            eraser,
            head,
            clean_start: mark.is_some(),
            journal_id,
        })
    }
}

fn create_first(shelf: &Shelf, options: &Options, now_micros: i64) -> Result<Segment, Error> {
    let header = Header {
        journal_id: options.journal_id,
        shard_count: SHARD_COUNT,
        first_sequence: 1,
        previous_link: genesis_link(&options.journal_id),
        created_micros: now_micros,
    };
    Segment::create(shelf.disk(), header, options.live_cache_bytes)
}

/// Makes the next read of a file return the disk's content.
fn forget_cached(disk: &dyn Disk, name: &str) -> Result<(), Error> {
    match disk.forget_cached(name) {
        // A missing file is no error here; the caller decides whether it may be missing.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done.map_err(|source| Error::io(name, source)),
    }
}

/// Opens the log of a journal whose last segment is `live` and ends at `head`. Returns the log, and
/// the journal's head once the segment has the entries that only the log had. Nothing is written if
/// the head differs from the clean-shutdown mark.
fn recover_log(
    disk: &dyn Disk,
    live: &Segment,
    head: Head,
    mark: Option<&Head>,
    options: &Options,
) -> Result<(WriteAheadLog, Head), Error> {
    let journal_id = &live.header.journal_id;
    let wanted = options.wal_bytes;
    let opened = WriteAheadLog::open(disk, journal_id, &head)?;
    let last = opened.as_ref().and_then(|(_, frames)| frames.last());
    let end = last.map_or(head, Head::after);
    if let Some(mark) = mark {
        clean_mark::check(mark, &end)?;
    }
    let Some((log, frames)) = opened else {
        // This holds after a clean shutdown too, when the segment has everything: if one file was
        // lost, others may be lost as well.
        let what = "it is missing, and with it perhaps what was acknowledged last";
        return Err(Error::damaged(WAL, end.sequence + 1, what));
    };
    live.checkpoint(&frames, std::iter::empty())?;
    match wanted {
        // The segment holds everything now.
        Some(bytes) if !log.is_of(bytes) => {
            Ok((WriteAheadLog::create(disk, journal_id, bytes)?, end))
        }
        _ => Ok((log, end)),
    }
}

/// Returns the head of a journal whose last segment is `live`. Every segment must exist and
/// continue the one before it, and the first one must begin with the journal's first record. Of
/// each segment only the header and the last frames are read.
fn recover_head(shelf: &Shelf, live: &Segment) -> Result<Head, Error> {
    let first = shelf.first().unwrap_or(live.header.first_sequence);
    if first != 1 {
        let what = "it is missing: the journal begins with it";
        return Err(Error::damaged(&segment_name(1), 1, what));
    }
    let mut before: Option<(Header, Head)> = None;
    let live_first = live.header.first_sequence;
    let sealed = shelf.firsts_up_to(live_first).into_iter();
    for first in sealed.filter(|first| *first < live_first) {
        let segment = shelf.segment(first)?;
        let end = link_segment(&segment, before.as_ref())?;
        before = Some((segment.header.clone(), end));
    }
    let end = link_segment(live, before.as_ref())?;
    Ok(match before {
        // The live segment has no record yet.
        Some((_, before)) if end.sequence < live_first => before,
        _ => end,
    })
}

/// Returns the head at the end of a segment, which must continue the one before it.
fn link_segment(segment: &Segment, before: Option<&(Header, Head)>) -> Result<Head, Error> {
    match before {
        Some((earlier, end)) => check_continues(&segment.name, &segment.header, earlier, end)?,
        None => check_genesis(segment)?,
    }
    tail(segment)
}

/// Returns the head at the end of a segment. Its last frame and the link to the frame before are
/// checked.
fn tail(segment: &Segment) -> Result<Head, Error> {
    let name = &segment.name;
    let header = &segment.header;
    let tail = segment.read(|tables| {
        let Some(last) = tables.last()? else {
            return Ok(Head {
                sequence: header.first_sequence - 1,
                time_micros: 0,
                link: header.previous_link,
            });
        };
        let first = last.first_sequence;
        let (sequence, link): (u64, Link) = if first == header.first_sequence {
            (first - 1, header.previous_link)
        } else {
            let before = tables
                .frame_at(first.saturating_sub(1))?
                .ok_or_else(|| Error::damaged(name, first, "the frames before it are missing"))?;
            (before.last_sequence, before.link)
        };
        if sequence.checked_add(1) != Some(first) {
            let what = format!("the frame before it ends at {sequence}");
            return Err(Error::damaged(name, first, what));
        }
        if link != last.previous_link {
            let what = "it is not linked to the frame before it";
            return Err(Error::damaged(name, first, what));
        }
        Ok(Head::after(&last))
    })?;
    tail.ok_or(Error::Stopped)
}
