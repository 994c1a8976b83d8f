//! Both indexes, kept together: every record has an operation and at most one key, so both get
//! their next segment when there are operations enough for one. Only an index that is written anew
//! goes by its own entries until it has caught up.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use florin_storage::{Disk, Reader, SortedSegment};

use super::index_files::{IndexFiles, IndexKind, IndexOptions};
use super::index_job::Crew;
use super::projector::ProjectorOptions;
use crate::messages::{Record, Timestamp};
use crate::runtime::{key_hash, operation_entry};

/// A merged segment of keys holds at most this part of the keys, and of the time, that are kept:
/// segments expire whole.
const EXPIRY_PARTS: u64 = 4;
/// A merged segment of operations holds at most as many entries as so many new ones.
const MERGED_SEGMENTS_MAX: u64 = 64;
/// How long a job that failed isn't tried again.
const RETRY_NANOS: u64 = 10_000_000_000;
/// Segments of an index past which a start merges them itself rather than open ever more files.
const STARTING_SEGMENTS_MAX: usize = 64;

/// The memory that the indexes take, counted by whoever takes it.
#[derive(Debug, Default)]
pub struct IndexMemory {
    generations: AtomicU64,
    filters: AtomicU64,
}

impl IndexMemory {
    /// A generation of entries was made.
    pub fn add_generation(&self, bytes: u64) {
        self.generations.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A generation of entries was forgotten.
    pub fn drop_generation(&self, bytes: u64) {
        self.generations.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes in all.
    pub fn bytes(&self) -> u64 {
        self.generations.load(Ordering::Relaxed) + self.filters.load(Ordering::Relaxed)
    }
}

/// Both indexes' segments, keys then operations.
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
    /// When a job failed last: not before so much later is there another.
    retry_nanos: u64,
    /// The generations' bytes that the filters were last fitted beside.
    fitted_beside: u64,
}

impl Indexes {
    /// Opens both; what is damaged is removed, to be written anew.
    ///
    /// # Errors
    /// What the disk refused.
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

    /// The last record whose key is in a segment, and the last whose operation is.
    pub const fn covered(&self) -> (u64, u64) {
        (self.keys.covered(), self.operations.covered())
    }

    /// The segments as they are, oldest first.
    pub fn segments(&self) -> Segments {
        (self.keys.segments(), self.operations.segments())
    }

    /// Takes a record in.
    pub fn take(&mut self, record: &Record) {
        let sequence = record.sequence;
        for operation in record.operations() {
            self.operations.take(operation_entry(operation), sequence);
        }
        for key in record.keys() {
            self.keys.take(key_hash(&record.caller, key), sequence);
        }
    }

    /// Whoever took records in is done; another goes on behind what is covered.
    pub fn forget_taken(&mut self) {
        self.keys.forget_taken();
        self.operations.forget_taken();
    }

    /// Writes the next segments if there is enough for them, up to record `last`, made at `time`;
    /// says whether it did. `pause` is called after every entry.
    ///
    /// # Errors
    /// What the disk refused.
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

    /// Merges, while the node starts, what would be too many files.
    ///
    /// # Errors
    /// What the disk refused.
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

    /// Does what is to be done beside, a little at a time; says whether the segments changed.
    ///
    /// # Errors
    /// What the disk refused to the projector itself; a job that fails is tried again.
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
                    tracing::warn!(?kind, %error, "index segments could not be merged or rebuilt; it is tried again");
                    // A segment that turned out to be damaged is rebuilt at once.
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

    /// Gives up what is done beside.
    pub fn stop(&mut self) {
        self.crew.stop();
    }

    /// Lets old keys go, unless their segments are being worked on: then a little later.
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

    /// Fits the filters into what the generations leave of the memory; says whether any came or
    /// went. It is done anew whenever a generation comes or goes.
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
