//! The order of records: sequence and time are given here, and the chunk that goes to the journal
//! once a tick is filled here.

use std::sync::Arc;

use florin_storage::{Chunk, Error, Queue};
use tokio::sync::watch;

use crate::entities::Stamp;
use crate::messages::{PersonalRow, Record, Timestamp};
use crate::record_codec::{encode_personal, encode_record};

/// Records in a chunk after which it leaves without waiting for the tick's end.
const CHUNK_RECORDS_MAX: usize = 256;

/// Gives sequences and times, and collects records for the journal.
#[derive(Debug)]
pub struct Sequencer {
    queue: Arc<Queue>,
    chunk: Chunk,
    last_time: Timestamp,
    last_unmoving: watch::Sender<u64>,
}

impl Sequencer {
    /// Goes on after a record.
    pub fn new(queue: Arc<Queue>, last: Stamp, record_bytes_max: usize) -> Self {
        Self {
            queue,
            chunk: Chunk::new(last.sequence + 1, record_bytes_max),
            last_time: last.time,
            last_unmoving: watch::Sender::new(last.sequence),
        }
    }

    /// The last record that moved no money, and before the first such one since the start the last
    /// record before it. It is told before the record is durable: who sees a record in the journal and
    /// an earlier one here knows that it moved money, without reading it.
    pub fn last_unmoving(&self) -> watch::Receiver<u64> {
        self.last_unmoving.subscribe()
    }

    /// The next record's place and time: never before the last one's.
    pub fn stamp(&self, now: Timestamp) -> Stamp {
        Stamp {
            sequence: self.chunk.next_sequence(),
            time: now.max(self.last_time),
        }
    }

    /// Appends the record that was stamped last. Says whether it is the first of its chunk: then
    /// somebody has to see to [`Sequencer::flush`].
    ///
    /// # Errors
    /// A record past its limit; nothing was appended.
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

    /// Hands what was appended to the journal.
    pub fn flush(&mut self) {
        if !self.chunk.is_empty() {
            let next = self.chunk.next();
            self.queue.push(std::mem::replace(&mut self.chunk, next));
        }
    }
}
