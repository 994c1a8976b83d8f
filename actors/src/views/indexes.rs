//! The index of keys and the index of operations, which are maintained together. A record has at
//! least as many operations as keys, so both get their next segment when there are enough
//! operations for one. Only an index that is being rebuilt gets segments by its own number of
//! entries, until it has caught up.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use florin_storage::{Disk, Reader, SortedSegment};

use super::index_files::{IndexFiles, IndexOptions};
use super::index_job::Crew;
use super::index_segments::IndexKind;
use super::options::ProjectorOptions;
use crate::base::{key_hash, operation_entry};
use crate::record::Record;
use crate::words::Timestamp;

/// The divisor for merged segments of keys: a merged segment holds at most this part (1/4) of the
/// kept keys, and covers at most this part of the retention time, because segments expire as a
/// whole.
const EXPIRY_PARTS: u64 = 4;
/// The size limit of merged segments of operations, as a multiple of the entries of a new segment.
const MERGED_SEGMENTS_MAX: u64 = 64;
/// The time for which no job is started after a job failed.
const RETRY_NANOS: u64 = 10_000_000_000;
/// The number of segments of an index above which a start merges them itself, so that it doesn't
/// open ever more files.
const STARTING_SEGMENTS_MAX: usize = 64;

/// The memory that the indexes take. Each component that takes memory adds to the counter.
#[derive(Debug, Default)]
pub struct IndexMemory {
    generations: AtomicU64,
    filters: AtomicU64,
}

impl IndexMemory {
    /// Adds the bytes of a generation of entries that was made.
    pub fn add_generation(&self, bytes: u64) {
        self.generations.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Subtracts the bytes of a generation of entries that was dropped.
    pub fn drop_generation(&self, bytes: u64) {
        self.generations.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Returns the total number of bytes.
    pub fn bytes(&self) -> u64 {
        self.generations.load(Ordering::Relaxed) + self.filters.load(Ordering::Relaxed)
    }
}

/// The segments of both indexes: keys, then operations.
pub type Segments = (Vec<Arc<SortedSegment>>, Vec<Arc<SortedSegment>>);

/// Both indexes on disk.
#[derive(Debug)]
pub struct Indexes {
    keys: IndexFiles,
    operations: IndexFiles,
    reader: Reader,
    options: ProjectorOptions,
    memory: Arc<IndexMemory>,
    crew: Crew,
    /// The time before which no other job is started, because a job failed.
    retry_nanos: u64,
    /// The bytes of the generations when the filters were last fitted.
    fitted_beside: u64,
}

impl Indexes {
    /// Opens both indexes. Damaged segments are removed and will be rebuilt.
    ///
    /// # Errors
    /// Returns an error if the disk fails.
    pub fn open(
        disk: &Arc<dyn Disk>,
        reader: Reader,
        entries_max: usize,
        options: ProjectorOptions,
        memory: Arc<IndexMemory>,
        crew: Crew,
    ) -> io::Result<Self> {
        let entries = entries_max as u64;
        let micros = options.keys_millis_max.saturating_mul(1_000) / EXPIRY_PARTS;
        let of_keys = IndexOptions {
            entries_max,
            merged_entries_max: options.keys_max / EXPIRY_PARTS,
            merged_micros_max: i64::try_from(micros).unwrap_or(i64::MAX),
        };
        let of_operations = IndexOptions {
            entries_max,
            merged_entries_max: entries.saturating_mul(MERGED_SEGMENTS_MAX),
            merged_micros_max: i64::MAX,
        };
        let open =
            |kind, options| IndexFiles::open(Arc::clone(disk), kind, options, reader.durable());
        let mut indexes = Self {
            keys: open(IndexKind::Keys, of_keys)?,
            operations: open(IndexKind::Operations, of_operations)?,
            reader,
            options,
            memory,
            crew,
            retry_nanos: 0,
            fitted_beside: 0,
        };
        indexes.fit();
        Ok(indexes)
    }

    /// Returns the last record that the segments of keys cover, and the last one that the segments
    /// of operations cover.
    pub const fn covered(&self) -> (u64, u64) {
        (self.keys.covered(), self.operations.covered())
    }

    /// Returns the current segments, oldest first.
    pub fn segments(&self) -> Segments {
        (self.keys.segments(), self.operations.segments())
    }

    /// Adds a record's operations and keys for the next segments.
    pub fn take(&mut self, record: &Record) {
        let sequence = record.sequence;
        for operation in record.operations() {
            self.operations.take(operation_entry(operation), sequence);
        }
        for key in record.keys() {
            self.keys.take(key_hash(&record.caller, key), sequence);
        }
    }

    /// Drops the entries added for the next segments. The next reader of the journal continues
    /// after the covered records and adds them again.
    pub fn forget_taken(&mut self) {
        self.keys.forget_taken();
        self.operations.forget_taken();
    }

    /// Writes the next segments, up to record `last`, made at `time`, if there are enough entries.
    /// Returns whether it did. `pause` is called after every entry.
    ///
    /// # Errors
    /// Returns an error if the disk fails.
    pub fn seal(
        &mut self,
        last: u64,
        time: Timestamp,
        pause: &mut dyn FnMut(),
    ) -> io::Result<bool> {
        if !self.operations.is_due() && !self.keys.is_due() {
            return Ok(false);
        }
        self.keys.seal(last, time, pause)?;
        self.operations.seal(last, time, pause)?;
        self.expire()?;
        self.fit();
        Ok(true)
    }

    /// Merges segments during the node's start, if there are too many files.
    ///
    /// # Errors
    /// Returns an error if the disk fails.
    pub fn merge_while_starting(&mut self) -> io::Result<()> {
        while self.keys.count().max(self.operations.count()) > STARTING_SEGMENTS_MAX {
            let files = if self.keys.count() > self.operations.count() {
                &mut self.keys
            } else {
                &mut self.operations
            };
            let Some(mut job) = files.job(&self.reader) else {
                break;
            };
            let done = job.run(&AtomicBool::new(false), &mut || {})?;
            files.replace(done);
        }
        Ok(())
    }

    /// Runs the background jobs in small steps. Returns whether the segments changed.
    ///
    /// # Errors
    /// Returns an error if the disk fails in the projector's own work. A job that fails is retried.
    pub fn tend(&mut self, nanos: u64) -> io::Result<bool> {
        let mut changed = false;
        if let Some((kind, done)) = self.crew.poll() {
            match done {
                Ok(done) => {
                    match kind {
                        IndexKind::Keys => self.keys.replace(done),
                        IndexKind::Operations => self.operations.replace(done),
                    }
                    self.expire()?;
                    self.fit();
                    changed = true;
                }
                Err(error) => {
                    tracing::warn!(?kind, %error, "index segments could not be merged or rebuilt; the work is retried");
                    // A segment that turned out to be damaged is rebuilt without a delay.
                    if error.kind() != io::ErrorKind::InvalidData {
                        self.retry_nanos = nanos.saturating_add(RETRY_NANOS);
                    }
                }
            }
        }
        if self.memory.generations.load(Ordering::Relaxed) != self.fitted_beside {
            changed |= self.fit();
        }
        if self.crew.is_idle() && nanos >= self.retry_nanos {
            let files = [&self.keys, &self.operations];
            if let Some(job) = files.into_iter().find_map(|files| files.job(&self.reader)) {
                self.crew.begin(job)?;
            }
        }
        Ok(changed)
    }

    /// Cancels the background job.
    pub fn stop(&mut self) {
        self.crew.stop();
    }

    /// Removes expired keys, unless a job is under way: then they are removed after the job.
    fn expire(&mut self) -> io::Result<()> {
        if !self.crew.is_idle() {
            return Ok(());
        }
        let newest = self
            .keys
            .segments()
            .last()
            .map(|last| last.extent().times.1);
        let Some(newest) = newest else { return Ok(()) };
        let kept = i64::try_from(self.options.keys_millis_max).unwrap_or(i64::MAX);
        let oldest = Timestamp::from_micros(newest.saturating_sub(kept.saturating_mul(1_000)));
        let gone = self.keys.expire(self.options.keys_max, oldest)?;
        if gone > 0 {
            tracing::info!(keys = gone, "idempotency keys expired");
        }
        Ok(())
    }

    /// Fits the filters into the memory that the generations leave. Returns whether the size of the
    /// loaded filters changed. It is called again whenever a generation is added or dropped.
    fn fit(&mut self) -> bool {
        let generations = self.memory.generations.load(Ordering::Relaxed);
        self.fitted_beside = generations;
        let room = self
            .options
            .index_memory_bytes_max
            .saturating_sub(generations);
        let filters = self.keys.fit(room);
        self.memory.filters.swap(filters, Ordering::Relaxed) != filters
    }
}
