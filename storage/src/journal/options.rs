//! The options of a journal.

use crate::error::Error;
use crate::journal::damages::DamageObserver;
use crate::segments::frame::FRAME_BYTES_MAX;
use crate::segments::wal::WAL_BYTES_MIN;
use std::sync::Arc;
use std::time::Duration;

/// An observer of commits. It is called right after each commit, on the committing thread, so it
/// must be fast.
pub trait CommitObserver: Send + Sync {
    /// Reports that a commit made `records` records and `bytes` bytes of frames durable, up to
    /// record `last`, in `duration`. The watermark has already moved.
    fn committed(&self, last: u64, records: usize, bytes: usize, duration: Duration);
}

impl CommitObserver for () {
    fn committed(&self, _last: u64, _records: usize, _bytes: usize, _duration: Duration) {}
}

/// The options of a journal. [`Options::new`] returns the defaults.
#[derive(Clone)]
pub struct Options {
    /// The identity of a journal that is created: random bytes. An existing journal keeps its own.
    pub journal_id: [u8; 16],
    /// The size in bytes on the disk at which a segment is sealed, at the end of the commit that
    /// reaches it. Default 256 MiB. A start after a crash reads a whole segment.
    pub segment_bytes_max: u64,
    /// The length of the write-ahead log in bytes. With `None`, an existing log keeps its length,
    /// and a new one gets 8 MiB. Default `None`. A checkpoint is requested when the entries that
    /// are not yet in the segment take a sixteenth of the log. Checkpoints are kept small because
    /// the log's own syncs wait while a checkpoint is synced.
    pub wal_bytes: Option<u64>,
    /// The longest frame in bytes, unless one record needs more. Default [`FRAME_BYTES_MAX`].
    pub frame_bytes_max: usize,
    /// The longest record in bytes. Default 16 MiB.
    pub record_bytes_max: usize,
    /// The size of the live segment's cache in bytes. Default 64 MiB.
    pub live_cache_bytes: usize,
    /// The size of each open sealed segment's cache in bytes. Default 4 MiB.
    pub sealed_cache_bytes: usize,
    /// The number of sealed segments that stay open. Default 8.
    pub sealed_open_max: usize,
    /// The number of decoded frames that the readers cache. Default 64.
    pub frames_cached_max: usize,
    /// A clock that returns monotonic nanoseconds, used to time commits. Default: always 0.
    pub nanos: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// The observer of commits. Default: none.
    pub observer: Arc<dyn CommitObserver>,
    /// The observer of reads that find damage. Default: none.
    pub damage_observer: Arc<dyn DamageObserver>,
}

impl Options {
    /// Returns the default options.
    pub fn new(journal_id: [u8; 16]) -> Options {
        Options {
            journal_id,
            segment_bytes_max: 256 * 1024 * 1024,
            wal_bytes: None,
            frame_bytes_max: FRAME_BYTES_MAX,
            record_bytes_max: 16 * 1024 * 1024,
            live_cache_bytes: 64 * 1024 * 1024,
            sealed_cache_bytes: 4 * 1024 * 1024,
            sealed_open_max: 8,
            frames_cached_max: 64,
            nanos: Arc::new(|| 0),
            observer: Arc::new(()),
            damage_observer: Arc::new(()),
        }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let setting = |fits: bool, name, must| {
            if fits {
                Ok(())
            } else {
                Err(Error::Setting { name, must })
            }
        };
        setting(
            (1_024..=FRAME_BYTES_MAX).contains(&self.frame_bytes_max),
            "frame_bytes_max",
            "from 1,024 to 65,472 bytes",
        )?;
        setting(
            (1..=1 << 30).contains(&self.record_bytes_max),
            "record_bytes_max",
            "from 1 byte to 1 GiB",
        )?;
        setting(
            self.segment_bytes_max >= 64 * 1024,
            "segment_bytes_max",
            "at least 64 KiB",
        )?;
        setting(
            self.wal_bytes
                .is_none_or(|bytes| (WAL_BYTES_MIN..=1 << 30).contains(&bytes)),
            "wal_bytes",
            "from 64 KiB to 1 GiB",
        )?;
        setting(
            self.sealed_open_max > 0 && self.frames_cached_max > 0,
            "sealed_open_max and frames_cached_max",
            "at least 1",
        )
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("segment_bytes_max", &self.segment_bytes_max)
            .field("frame_bytes_max", &self.frame_bytes_max)
            .field("record_bytes_max", &self.record_bytes_max)
            .finish_non_exhaustive()
    }
}
