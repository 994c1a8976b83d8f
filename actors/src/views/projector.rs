//! The projector, which follows the durable journal and updates the views.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use florin_storage::{Frame, Reader, Watermark, threads};

use super::Views;
use super::indexes::{Indexes, Segments};
use super::options::ProjectorOptions;
use super::pace::Pace;
use crate::base::Clock;
use crate::record_codec::decode_record;
use crate::words::Timestamp;

/// The number of bytes of frames read at a time. It bounds the time for which queries wait for the
/// memory's lock.
const SCAN_BYTES: usize = 256 * 1024;
/// The time for which the projector lets records collect when no query waits for them.
const GATHER: Duration = Duration::from_millis(10);

/// The backoff after a fault before the views are retried. Each further fault doubles it, up to
/// `RETRY_MAX`.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// Waits for `pause`, or until `stop` is set. Returns `false` if `stop` is set.
fn rest(pause: Duration, stop: &AtomicBool) -> bool {
    let mut rested = Duration::ZERO;
    while rested < pause && !stop.load(Ordering::Acquire) {
        std::thread::sleep(GATHER);
        rested += GATHER;
        threads::pulse();
    }
    !stop.load(Ordering::Acquire)
}

/// The callback that is called when the segments of the indexes changed.
pub type Sealed = Box<dyn Fn(Segments) + Send>;

/// The projector, which updates the views. It belongs to one thread or task.
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
    /// Creates a projector that continues after the last record that the views and both indexes
    /// hold.
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

    /// Applies a part of the durable records. Returns whether there are more.
    ///
    /// # Errors
    /// Returns a sentence if something can't be read or written. The views stop there.
    pub fn step(&mut self) -> Result<bool, String> {
        if self.views.damaged.load(Ordering::Acquire) {
            self.begin_anew()?;
        }
        match self.advance() {
            // The next step rebuilds the views.
            Err(_) if self.views.damaged.load(Ordering::Acquire) => Ok(true),
            advanced => advanced,
        }
    }

    /// Starts a rebuild of damaged views from the first record on.
    fn begin_anew(&mut self) -> Result<(), String> {
        tracing::error!(
            position = self.views.position(),
            "the views are damaged and are rebuilt from the journal"
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

    /// Writes the applied records' changes.
    ///
    /// # Errors
    /// Returns a sentence if something can't be written.
    pub fn flush(&mut self) -> Result<(), String> {
        self.flushed_nanos = self.clock.nanos();
        self.pace.begin(self.next - 1);
        let views = Arc::clone(&self.views);
        {
            // Only this thread changes the memory, so a read lock is enough, and queries continue
            // while the memory is written.
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

    /// Follows the journal on a thread of its own until `stop` is set, then writes all changes.
    pub fn run(mut self, watermark: &Watermark, stop: &AtomicBool) {
        // This is set once, because this thread is the only projector.
        drop(self.views.projector.set(std::thread::current()));
        let mut pause = RETRY_MIN;
        loop {
            threads::pulse();
            match self.step() {
                Ok(is_behind) => {
                    if self.views.go_on() {
                        tracing::info!(position = self.next - 1, "the views are updated again");
                        pause = RETRY_MIN;
                    }
                    if is_behind {
                        continue;
                    }
                }
                Err(fault) => {
                    self.stop(&fault);
                    if !rest(pause, stop) {
                        self.indexes.stop();
                        return;
                    }
                    pause = (pause * 2).min(RETRY_MAX);
                    if let Err(fault) = self.begin_again() {
                        tracing::warn!(fault, "the views can't be reopened yet");
                    }
                    continue;
                }
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

    /// Marks the views as stopped, and logs it if they ran before.
    pub fn stop(&self, fault: &str) {
        if self.views.stopped() {
            tracing::error!(
                fault,
                position = self.next - 1,
                "the views stopped; lists are out of date until they continue"
            );
        }
    }

    /// Prepares the next attempt after a fault: reopens the views' file if it accepts no more
    /// writes, and continues after the last record that the views and both indexes hold.
    fn begin_again(&mut self) -> Result<(), String> {
        let position = self.views.open_again().map_err(|error| error.to_string())?;
        self.indexes.forget_taken();
        let (keys, operations) = self.indexes.covered();
        self.next = position.min(keys).min(operations) + 1;
        self.flushed = self.views.written();
        Ok(())
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
