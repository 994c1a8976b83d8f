//! The write-ahead log: a file of fixed size that is overwritten again and again. All its blocks
//! exist from the start, so a commit is one write and one data sync; a transaction of the store
//! costs several times as much. Its content is written to the live segment later, many commits at
//! once ([`crate::Checkpointer`]), and only then is the space reused.
//!
//! Block 0 identifies the journal. Every other block starts with a head of its own, so that no byte
//! of a record can be mistaken for a head. All integers are little-endian:
//!
//! | first sequence of the entry | this block's place in it | blocks of the entry | body |
//! |---|---|---|---|
//! | 8 bytes | 4 | 4 | 4,080 |
//!
//! An entry holds the frames of one commit. They lie in the bodies of its blocks as in a segment's
//! row ([`crate::segments::rows`]), followed by zeros. A frame is intact if its own link matches.

use crate::disk::interface::{BLOCK, Disk, DiskFile, OpenHow};
use crate::error::Error;
use crate::segments::frame::Frame;
use crate::segments::head::Head;
use crate::segments::rows::{FRAME_HEAD, walk_padded};
use std::collections::VecDeque;

/// The log's file.
pub(crate) const WAL: &str = "journal/wal";
const BLOCK_HEAD: usize = 16;
const BODY: usize = BLOCK - BLOCK_HEAD;
/// The first bytes of block 0. The last digit is the format.
const MAGIC: &[u8; 16] = b"florin wal     1";
/// How much of a new log is written at a time, in bytes.
const ZEROS: usize = 1024 * 1024;
/// The default length of a log, in bytes.
pub(crate) const WAL_BYTES: u64 = 8 * 1024 * 1024;
/// The length of the shortest log in bytes: the head and some entries.
pub(crate) const WAL_BYTES_MIN: u64 = 16 * BLOCK as u64;

/// The open log. It belongs to the committer.
#[derive(Debug)]
pub(crate) struct WriteAheadLog {
    file: Box<dyn DiskFile>,
    blocks: usize,
    /// The block where the next entry goes, if it fits there.
    next: usize,
    /// The entries that no segment holds yet, the oldest first.
    held: VecDeque<Place>,
    buffer: Vec<u8>,
}

/// The position of an entry in the log.
#[derive(Debug, Clone, Copy)]
struct Place {
    last_sequence: u64,
    start: usize,
}

/// An entry that was read from a log.
struct Entry {
    first_sequence: u64,
    frames: Vec<Frame>,
}

impl WriteAheadLog {
    /// Creates an empty log of `bytes` bytes, rounded down to whole blocks. It replaces any other
    /// log.
    pub(crate) fn create(
        disk: &dyn Disk,
        journal_id: &[u8; 16],
        bytes: u64,
    ) -> Result<WriteAheadLog, Error> {
        let io = |source| Error::io(WAL, source);
        let temporary = format!("{WAL}.tmp");
        let file = disk.open(&temporary, OpenHow::Create).map_err(io)?;
        file.set_len(0).map_err(io)?;
        let len = whole_blocks(bytes);
        let zeros = vec![0; ZEROS];
        let mut at = 0;
        while at < len {
            let piece = (len - at).min(ZEROS as u64) as usize;
            file.write_at(at, &zeros[..piece]).map_err(io)?;
            at += piece as u64;
        }
        file.write_at(0, &head_block(journal_id)).map_err(io)?;
        file.sync().map_err(io)?;
        disk.rename(&temporary, WAL).map_err(io)?;
        let file = disk.open(WAL, OpenHow::Blocks).map_err(io)?;
        Ok(WriteAheadLog::over(file, len))
    }

    /// Opens the log of this journal. Returns it with the frames after `head` in order, or `None`
    /// if there is no log.
    ///
    /// A torn entry was never acknowledged and is dropped.
    ///
    /// # Errors
    /// Returns [`Error::Damaged`] for the log of another journal, or if something durable is
    /// missing before an entry. Entries are synced one by one, so only the last one may be torn.
    pub(crate) fn open(
        disk: &dyn Disk,
        journal_id: &[u8; 16],
        head: &Head,
    ) -> Result<Option<(WriteAheadLog, Vec<Frame>)>, Error> {
        let io = |source| Error::io(WAL, source);
        if !disk.exists(WAL).map_err(io)? {
            return Ok(None);
        }
        let file = disk.open(WAL, OpenHow::Blocks).map_err(io)?;
        let len = file.len().map_err(io)?;
        if len < WAL_BYTES_MIN || !len.is_multiple_of(BLOCK as u64) {
            let what = format!("{len} bytes are not the length of a log");
            return Err(Error::damaged(WAL, 0, what));
        }
        let mut bytes = vec![0; len as usize];
        file.read_at(0, &mut bytes).map_err(io)?;
        if bytes[..BLOCK] != head_block(journal_id)[..] {
            let what = "its head is not that of this journal's log";
            return Err(Error::damaged(WAL, 0, what));
        }
        let frames = frames_after(&bytes, head)?;
        Ok(Some((WriteAheadLog::over(file, len), frames)))
    }

    /// Returns the first record in the log file, whichever journal it belongs to.
    pub(crate) fn first_record(disk: &dyn Disk) -> Result<Option<u64>, Error> {
        let io = |source| Error::io(WAL, source);
        if !disk.exists(WAL).map_err(io)? {
            return Ok(None);
        }
        let file = disk.open(WAL, OpenHow::Read).map_err(io)?;
        let mut bytes = vec![0; file.len().map_err(io)? as usize];
        file.read_at(0, &mut bytes).map_err(io)?;
        let first = entries(&bytes).map(|entry| entry.first_sequence).min();
        Ok(first)
    }

    fn over(file: Box<dyn DiskFile>, len: u64) -> WriteAheadLog {
        WriteAheadLog {
            file,
            blocks: (len / BLOCK as u64) as usize,
            next: 1,
            held: VecDeque::new(),
            buffer: Vec::new(),
        }
    }

    /// Returns whether the log is as long as one created with `bytes` bytes.
    pub(crate) fn is_of(&self, bytes: u64) -> bool {
        self.len() == whole_blocks(bytes)
    }

    /// Returns the log's length in bytes.
    pub(crate) fn len(&self) -> u64 {
        (self.blocks * BLOCK) as u64
    }

    /// Returns whether these frames would fit into an empty log.
    pub(crate) fn takes(&self, frames: &[Frame]) -> bool {
        blocks_of(frames) < self.blocks
    }

    /// Frees the entries up to `checkpointed`, which the segment holds, and returns whether these
    /// frames fit.
    pub(crate) fn has_room(&mut self, frames: &[Frame], checkpointed: u64) -> bool {
        while let Some(oldest) = self.held.front() {
            if oldest.last_sequence > checkpointed {
                break;
            }
            self.held.pop_front();
        }
        self.place(blocks_of(frames)).is_some()
    }

    /// Writes frames as one entry, which is durable when this returns. Fails if there is no room.
    pub(crate) fn append(&mut self, frames: &[Frame]) -> Result<(), Error> {
        let (Some(first), Some(last)) = (frames.first(), frames.last()) else {
            return Ok(());
        };
        let count = blocks_of(frames);
        let Some(start) = self.place(count) else {
            let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
            return Err(Error::io(WAL, full));
        };
        fill(&mut self.buffer, first.first_sequence, frames, count);
        let io = |source| Error::io(WAL, source);
        let offset = (start * BLOCK) as u64;
        self.file.write_at(offset, &self.buffer).map_err(io)?;
        self.file.sync().map_err(io)?;
        self.held.push_back(Place {
            last_sequence: last.last_sequence,
            start,
        });
        self.next = start + count;
        Ok(())
    }

    /// Returns the block where an entry of `count` blocks goes: behind the last entry or at the
    /// start of the log, without overwriting an entry that no segment holds yet.
    fn place(&self, count: usize) -> Option<usize> {
        let oldest = self.held.front().map(|place| place.start);
        let fits = |start: usize, end: usize| (start + count <= end).then_some(start);
        match oldest {
            Some(oldest) if self.next <= oldest => fits(self.next, oldest),
            Some(oldest) => fits(self.next, self.blocks).or_else(|| fits(1, oldest)),
            None => fits(self.next, self.blocks).or_else(|| fits(1, self.blocks)),
        }
    }
}

fn whole_blocks(bytes: u64) -> u64 {
    bytes.max(WAL_BYTES_MIN) / BLOCK as u64 * BLOCK as u64
}

fn head_block(journal_id: &[u8; 16]) -> Vec<u8> {
    let mut block = [MAGIC.as_slice(), journal_id].concat();
    block.resize(BLOCK, 0);
    block
}

fn blocks_of(frames: &[Frame]) -> usize {
    let bytes = |frame: &Frame| FRAME_HEAD + frame.bytes_len();
    frames.iter().map(bytes).sum::<usize>().div_ceil(BODY)
}

/// Writes an entry's blocks into the buffer.
fn fill(buffer: &mut Vec<u8>, first_sequence: u64, frames: &[Frame], count: usize) {
    buffer.clear();
    buffer.reserve(count * BLOCK);
    let mut blocks = 0u32;
    let mut put = |buffer: &mut Vec<u8>, mut bytes: &[u8]| {
        while !bytes.is_empty() {
            if buffer.len().is_multiple_of(BLOCK) {
                buffer.extend_from_slice(&first_sequence.to_le_bytes());
                buffer.extend_from_slice(&blocks.to_le_bytes());
                buffer.extend_from_slice(&(count as u32).to_le_bytes());
                blocks += 1;
            }
            let room = BLOCK - buffer.len() % BLOCK;
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            buffer.extend_from_slice(now);
            bytes = later;
        }
    };
    for frame in frames {
        put(buffer, &(frame.bytes_len() as u32).to_le_bytes());
        put(buffer, frame.bytes());
    }
    buffer.resize(count * BLOCK, 0);
}

/// Returns the frames after `head` from all blocks of a log.
pub(crate) fn frames_after(log: &[u8], head: &Head) -> Result<Vec<Frame>, Error> {
    let mut entries: Vec<Entry> = entries(log)
        .filter(|entry| entry.first_sequence > head.sequence)
        .collect();
    entries.sort_by_key(|entry| entry.first_sequence);
    let (mut sequence, mut link) = (head.sequence, head.link);
    let mut found = Vec::new();
    for frame in entries.into_iter().flat_map(|entry| entry.frames) {
        if sequence.checked_add(1) != Some(frame.first_sequence) || frame.previous_link != link {
            let what = format!("it is whole and does not follow record {sequence}");
            return Err(Error::damaged(WAL, frame.first_sequence, what));
        }
        (sequence, link) = (frame.last_sequence, frame.link);
        found.push(frame);
    }
    Ok(found)
}

/// Iterates over the intact entries of a log, in the order of their position.
fn entries(log: &[u8]) -> impl Iterator<Item = Entry> {
    let blocks = log.chunks_exact(BLOCK).collect::<Vec<_>>();
    (1..blocks.len()).filter_map(move |at| entry_at(&blocks[at..]))
}

/// Returns the entry that starts with the first of these blocks, if there is one and it is intact.
fn entry_at(blocks: &[&[u8]]) -> Option<Entry> {
    let (first_sequence, count) = match head_of(blocks.first()?) {
        (first_sequence, 0, count) if first_sequence > 0 => (first_sequence, count as usize),
        _ => return None,
    };
    let blocks = blocks.get(..count)?;
    let mut stream = Vec::with_capacity(count * BODY);
    for (place, block) in blocks.iter().enumerate() {
        if head_of(block) != (first_sequence, place as u32, count as u32) {
            return None;
        }
        stream.extend_from_slice(&block[BLOCK_HEAD..]);
    }
    let mut frames: Vec<Frame> = Vec::new();
    for raw in walk_padded(first_sequence, &stream) {
        let frame = Frame::parse(raw.ok()?.bytes.to_vec()).ok()?;
        let before = frames.last().map(|frame| frame.link);
        if before.is_some_and(|link| link != frame.previous_link) {
            return None;
        }
        frames.push(frame);
    }
    (!frames.is_empty()).then_some(Entry {
        first_sequence,
        frames,
    })
}

/// Returns a block's head: the first sequence of its entry, its place in it, and the number of the
/// entry's blocks.
fn head_of(block: &[u8]) -> (u64, u32, u32) {
    let mut head = ([0; 8], [0; 4], [0; 4]);
    head.0.copy_from_slice(&block[..8]);
    head.1.copy_from_slice(&block[8..12]);
    head.2.copy_from_slice(&block[12..16]);
    (
        u64::from_le_bytes(head.0),
        u32::from_le_bytes(head.1),
        u32::from_le_bytes(head.2),
    )
}
