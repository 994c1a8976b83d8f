//! How a journal is kept.

use crate::error::Error;
use crate::frame::FRAME_BYTES_MAX;
use crate::wal::WAL_BYTES_MIN;
use std::sync::Arc;
use std::time::Duration;

/// Told of every commit right after it, on the committing thread: has to be quick.
pub trait CommitObserver: Send + Sync {
    /// So many records and frame bytes became durable, up to record `last`, and it took so long. The
    /// watermark has moved.
    fn committed(&self, last: u64, records: usize, bytes: usize, duration: Duration);
}

impl CommitObserver for () {
    fn committed(&self, _last: u64, _records: usize, _bytes: usize, _duration: Duration) {}
}

/// How a journal is kept. [`Options::new`] has the defaults.
#[derive(Clone)]
pub struct Options {
    /// Random; the identity of a journal that is made new. An existing one keeps its own.
    pub journal_id: [u8; 16],
    /// A segment is sealed at the end of the commit that brings it to so many bytes on the disk.
    /// Default 256 MiB: a start after a crash reads a whole segment.
    pub segment_bytes_max: u64,
    /// How long the write-ahead log is; `None`: as it is, 8 MiB if it is made new. Default `None`.
    /// A checkpoint is asked for when a sixteenth of it is not in the segment: what is synced at once
    /// keeps the log's own syncs waiting.
    pub wal_bytes: Option<u64>,
    /// A frame's length, unless one record needs more. Default [`FRAME_BYTES_MAX`].
    pub frame_bytes_max: usize,
    /// A record's length. Default 16 MiB.
    pub record_bytes_max: usize,
    /// Memory to cache the live segment. Default 64 MiB.
    pub live_cache_bytes: usize,
    /// Memory to cache each open sealed segment. Default 4 MiB.
    pub sealed_cache_bytes: usize,
    /// How many sealed segments stay open. Default 8.
    pub sealed_open_max: usize,
    /// How many decoded frames the readers keep. Default 64.
    pub frames_cached_max: usize,
    /// Monotonic nanoseconds, to time commits by. Default: always 0.
    pub nanos: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Told of every commit. Default: nobody.
    pub observer: Arc<dyn CommitObserver>,
}

impl Options {
    /// The defaults.
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
