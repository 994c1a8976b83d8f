//! A file that is written with direct I/O, past the page cache: in whole blocks, from memory
//! aligned to the block size, as the system requires. A commit then takes less processor time and
//! doesn't wait for other writes.

use crate::disk::interface::{BLOCK, DiskFile};
use crate::disk::real_file::RealFile;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};

/// A file opened with [`crate::OpenHow::Blocks`].
#[derive(Debug)]
pub(crate) struct BlockFile {
    direct: File,
    cached: RealFile,
    buffer: Mutex<Vec<u8>>,
}

impl BlockFile {
    pub(crate) fn new(direct: File, cached: RealFile) -> BlockFile {
        BlockFile {
            direct,
            cached,
            buffer: Mutex::default(),
        }
    }
}

impl DiskFile for BlockFile {
    fn len(&self) -> io::Result<u64> {
        self.cached.len()
    }

    fn allocated_bytes(&self) -> io::Result<u64> {
        self.cached.allocated_bytes()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.cached.read_at(offset, out)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        let needed = bytes.len() + BLOCK;
        if buffer.len() < needed {
            *buffer = vec![0; needed.next_power_of_two()];
        }
        let start = buffer.as_ptr().align_offset(BLOCK);
        let aligned = buffer
            .get_mut(start..start.saturating_add(bytes.len()))
            .ok_or(io::ErrorKind::OutOfMemory)?;
        aligned.copy_from_slice(bytes);
        self.direct.write_all_at(aligned, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.cached.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.direct.sync_data()
    }
}
