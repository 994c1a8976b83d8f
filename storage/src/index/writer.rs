//! Writes a sorted segment entry by entry, in order, so that merging segments of any size takes
//! little memory. The file appears under its name complete and synced, or not at all.

use crate::disk::interface::{Disk, DiskFile, OpenHow};
use crate::index::layout::{
    BLOCK_ENTRIES, ENTRY, Entry, Extent, HASH, HEADER, SegmentHead, append_filter, seal_block,
};
use std::io;

/// The number of bytes that are buffered before they are written.
const WRITE_BYTES: usize = 256 * 1024;
/// The number of written bytes after which the file is synced. It bounds the time of one sync,
/// which holds up other syncs.
const SYNC_BYTES: u64 = 8 << 20;
/// The number of keys that share a filter. It bounds the memory for building one.
const FILTER_KEYS: usize = 1 << 20;

/// A sorted segment that is being written. If the writer is dropped before
/// [`SegmentWriter::finish`], it leaves a file with the suffix [`SegmentWriter::SUFFIX`], which has
/// to be removed.
#[derive(Debug)]
pub struct SegmentWriter {
    file: Box<dyn DiskFile>,
    name: String,
    extent: Extent,
    count: u64,
    key_min: u128,
    last: Entry,
    /// The bytes written to the file, and below how many of them are synced.
    written: u64,
    synced: u64,
    gathered: Vec<u8>,
    /// The start of the current block in `gathered`.
    block_start: usize,
    filter: Option<Filters>,
}

#[derive(Debug, Default)]
struct Filters {
    first: u128,
    keys: Vec<u64>,
    bytes: Vec<u8>,
}

impl SegmentWriter {
    /// The suffix of an unfinished file's name.
    pub const SUFFIX: &str = ".tmp";

    /// Begins a segment. With `filter`, look-ups of absent keys cost no read. A filter suits random
    /// keys and is useless for time-ordered ones; it needs the low 64 bits of the keys to be nearly
    /// random.
    ///
    /// # Errors
    /// Returns the disk's error.
    pub fn create(
        disk: &dyn Disk,
        name: &str,
        extent: Extent,
        filter: bool,
    ) -> io::Result<SegmentWriter> {
        let file = disk.open(&format!("{name}{}", Self::SUFFIX), OpenHow::Create)?;
        file.set_len(0)?;
        Ok(SegmentWriter {
            file,
            name: name.to_owned(),
            extent,
            count: 0,
            key_min: 0,
            last: (0, 0),
            written: HEADER as u64,
            synced: 0,
            gathered: Vec::new(),
            block_start: 0,
            filter: filter.then(Filters::default),
        })
    }

    /// Appends an entry. Of equal keys, the lower sequence comes first.
    ///
    /// # Errors
    /// Returns `InvalidInput` if the entry is out of order or no filter can be built, or the disk's
    /// error.
    pub fn push(&mut self, entry: (u128, u64)) -> io::Result<()> {
        if self.count == 0 {
            self.key_min = entry.0;
        } else if entry < self.last {
            let what = "entries of a sorted segment must come in order";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        self.last = entry;
        self.gathered.extend_from_slice(&entry.0.to_le_bytes());
        self.gathered.extend_from_slice(&entry.1.to_le_bytes());
        self.count += 1;
        if let Some(filter) = &mut self.filter {
            filter.push(entry.0)?;
        }
        if self.count.is_multiple_of(BLOCK_ENTRIES) {
            self.end_block()?;
        }
        Ok(())
    }

    /// Finishes the segment. It is durable under its name when this returns, and replaces any file
    /// of that name.
    ///
    /// # Errors
    /// Returns `InvalidInput` if no filter can be built, or the disk's error.
    pub fn finish(mut self, disk: &dyn Disk) -> io::Result<()> {
        if !self.count.is_multiple_of(BLOCK_ENTRIES) {
            self.end_block()?;
        }
        let filters = match self.filter.take() {
            Some(mut filter) => {
                filter.seal()?;
                filter.bytes
            }
            None => Vec::new(),
        };
        let head = SegmentHead {
            count: self.count,
            extent: self.extent,
            key_min: self.key_min,
            key_max: self.last.0,
            filter_bytes: filters.len() as u64,
        };
        self.gathered.extend_from_slice(&filters);
        let hash: [u8; HASH] = *blake3::hash(&filters).as_bytes();
        self.gathered.extend_from_slice(&hash);
        self.write_out()?;
        self.file.write_at(0, &head.bytes())?;
        self.file.sync()?;
        disk.rename(&format!("{}{}", self.name, Self::SUFFIX), &self.name)
    }

    fn end_block(&mut self) -> io::Result<()> {
        seal_block(&mut self.gathered, self.block_start);
        self.block_start = self.gathered.len();
        if self.gathered.len() + BLOCK_ENTRIES as usize * ENTRY > WRITE_BYTES {
            self.write_out()?;
        }
        Ok(())
    }

    fn write_out(&mut self) -> io::Result<()> {
        self.file.write_at(self.written, &self.gathered)?;
        self.written += self.gathered.len() as u64;
        self.gathered.clear();
        self.block_start = 0;
        if self.written - self.synced >= SYNC_BYTES {
            self.file.sync()?;
            self.synced = self.written;
        }
        Ok(())
    }
}

impl Filters {
    fn push(&mut self, key: u128) -> io::Result<()> {
        if self.keys.len() == FILTER_KEYS {
            self.seal()?;
        }
        if self.keys.is_empty() {
            self.first = key;
        }
        self.keys.push(key as u64);
        Ok(())
    }

    fn seal(&mut self) -> io::Result<()> {
        if self.keys.is_empty() {
            return Ok(());
        }
        append_filter(self.first, std::mem::take(&mut self.keys), &mut self.bytes)
    }
}
