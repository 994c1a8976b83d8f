//! Long work on the segments of an index, cut into short steps: merging segments into one, and
//! rebuilding a damaged segment from the journal. No request waits for it. Until it is done, the
//! segments that it replaces stay in use, and after a crash at any moment one complete set of
//! segments is on disk.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use florin_storage::threads::{self, Spawner, ThreadName};
use florin_storage::{Disk, Extent, Reader, SegmentWriter, SortedSegment};

use super::index_segments::{IndexKind, Piece, Replacement, write};
use super::pace::Pace;
use crate::base::{Clock, key_hash, operation_entry};
use crate::record_codec::decode_record;

/// The number of blocks, of 170 entries each, that are read at a time from each segment.
const READ_BLOCKS: u64 = 64;
/// The number of entries merged in a step.
const STEP_ENTRIES: usize = 16 * 1024;
/// The number of bytes of frames read in a step.
const SCAN_BYTES: usize = 1024 * 1024;

/// A job: one merge or rebuild, done step by step.
#[derive(Debug)]
pub(super) struct Job {
    disk: Arc<dyn Disk>,
    kind: IndexKind,
    of: Range<usize>,
    work: Work,
}

#[derive(Debug)]
enum Work {
    Merge(Merge),
    Rebuild(Rebuild),
}

impl Job {
    /// Creates a job that merges the neighbours in the range `of` into one segment.
    pub(super) fn merge(
        disk: Arc<dyn Disk>,
        kind: IndexKind,
        of: Range<usize>,
        pieces: Vec<Piece>,
    ) -> Self {
        let work = Work::Merge(Merge {
            sources: pieces.into_iter().map(Source::new).collect(),
            writer: None,
        });
        Self {
            disk,
            kind,
            of,
            work,
        }
    }

    /// Creates a job that rebuilds the segment at `place` as segments of about `entries_max`
    /// entries each.
    pub(super) fn rebuild(
        disk: Arc<dyn Disk>,
        kind: IndexKind,
        place: usize,
        extent: Extent,
        entries_max: usize,
        reader: Reader,
    ) -> Self {
        let work = Work::Rebuild(Rebuild {
            reader,
            last: extent.covers.1,
            entries_max,
            next: extent.covers.0,
            first: extent.covers.0,
            since: extent.times.0,
            entries: Vec::new(),
            pieces: Vec::new(),
        });
        Self {
            disk,
            kind,
            of: place..place + 1,
            work,
        }
    }

    /// Returns the index on which the job works.
    pub(super) const fn kind(&self) -> IndexKind {
        self.kind
    }

    /// Does one step. Returns the result when the job is done.
    pub(super) fn step(&mut self) -> io::Result<Option<Replacement>> {
        let disk = self.disk.as_ref();
        let pieces = match &mut self.work {
            Work::Merge(merge) => merge.step(disk, self.kind)?,
            Work::Rebuild(rebuild) => rebuild.step(disk, self.kind)?,
        };
        Ok(pieces.map(|pieces| Replacement {
            of: self.of.clone(),
            pieces,
        }))
    }

    /// Does the whole job. `pause` is called after every step.
    pub(super) fn run(
        &mut self,
        stop: &AtomicBool,
        pause: &mut dyn FnMut(),
    ) -> io::Result<Replacement> {
        loop {
            if stop.load(Ordering::Acquire) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            if let Some(done) = self.step()? {
                return Ok(done);
            }
            pause();
        }
    }
}

#[derive(Debug)]
struct Merge {
    sources: Vec<Source>,
    writer: Option<SegmentWriter>,
}

/// A cursor over a segment, from its start to its end.
#[derive(Debug)]
struct Source {
    piece: Piece,
    next_block: u64,
    entries: std::vec::IntoIter<(u128, u64)>,
}

impl Source {
    fn new(piece: Piece) -> Self {
        Self {
            piece,
            next_block: 0,
            entries: Vec::new().into_iter(),
        }
    }

    /// Returns the next entry without consuming it.
    fn peek(&mut self) -> io::Result<Option<(u128, u64)>> {
        if self.entries.len() == 0 && self.next_block < self.piece.segment.blocks() {
            let read = self
                .piece
                .segment
                .read_blocks(self.next_block, READ_BLOCKS)?;
            self.next_block += READ_BLOCKS;
            self.entries = read.into_iter();
        }
        Ok(self.entries.as_slice().first().copied())
    }
}

impl Merge {
    fn step(&mut self, disk: &dyn Disk, kind: IndexKind) -> io::Result<Option<Vec<Piece>>> {
        let extent = self.extent();
        let file = kind.file(extent.covers.1);
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => {
                let begun = SegmentWriter::create(disk, &file, extent, kind.has_filters())?;
                none.insert(begun)
            }
        };
        for _ in 0..STEP_ENTRIES {
            let mut least: Option<((u128, u64), usize)> = None;
            for (place, source) in self.sources.iter_mut().enumerate() {
                if let Some(entry) = source.peek()?
                    && least.is_none_or(|(known, _)| entry < known)
                {
                    least = Some((entry, place));
                }
            }
            let Some((entry, place)) = least else {
                if let Some(writer) = self.writer.take() {
                    writer.finish(disk)?;
                }
                let segment = Arc::new(SortedSegment::open(disk, &file)?);
                return Ok(Some(vec![Piece { file, segment }]));
            };
            writer.push(entry)?;
            self.sources[place].entries.next();
        }
        Ok(None)
    }

    fn extent(&self) -> Extent {
        let extents = || self.sources.iter().map(|source| &source.piece.segment);
        let of_entries = || {
            let filled = extents().filter(|segment| !segment.is_empty());
            filled.map(|segment| segment.extent().times)
        };
        // Empty segments have no entries whose age could matter.
        let newest = extents().map(|segment| segment.extent().times.1).max();
        let times = (
            of_entries().map(|times| times.0).min().or(newest),
            of_entries().map(|times| times.1).max().or(newest),
        );
        Extent {
            covers: (
                extents()
                    .map(|segment| segment.covers().0)
                    .min()
                    .unwrap_or(1),
                extents()
                    .map(|segment| segment.covers().1)
                    .max()
                    .unwrap_or(0),
            ),
            times: (times.0.unwrap_or(0), times.1.unwrap_or(0)),
        }
    }
}

#[derive(Debug)]
struct Rebuild {
    reader: Reader,
    last: u64,
    entries_max: usize,
    /// The next record to read.
    next: u64,
    /// The first record of the segment that is being collected, and the time before that record.
    first: u64,
    since: i64,
    entries: Vec<(u128, u64)>,
    pieces: Vec<Piece>,
}

impl Rebuild {
    fn step(&mut self, disk: &dyn Disk, kind: IndexKind) -> io::Result<Option<Vec<Piece>>> {
        let frames = self.reader.scan(self.next, SCAN_BYTES);
        let frames = frames.map_err(io::Error::other)?;
        if frames.is_empty() {
            return Err(io::Error::other("its records are not in the journal"));
        }
        for frame in frames {
            let within = self.next..=self.last;
            for (sequence, bytes) in frame.iter().filter(|(at, _)| within.contains(at)) {
                let record = decode_record(bytes).map_err(io::Error::other)?;
                match kind {
                    IndexKind::Operations => {
                        let operations = record.operations().map(operation_entry);
                        self.entries
                            .extend(operations.map(|entry| (entry, sequence)));
                    }
                    IndexKind::Keys => {
                        let keys = record.keys().map(|key| key_hash(&record.caller, key));
                        self.entries.extend(keys.map(|entry| (entry, sequence)));
                    }
                }
            }
            self.next = frame.last_sequence + 1;
            let is_last = frame.last_sequence >= self.last;
            if is_last || self.entries.len() >= self.entries_max {
                let extent = Extent {
                    covers: (self.first, frame.last_sequence.min(self.last)),
                    times: (self.since, frame.last_time),
                };
                let entries = std::mem::take(&mut self.entries);
                // The last segment has the name of the damaged file and so replaces it.
                self.pieces
                    .push(write(disk, kind, entries, extent, &mut || {})?);
                (self.first, self.since) = (extent.covers.1 + 1, frame.last_time);
            }
            if is_last {
                return Ok(Some(std::mem::take(&mut self.pieces)));
            }
        }
        Ok(None)
    }
}

/// The runner of jobs, one at a time.
#[derive(Debug)]
pub struct Crew {
    /// The clock by which the threads rest. Without a clock no threads are started.
    clock: Option<Arc<dyn Clock>>,
    running: Option<Running>,
    spawner: Spawner,
}

#[derive(Debug)]
enum Running {
    Here(Box<Job>),
    Thread {
        thread: JoinHandle<Option<io::Result<Replacement>>>,
        kind: IndexKind,
        stop: Arc<AtomicBool>,
    },
}

impl Crew {
    /// Creates a crew. With a clock it works on threads of its own, which rest by that clock.
    /// Without a clock, in a simulation, each poll does one step.
    pub fn new(clock: Option<Arc<dyn Clock>>) -> Self {
        Self {
            clock,
            running: None,
            spawner: Spawner::default(),
        }
    }

    /// Lets `spawner` start the crew's threads.
    #[must_use]
    pub fn on(mut self, spawner: Spawner) -> Self {
        self.spawner = spawner;
        self
    }

    /// Returns whether no job is under way.
    pub(super) const fn is_idle(&self) -> bool {
        self.running.is_none()
    }

    /// Starts a job.
    ///
    /// # Errors
    /// Returns an error if no thread can be started.
    pub(super) fn begin(&mut self, mut job: Job) -> io::Result<()> {
        let Some(clock) = self.clock.clone() else {
            self.running = Some(Running::Here(Box::new(job)));
            return Ok(());
        };
        let kind = job.kind();
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let thread = self.spawner.start(ThreadName::Index, move || {
            let mut pace = Pace::always(clock);
            threads::pulse();
            let done = job.run(&asked, &mut || pace.rest());
            threads::pulse();
            done
        })?;
        self.running = Some(Running::Thread { thread, kind, stop });
        Ok(())
    }

    /// Returns the result of the job, once it is done.
    pub(super) fn poll(&mut self) -> Option<(IndexKind, io::Result<Replacement>)> {
        match self.running.take()? {
            Running::Here(mut job) => match job.step() {
                Ok(None) => {
                    self.running = Some(Running::Here(job));
                    None
                }
                Ok(Some(done)) => Some((job.kind(), Ok(done))),
                Err(error) => Some((job.kind(), Err(error))),
            },
            Running::Thread { thread, kind, .. } if thread.is_finished() => {
                let done = thread.join().ok().flatten();
                let panicked = || Err(io::Error::other("it panicked"));
                Some((kind, done.unwrap_or_else(panicked)))
            }
            running @ Running::Thread { .. } => {
                self.running = Some(running);
                None
            }
        }
    }

    /// Cancels the job under way and waits until its thread writes no more.
    pub(super) fn stop(&mut self) {
        if let Some(Running::Thread { thread, stop, .. }) = self.running.take() {
            stop.store(true, Ordering::Release);
            // The result of a cancelled job is not used.
            drop(thread.join());
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.stop();
    }
}
