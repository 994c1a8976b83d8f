//! A [`DiskFile`] as a storage backend of redb. After the first failed write or sync it writes
//! nothing more; the next start finds out what the disk holds.

use crate::disk::interface::DiskFile;
use crate::store::page_sums::PageSums;
use redb::StorageBackend;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether writes are refused. The owner of the file shares this state.
#[derive(Debug, Default)]
pub(crate) struct WriteState {
    failed: AtomicBool,
}

impl WriteState {
    /// Refuses every later write, as after a failed write.
    pub(crate) fn stop(&self) {
        self.failed.store(true, Ordering::SeqCst);
    }

    /// Returns whether writes are refused.
    pub(crate) fn stopped(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }
}

/// A [`DiskFile`] that redb reads and writes.
#[derive(Debug)]
pub(crate) struct RedbFile {
    file: Arc<dyn DiskFile>,
    state: Arc<WriteState>,
    sums: Option<PageSums>,
}

impl RedbFile {
    pub(crate) fn new(file: Arc<dyn DiskFile>, state: Arc<WriteState>) -> RedbFile {
        RedbFile {
            file,
            state,
            sums: None,
        }
    }

    /// Makes reads fail if a page has changed on the disk while the file is open.
    pub(crate) fn with_sums(self) -> RedbFile {
        RedbFile {
            sums: Some(PageSums::default()),
            ..self
        }
    }

    fn guarded(&self, write: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        if self.state.stopped() {
            return Err(io::Error::other("an earlier write to this file failed"));
        }
        write().inspect_err(|_| self.state.stop())
    }
}

impl StorageBackend for RedbFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, out)?;
        self.sums
            .as_ref()
            .map_or(Ok(()), |sums| sums.read(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if let Some(sums) = &self.sums {
            sums.cut(len);
        }
        self.guarded(|| self.file.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.guarded(|| self.file.sync())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if let Some(sums) = &self.sums {
            sums.write(offset, data);
        }
        self.guarded(|| self.file.write_at(offset, data))
    }
}
