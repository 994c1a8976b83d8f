//! Opening a journal: find the segments, trust only what the disk holds, check the tail, and
//! hand out the four ends of it. Damage is named and never mended.

use crate::chain::{check_genesis, genesis_link};
use crate::checkpointer::{Bell, Checkpointer};
use crate::clean_mark;
use crate::committer::{Committer, Ends};
use crate::disk::{Disk, OpenHow};
use crate::eraser::Eraser;
use crate::error::Error;
use crate::frame::Link;
use crate::head::Head;
use crate::options::Options;
use crate::queue::Queue;
use crate::reader::Reader;
use crate::segment::{FOLDER, Header, Segment, segment_name};
use crate::shelf::{Shelf, survey};
use crate::wal::{WAL, WAL_BYTES, WriteAheadLog};
use crate::watermark::Watermark;
use crate::withheld::Withheld;
use std::io;
use std::sync::Arc;

/// Made and removed at a start after an unclean end.
const STARTING: &str = "journal/starting";
/// How many shards the ids of a journal are spread over; part of its identity.
const SHARD_COUNT: u16 = 256;

/// The journal: see [`Journal::open`].
#[derive(Debug)]
pub struct Journal;

/// An open journal's parts.
#[derive(Debug)]
pub struct Opened {
    /// Writes what is queued; belongs to one thread or task.
    pub committer: Committer,
    /// Brings the log's content into the segment; belongs to one thread or task, or is dropped.
    pub checkpointer: Checkpointer,
    /// Takes what is to be written.
    pub queue: Arc<Queue>,
    /// Says how far the journal is durable.
    pub watermark: Arc<Watermark>,
    /// Reads what is durable.
    pub reader: Reader,
    /// Takes personal fields away for good; belongs to one thread or task.
    pub eraser: Eraser,
    /// Where the journal ends now.
    pub head: Head,
    /// Whether the last run ended cleanly.
    pub clean_start: bool,
    /// The journal's identity: that of the options only if it was made new.
    pub journal_id: [u8; 16],
}

impl Journal {
    /// Opens the journal on `disk`, or makes an empty one there. `now_micros` (microseconds
    /// since 1970) is noted in a new segment.
    ///
    /// Without the mark of a clean end, the last segment and the log are synced and dropped from the
    /// page cache first, so that what is served is what the disk holds. A last commit that was torn,
    /// and so never acknowledged, is dropped; what the log has beyond the segment goes there.
    ///
    /// # Errors
    /// [`Error::Damaged`] for anything else that is not as it was written, [`Error::Setting`]
    /// for an option out of range, [`Error::Io`] and [`Error::Store`] for what the disk refuses.
    pub fn open(disk: Arc<dyn Disk>, options: Options, now_micros: i64) -> Result<Opened, Error> {
        options.check()?;
        let (firsts, leftovers) = survey(disk.as_ref())?;
        for leftover in leftovers {
            disk.remove(&leftover)
                .map_err(|source| Error::io(&leftover, source))?;
        }
        let mark = clean_mark::read(disk.as_ref())?;
        if mark.is_none() {
            settle_folder(disk.as_ref())?;
        }
        let last = firsts.last().copied();
        let shelf = Arc::new(Shelf::new(
            disk.clone(),
            options.sealed_cache_bytes,
            options.sealed_open_max,
            firsts,
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
                // First: a journal without a log has lost it.
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
        let bell = Arc::new(Bell::default());
        let checkpointer = Checkpointer::new(shelf.clone(), bell.clone());
        let ends = Ends {
            shelf,
            live,
            log,
            bell,
            queue: queue.clone(),
            watermark: watermark.clone(),
            withheld,
        };
        let committer = Committer::new(ends, options, head);
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

/// Has the next read of a file serve what the disk holds.
fn forget_cached(disk: &dyn Disk, name: &str) -> Result<(), Error> {
    match disk.forget_cached(name) {
        // Whether it may be missing is not to be decided here.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done.map_err(|source| Error::io(name, source)),
    }
}

/// The log of a journal whose last segment is `live` and ends at `head`, and where the journal ends
/// once the segment has what only the log had. Nothing is written where the end isn't what the mark
/// of a clean end tells.
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
        if mark.is_none() {
            let what = "it is missing, and what was acknowledged last with it";
            return Err(Error::damaged(WAL, end.sequence + 1, what));
        }
        let log = WriteAheadLog::create(disk, journal_id, wanted.unwrap_or(WAL_BYTES))?;
        return Ok((log, end));
    };
    live.checkpoint(&frames, std::iter::empty())?;
    match wanted {
        // The segment has everything now.
        Some(bytes) if !log.is_of(bytes) => {
            Ok((WriteAheadLog::create(disk, journal_id, bytes)?, end))
        }
        _ => Ok((log, end)),
    }
}

/// Syncs the folder, by a file made and removed again: an earlier start may have removed the clean
/// mark and died before that was durable, and a mark that came back would speak of an old head.
pub(crate) fn settle_folder(disk: &dyn Disk) -> Result<(), Error> {
    let io = |source| Error::io(STARTING, source);
    disk.open(STARTING, OpenHow::Create).map_err(io)?;
    disk.remove(STARTING).map_err(io)
}

/// The head of a journal whose last segment is `live`, its tail checked.
fn recover_head(shelf: &Shelf, live: &Segment) -> Result<Head, Error> {
    let header = &live.header;
    let before = match header.first_sequence {
        1 => {
            check_genesis(live)?;
            None
        }
        first => {
            let first = shelf.first_at(first - 1).ok_or_else(|| {
                let what = "the segment before it is missing";
                Error::damaged(&live.name, header.first_sequence, what)
            })?;
            Some(shelf.segment(first)?)
        }
    };
    let mut previous = Head {
        sequence: header.first_sequence - 1,
        time_micros: 0,
        link: header.previous_link,
    };
    if let Some(before) = before {
        let end = tail(&before)?;
        let whole = end.sequence == previous.sequence
            && end.link == header.previous_link
            && before.header.journal_id == header.journal_id;
        if !whole {
            let what = format!(
                "it does not continue {}, which ends at {}",
                before.name, end.sequence
            );
            return Err(Error::damaged(&live.name, header.first_sequence, what));
        }
        previous = end;
    }
    let end = tail(live)?;
    Ok(if end.sequence < header.first_sequence {
        previous
    } else {
        end
    })
}

/// Where a segment ends; its last frame and the one before are checked.
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
        if !last.verify() {
            return Err(Error::damaged(
                name,
                first,
                "its link differs from its bytes",
            ));
        }
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
