//! The projector: follows the durable journal and keeps the views.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use florin_storage::{Frame, Reader, Watermark};

use super::Views;
use super::indexes::{Indexes, Segments};
use super::pace::Pace;
use crate::messages::Timestamp;
use crate::record_codec::decode_record;
use crate::runtime::Clock;

/// Bytes of frames read at a time: bounds how long queries wait for the memory.
const SCAN_BYTES: usize = 256 * 1024;
/// How long the projector lets records gather when nobody waits for them.
const GATHER: Duration = Duration::from_millis(10);

/// When the views are written.
#[derive(Debug, Clone, Copy)]
pub struct ProjectorOptions {
    /// After so many records.
    pub flush_records_max: u64,
    /// After so many milliseconds.
    pub flush_millis_max: u64,
    /// States that stay in memory once they are written.
    pub states_kept_max: usize,
    /// Idempotency keys kept in segments; past that the oldest go.
    pub keys_max: u64,
    /// Idempotency keys are kept so many milliseconds.
    pub keys_millis_max: u64,
    /// Bytes that the indexes may take of memory: past that, filters of old segments go.
    pub index_memory_bytes_max: u64,
    /// Each so many records of an entity one is a milestone of its history.
    pub milestone_records: u64,
}

/// Told when the segments of the indexes changed.
pub type Sealed = Box<dyn Fn(Segments) + Send>;

/// Keeps the views; belongs to one thread or task.
pub struct Projector {
    views: Arc<Views>,
    reader: Reader,
    clock: Arc<dyn Clock>,
    options: ProjectorOptions,
    indexes: Indexes,
    sealed: Sealed,
    next: u64,
    link: [u8; 32],
    flushed: u64,
    flushed_nanos: u64,
    pace: Pace,
}

impl std::fmt::Debug for Projector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Projector")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

impl Projector {
    /// A projector that goes on where the slowest of its views stopped.
    pub fn new(
        views: Arc<Views>,
        reader: Reader,
        clock: Arc<dyn Clock>,
        options: ProjectorOptions,
        indexes: Indexes,
        sealed: Sealed,
    ) -> Self {
        let flushed = views.position();
        let (keys, operations) = indexes.covered();
        let next = flushed.min(keys).min(operations) + 1;
        let flushed_nanos = clock.nanos();
        let pace = Pace::until_behind(
            Arc::clone(&clock),
            reader.clone(),
            options.flush_records_max,
        );
        Self {
            views,
            reader,
            clock,
            options,
            indexes,
            sealed,
            next,
            link: [0; 32],
            flushed,
            flushed_nanos,
            pace,
        }
    }

    /// Takes in a part of what is durable. Says whether there is more.
    ///
    /// # Errors
    /// What can't be read or written, as a sentence: the views stop there.
    pub fn step(&mut self) -> Result<bool, String> {
        if self.views.damaged.load(Ordering::Acquire) {
            self.begin_anew()?;
        }
        match self.advance() {
            // The next step makes them anew.
            Err(_) if self.views.damaged.load(Ordering::Acquire) => Ok(true),
            advanced => advanced,
        }
    }

    /// The views turned out to be damaged: they are made anew from the first record on.
    fn begin_anew(&mut self) -> Result<(), String> {
        tracing::error!(
            position = self.views.position(),
            "the views are damaged and are made anew from the journal"
        );
        let begun = self.views.begin_anew();
        begun.map_err(|error| error.to_string())?;
        self.indexes.forget_taken();
        (self.next, self.flushed) = (1, 0);
        Ok(())
    }

    fn advance(&mut self) -> Result<bool, String> {
        let frames = if self.next <= self.reader.durable() {
            self.reader
                .scan(self.next, SCAN_BYTES)
                .map_err(|error| error.to_string())?
        } else {
            Vec::new()
        };
        if !frames.is_empty() {
            self.take(&frames)?;
        }
        if self.is_flush_due() {
            self.flush()?;
        }
        let nanos = self.clock.nanos();
        let tended = self.indexes.tend(nanos);
        if tended.map_err(|error| error.to_string())? {
            (self.sealed)(self.indexes.segments());
        }
        Ok(self.next <= self.reader.durable())
    }

    /// Writes what was taken in.
    ///
    /// # Errors
    /// What can't be written, as a sentence.
    pub fn flush(&mut self) -> Result<(), String> {
        self.flushed_nanos = self.clock.nanos();
        self.pace.begin(self.next - 1);
        let views = Arc::clone(&self.views);
        {
            // Only this thread changes the memory: readers go on while it is written.
            let memory = views.memory.read().unwrap_or_else(PoisonError::into_inner);
            if memory.sequence == self.flushed {
                return Ok(());
            }
            memory
                .write(self.link, &mut || self.pace.breathe())
                .map_err(|error| views.fault(error))?;
            self.flushed = memory.sequence;
        }
        views
            .memory
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .written(self.options.states_kept_max);
        views.written.store(self.flushed, Ordering::Release);
        Ok(())
    }

    /// Follows the journal on a thread of its own until `stop` says so, then writes everything.
    pub fn run(mut self, watermark: &Watermark, stop: &std::sync::atomic::AtomicBool) {
        // Set once: this thread is the only projector.
        drop(self.views.projector.set(std::thread::current()));
        loop {
            match self.step() {
                Ok(true) => continue,
                Ok(false) => {}
                Err(fault) => return self.stop(&fault),
            }
            if stop.load(Ordering::Acquire) {
                self.indexes.stop();
                self.pace.hurry();
                if let Err(fault) = self.flush() {
                    self.stop(&fault);
                }
                return;
            }
            std::thread::park_timeout(GATHER);
            if watermark.durable() < self.next {
                watermark.wait_past(self.next - 1, 5 * GATHER);
            }
        }
    }

    /// Notes that the views stopped.
    pub fn stop(&self, fault: &str) {
        tracing::error!(
            fault,
            position = self.next - 1,
            "the views stopped; lists are stale until a restart"
        );
        self.views.stopped();
    }

    fn take(&mut self, frames: &[Frame]) -> Result<(), String> {
        let views = Arc::clone(&self.views);
        let mut memory = views.memory.write().unwrap_or_else(PoisonError::into_inner);
        let read = memory.store.read().map_err(|error| views.fault(error))?;
        let mut time = Timestamp::default();
        for frame in frames {
            let unread = frame.iter().filter(|(sequence, _)| *sequence >= self.next);
            let records = unread.map(|(sequence, bytes)| {
                decode_record(bytes).map_err(|error| format!("record {sequence}: {error}"))
            });
            let records: Vec<_> = records.collect::<Result<_, _>>()?;
            memory.warm(&records);
            for record in records {
                if record.sequence > memory.sequence {
                    let taken = memory.take(&read, &record, self.options.milestone_records);
                    taken.map_err(|error| views.fault(error))?;
                }
                self.indexes.take(&record);
                time = record.time;
            }
            self.next = frame.last_sequence + 1;
            self.link = frame.link;
        }
        let position = memory.sequence;
        drop(memory);
        views.reached(position);
        self.pace.begin(self.next - 1);
        let sealed = self
            .indexes
            .seal(self.next - 1, time, &mut || self.pace.breathe());
        if sealed.map_err(|error| error.to_string())? {
            (self.sealed)(self.indexes.segments());
        }
        Ok(())
    }

    fn is_flush_due(&self) -> bool {
        let nanos = self.clock.nanos().saturating_sub(self.flushed_nanos);
        self.views.position().saturating_sub(self.flushed) >= self.options.flush_records_max
            || nanos / 1_000_000 >= self.options.flush_millis_max
    }
}
