//! The order of records: this module assigns sequences and times, and fills the chunk that goes to
//! the journal once per tick.

use std::cell::RefCell;
use std::sync::Arc;

use florin_storage::{Chunk, Error, Queue};
use tokio::sync::{Notify, watch};

use crate::entities::Stamp;
use crate::record::Record;
use crate::record_codec::{encode_personal, encode_record};
use crate::words::{PersonalRow, Timestamp};

/// The number of records at which a chunk is sent without waiting for the end of the tick.
const CHUNK_RECORDS_MAX: usize = 256;

/// Assigns sequences and times, and collects records for the journal.
#[derive(Debug)]
pub struct Sequencer {
    queue: Arc<Queue>,
    chunk: Chunk,
    last_time: Timestamp,
    last_unmoving: watch::Sender<u64>,
}

impl Sequencer {
    /// Creates a sequencer that continues after the record with the stamp `last`.
    pub fn new(queue: Arc<Queue>, last: Stamp, record_bytes_max: usize) -> Self {
        Self {
            queue,
            chunk: Chunk::new(last.sequence + 1, record_bytes_max),
            last_time: last.time,
            last_unmoving: watch::Sender::new(last.sequence),
        }
    }

    /// Returns a receiver of the last record that moved no money. Until the first one since the
    /// start, the value is the last record before the start. It is updated before the record is
    /// durable, so a record in the journal that is later than this value is known to have moved
    /// money, without reading it.
    pub fn last_unmoving(&self) -> watch::Receiver<u64> {
        self.last_unmoving.subscribe()
    }

    /// Returns the sequence and time of the next record. Its time is never before the last
    /// record's.
    pub fn stamp(&self, now: Timestamp) -> Stamp {
        Stamp {
            sequence: self.chunk.next_sequence(),
            time: now.max(self.last_time),
        }
    }

    /// Appends the record that was stamped last. Returns whether it is the first one of its chunk;
    /// if so, the caller must make sure that [`Sequencer::flush`] is called.
    ///
    /// # Errors
    /// Returns an error if the record is larger than its limit; nothing was appended then.
    pub fn append(
        &mut self,
        record: &Record,
        personal: Option<&PersonalRow>,
    ) -> Result<bool, Error> {
        let personal = personal.map(encode_personal).transpose()?;
        encode_record(record, self.chunk.begin())?;
        self.chunk.end(record.time.as_micros(), personal)?;
        for beside in record.erased() {
            self.chunk.withhold(beside);
        }
        self.last_time = record.time;
        if !record.command.moves_money() {
            self.last_unmoving
                .send_replace(self.chunk.next_sequence() - 1);
        }
        if self.chunk.records() >= CHUNK_RECORDS_MAX {
            self.flush();
            return Ok(false);
        }
        Ok(self.chunk.records() == 1)
    }

    /// Hands the appended records to the journal's queue.
    pub fn flush(&mut self) {
        if !self.chunk.is_empty() {
            let next = self.chunk.next();
            self.queue.push(std::mem::replace(&mut self.chunk, next));
        }
    }
}

/// The way of records into the journal: it gives each record its order, and hands the records to
/// the journal once per tick.
#[derive(Debug)]
pub struct Writer {
    sequencer: RefCell<Sequencer>,
    chunk_begun: Notify,
}

impl Writer {
    /// Creates a writer that gives records their order by `sequencer`.
    pub fn new(sequencer: Sequencer) -> Self {
        Self {
            sequencer: RefCell::new(sequencer),
            chunk_begun: Notify::new(),
        }
    }

    /// Returns the sequence and time of the next record. Its time is never before the last
    /// record's.
    pub fn stamp(&self, now: Timestamp) -> Stamp {
        self.sequencer.borrow().stamp(now)
    }

    /// Appends the record that was stamped last.
    ///
    /// # Errors
    /// Returns an error if the record is larger than its limit; nothing was appended then.
    pub fn append(&self, record: &Record, personal: Option<&PersonalRow>) -> Result<(), Error> {
        if self.sequencer.borrow_mut().append(record, personal)? {
            self.chunk_begun.notify_one();
        }
        Ok(())
    }

    /// Hands the appended records to the journal.
    pub fn flush(&self) {
        self.sequencer.borrow_mut().flush();
    }

    /// Hands the appended records to the journal once per tick, forever: after all tasks that were
    /// ready when the first record was appended.
    pub async fn flush_each_tick(&self) {
        loop {
            self.chunk_begun.notified().await;
            self.flush();
        }
    }

    /// Returns a receiver of the last record that moved no money; see
    /// [`Sequencer::last_unmoving`].
    pub fn last_unmoving(&self) -> watch::Receiver<u64> {
        self.sequencer.borrow().last_unmoving()
    }
}
