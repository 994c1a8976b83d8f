//! The projector: follows the durable journal and keeps the views.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use florin_storage::{Frame, Reader, SortedSegment, Watermark};

use super::{IndexFiles, Views};
use crate::messages::Timestamp;
use crate::record_codec::decode_record;
use crate::runtime::{Clock, key_hash, operation_entry};

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
}

/// Told when the segments of the indexes changed: keys, then operations.
pub type Sealed = Box<dyn Fn(Vec<Arc<SortedSegment>>, Vec<Arc<SortedSegment>>) + Send>;

/// Keeps the views; belongs to one thread or task.
pub struct Projector {
    views: Arc<Views>,
    reader: Reader,
    clock: Arc<dyn Clock>,
    options: ProjectorOptions,
    keys: IndexFiles,
    operations: IndexFiles,
    sealed: Sealed,
    next: u64,
    link: [u8; 32],
    flushed: u64,
    flushed_nanos: u64,
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
        keys: IndexFiles,
        operations: IndexFiles,
        sealed: Sealed,
    ) -> Self {
        let flushed = views.position();
        let next = flushed.min(keys.covered()).min(operations.covered()) + 1;
        let flushed_nanos = clock.nanos();
        Self {
            views,
            reader,
            clock,
            options,
            keys,
            operations,
            sealed,
            next,
            link: [0; 32],
            flushed,
            flushed_nanos,
        }
    }

    /// Takes in a part of what is durable. Says whether there is more.
    ///
    /// # Errors
    /// What can't be read or written, as a sentence: the views stop there.
    pub fn step(&mut self) -> Result<bool, String> {
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
        Ok(self.next <= self.reader.durable())
    }

    /// Writes what was taken in.
    ///
    /// # Errors
    /// What can't be written, as a sentence.
    pub fn flush(&mut self) -> Result<(), String> {
        self.flushed_nanos = self.clock.nanos();
        let views = Arc::clone(&self.views);
        {
            // Only this thread changes the memory: readers go on while it is written.
            let memory = views.memory.read().unwrap_or_else(PoisonError::into_inner);
            if memory.sequence == self.flushed {
                return Ok(());
            }
            memory
                .write(&views.store, self.link)
                .map_err(|error| error.to_string())?;
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
        let read = views.store.read().map_err(|error| error.to_string())?;
        let mut memory = views.memory.write().unwrap_or_else(PoisonError::into_inner);
        let mut time = Timestamp::default();
        for frame in frames {
            for (sequence, bytes) in frame.iter().filter(|(sequence, _)| *sequence >= self.next) {
                let record =
                    decode_record(bytes).map_err(|error| format!("record {sequence}: {error}"))?;
                if sequence > memory.sequence {
                    memory.take(&read, &record)?;
                }
                self.operations
                    .take(operation_entry(record.operation_id), sequence);
                if let Some(key) = &record.key {
                    self.keys.take(key_hash(&record.caller, key), sequence);
                }
                time = record.time;
            }
            self.next = frame.last_sequence + 1;
            self.link = frame.link;
        }
        let position = memory.sequence;
        drop(memory);
        views.reached(position);
        self.seal(time).map_err(|error| error.to_string())
    }

    /// Every record has an operation and at most one key: the operations decide when both
    /// indexes get their next segment, so that both reach equally far.
    fn seal(&mut self, time: Timestamp) -> std::io::Result<()> {
        if !self.operations.is_due() {
            return Ok(());
        }
        let last = self.next - 1;
        self.keys.seal(last, time)?;
        self.operations.seal(last, time)?;
        let kept = i64::try_from(self.options.keys_millis_max).unwrap_or(i64::MAX);
        let oldest = time.as_micros().saturating_sub(kept.saturating_mul(1_000));
        let gone = self
            .keys
            .expire(self.options.keys_max, Timestamp::from_micros(oldest))?;
        if gone > 0 {
            tracing::info!(keys = gone, "idempotency keys expired");
        }
        (self.sealed)(self.keys.segments(), self.operations.segments());
        Ok(())
    }

    fn is_flush_due(&self) -> bool {
        let nanos = self.clock.nanos().saturating_sub(self.flushed_nanos);
        self.views.position().saturating_sub(self.flushed) >= self.options.flush_records_max
            || nanos / 1_000_000 >= self.options.flush_millis_max
    }
}
