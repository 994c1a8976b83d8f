//! The committer, the journal's only writer. It takes all queued records, packs them into linked
//! frames, writes and syncs them as one entry of the write-ahead log, then advances the watermark.
//! Personal fields and large commits go directly to the segment. After any error it writes nothing
//! more.

use crate::error::Error;
use crate::journal::checkpointer::CheckpointSignal;
use crate::journal::clean_mark;
use crate::journal::options::Options;
use crate::journal::queue::Queue;
use crate::journal::shelf::Shelf;
use crate::journal::watermark::Watermark;
use crate::journal::withheld::Withheld;
use crate::segments::chunk::Chunk;
use crate::segments::frame::{Frame, Packer};
use crate::segments::head::Head;
use crate::segments::segment::{Header, Segment};
use crate::segments::wal::WriteAheadLog;
use crate::threads;
use std::sync::Arc;
use std::time::Duration;

/// The largest commit that goes to the log, in bytes. A larger one goes directly to the segment:
/// the fixed cost of a transaction is then small in comparison, and the bytes are written once
/// instead of twice.
const LOGGED_BYTES_MAX: usize = 256 * 1024;

/// The number of checkpoints per pass over the whole log.
const CHECKPOINTS_A_LOG: u64 = 16;

/// Makes queued records durable. A thread runs [`Committer::run`]; a simulation calls
/// [`Committer::run_pending`] from a task.
#[derive(Debug)]
pub struct Committer {
    shelf: Arc<Shelf>,
    live: Arc<Segment>,
    log: WriteAheadLog,
    checkpoint_signal: Arc<CheckpointSignal>,
    queue: Arc<Queue>,
    watermark: Arc<Watermark>,
    withheld: Arc<Withheld>,
    options: Options,
    head: Head,
    /// The last sequence that the live segment's file held at the last check.
    checkpointed: u64,
    failed: bool,
}

/// The parts of the journal that a committer writes to and notifies.
#[derive(Debug)]
pub(crate) struct CommitterParts {
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) live: Arc<Segment>,
    pub(crate) log: WriteAheadLog,
    pub(crate) checkpoint_signal: Arc<CheckpointSignal>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) watermark: Arc<Watermark>,
    pub(crate) withheld: Arc<Withheld>,
}

impl Committer {
    pub(crate) fn new(parts: CommitterParts, options: Options, head: Head) -> Committer {
        Committer {
            shelf: parts.shelf,
            live: parts.live,
            log: parts.log,
            checkpoint_signal: parts.checkpoint_signal,
            queue: parts.queue,
            watermark: parts.watermark,
            withheld: parts.withheld,
            options,
            head,
            checkpointed: head.sequence,
            failed: false,
        }
    }

    /// Returns the head of the durable journal.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Commits all queued records with one write, one sync and one move of the watermark. Returns
    /// the new head, or `None` if nothing was queued. Seals the live segment if the
    /// [`crate::Eraser`] asked for it.
    ///
    /// # Errors
    /// Returns [`Error::NotContiguous`] if a chunk does not follow the journal's last record, or
    /// the disk's error. It is then unknown whether the records are durable. Every later call
    /// returns [`Error::Stopped`], and the process has to end.
    pub fn run_pending(&mut self) -> Result<Option<Head>, Error> {
        if self.failed || self.live.stopped() {
            return Err(Error::Stopped);
        }
        let (chunks, seal) = (self.queue.take(), self.queue.take_seal());
        if chunks.is_empty() && seal.is_none() {
            return Ok(None);
        }
        let committed = self.commit(&chunks).and_then(|head| {
            if let Some(sequence) = seal {
                self.seal_past(sequence)?;
            }
            Ok(head)
        });
        if committed.is_err() {
            self.fail();
        }
        let head = committed?;
        Ok((!chunks.is_empty()).then_some(head))
    }

    /// Commits until the queue is closed and empty, then ends cleanly.
    ///
    /// # Errors
    /// Returns the errors of [`Committer::run_pending`] and [`Committer::finish`].
    pub fn run(mut self) -> Result<Head, Error> {
        while self.queue.wait_filled() {
            threads::pulse();
            self.run_pending()?;
        }
        self.finish()
    }

    /// Commits the records that are still queued, closes the journal and writes the clean-shutdown
    /// mark.
    ///
    /// # Errors
    /// Returns the errors of [`Committer::run_pending`], or the disk's error. The mark is then not
    /// written.
    pub fn finish(mut self) -> Result<Head, Error> {
        self.queue.close();
        self.run_pending()?;
        self.live.checkpoint(&[], std::iter::empty())?;
        self.shelf.close_live(|| Ok(None))?;
        clean_mark::leave(self.shelf.disk(), &self.head)?;
        Ok(self.head)
    }

    fn commit(&mut self, chunks: &[Chunk]) -> Result<Head, Error> {
        let mut packer = Packer::new(self.head.link, self.options.frame_bytes_max);
        let mut expected = self.head.sequence + 1;
        for chunk in chunks {
            if chunk.first_sequence() != expected {
                let found = chunk.first_sequence();
                return Err(Error::NotContiguous { expected, found });
            }
            expected = chunk.next_sequence();
            packer.add(chunk)?;
        }
        let frames = packer.finish();
        let Some(last) = frames.last() else {
            return Ok(self.head);
        };
        let head = Head::after(last);
        let written = frames.iter().map(Frame::bytes_len).sum();
        let started = (self.options.nanos)();
        self.write(frames, written, chunks)?;
        let took = (self.options.nanos)().saturating_sub(started);

        let bytes: usize = chunks.iter().map(Chunk::bytes).sum();
        let records = (head.sequence - self.head.sequence) as usize;
        self.head = head;
        self.queue.committed(bytes as u64, records as u64);
        // The rows are withheld before the watermark moves: a reader that sees these records must
        // not see a withheld row.
        let withheld = chunks.iter().flat_map(|chunk| chunk.withheld());
        let advance = || self.watermark.advance(head.sequence);
        self.withheld.add_and(withheld.copied(), advance);
        let duration = Duration::from_nanos(took);
        let observer = &self.options.observer;
        observer.committed(head.sequence, records, written, duration);
        self.seal_if_full()?;
        Ok(head)
    }

    /// Makes the frames and the personal fields of their chunks durable. `bytes` is the size of all
    /// frames.
    fn write(&mut self, frames: Vec<Frame>, bytes: usize, chunks: &[Chunk]) -> Result<(), Error> {
        let is_logged = bytes <= LOGGED_BYTES_MAX
            && chunks.iter().all(|chunk| chunk.personal().is_empty())
            && self.log.takes(&frames);
        if !is_logged {
            // Personal fields never go to the log, because they would stay there until they are
            // overwritten.
            let personal = chunks.iter().flat_map(|chunk| chunk.personal());
            let personal = personal.map(|(sequence, bytes)| (*sequence, &bytes[..]));
            return self.live.checkpoint(&frames, personal);
        }
        let checkpointed = self.live.checkpointed(self.head.sequence);
        if !self.log.has_room(&frames, checkpointed) {
            self.live.checkpoint(&[], std::iter::empty())?;
            // The segment now holds everything, so the log has room for any entry that it takes.
            self.log.has_room(&frames, self.head.sequence);
        }
        self.log.append(&frames)?;
        if self.live.keep(frames) as u64 >= self.log.len() / CHECKPOINTS_A_LOG {
            self.checkpoint_signal.request();
        }
        Ok(())
    }

    /// Starts the next segment if the live one has reached its size.
    fn seal_if_full(&mut self) -> Result<(), Error> {
        let checkpointed = self.live.checkpointed(self.head.sequence);
        if std::mem::replace(&mut self.checkpointed, checkpointed) == checkpointed {
            // The file has not grown since the last check.
            return Ok(());
        }
        if self.live.allocated_bytes()? < self.options.segment_bytes_max {
            return Ok(());
        }
        self.seal("full")
    }

    /// Starts the next segment if the live one holds record `sequence`.
    fn seal_past(&mut self, sequence: u64) -> Result<(), Error> {
        let first = self.live.header.first_sequence;
        if (first..=self.head.sequence).contains(&sequence) {
            return self.seal("to be rewritten");
        }
        Ok(())
    }

    /// Closes the live segment and starts the next one.
    fn seal(&mut self, reason: &str) -> Result<(), Error> {
        self.live.checkpoint(&[], std::iter::empty())?;
        let header = Header {
            first_sequence: self.head.sequence + 1,
            previous_link: self.head.link,
            created_micros: self.head.time_micros,
            ..self.live.header.clone()
        };
        let cache_bytes = self.options.live_cache_bytes;
        let next = || Segment::create(self.shelf.disk(), header, cache_bytes).map(Some);
        if let Some(next) = self.shelf.close_live(next)? {
            tracing::info!(segment = %next.name, reason, "a journal segment is sealed, the next one begins");
            self.live = next;
        }
        Ok(())
    }

    fn fail(&mut self) {
        self.failed = true;
        self.live.stop();
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.checkpoint_signal.close();
    }
}

#[cfg(test)]
#[cfg(not(florin_loom))]
mod tests {
    use super::*;
    use crate::disk::interface::Disk;
    use crate::disk::simulated::SimulatedDisk;
    use crate::journal::open::Journal;

    fn chunk(first: u64, records: u64) -> Chunk {
        let mut chunk = Chunk::new(first, 10);
        for _ in 0..records {
            chunk.begin().push(1);
            chunk.end(1, None).unwrap();
        }
        chunk
    }

    #[test]
    fn the_live_segment_is_sealed_only_for_a_record_that_it_holds() {
        let disk = SimulatedDisk::new();
        let options = Options::new([9; 16]);
        let opened = Journal::open(Arc::new(disk.clone()), options, 0).unwrap();
        let (queue, mut committer) = (opened.queue, opened.committer);
        let mut segments_after = |chunk: Option<Chunk>, sealed: u64| {
            chunk.into_iter().for_each(|chunk| queue.push(chunk));
            queue.seal(sealed);
            let ios = disk.io_count();
            committer.run_pending().unwrap();
            let names = disk.list("journal").unwrap();
            let segments = names.iter().filter(|name| name.ends_with(".redb"));
            (segments.count(), disk.io_count() > ios)
        };
        // Nothing is sealed for a record that does not exist yet.
        assert_eq!(segments_after(None, 1), (1, false));
        assert_eq!(segments_after(Some(chunk(1, 3)), 4), (1, true));
        assert_eq!(segments_after(None, 2), (2, true));
        // The request came too late, when the segment was already sealed: the live segment is
        // empty, or holds other records.
        assert_eq!(segments_after(None, 2), (2, false));
        assert_eq!(segments_after(Some(chunk(4, 1)), 3), (2, true));
        assert_eq!(segments_after(Some(chunk(5, 1)), 5), (3, true));
    }
}
