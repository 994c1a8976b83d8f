//! A segment: a redb file with a header, the frames, and the personal fields beside the chain. The
//! last segment of a journal is live and is written to. All earlier ones are sealed and only read.

use crate::codec;
use crate::disk::interface::{Disk, DiskFile, OpenHow};
use crate::disk::overlay::Overlay;
use crate::error::Error;
use crate::segments::frame::{Frame, Link};
use crate::segments::personal;
use crate::segments::rows::pack;
use crate::segments::tables::{FRAMES, PERSONAL, Tables};
use crate::segments::tail::Tail;
use crate::store::containment::{abandon, caught, close, contain};
use crate::store::redb_file::{RedbFile, WriteState};
use redb::{Database, Durability, ReadableDatabase, TableDefinition};
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// The folder of the segments.
pub(crate) const FOLDER: &str = "journal";

const HEADER: TableDefinition<&str, &[u8]> = TableDefinition::new("header");
/// The key of the format, two bytes that are read before the rest of the header is trusted.
const FORMAT_ROW: &str = "format";
const SEGMENT_ROW: &str = "segment";
/// The segment format that this version writes and reads.
const FORMAT: u16 = 3;

/// The header of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) journal_id: [u8; 16],
    pub(crate) shard_count: u16,
    pub(crate) first_sequence: u64,
    pub(crate) previous_link: Link,
    pub(crate) created_micros: i64,
}

/// An open segment.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) name: String,
    pub(crate) header: Header,
    database: RwLock<Option<Database>>,
    /// The state of a live segment, or `None` for a sealed one.
    live: Option<Live>,
    /// The frames that are durable in the log and not yet in the file.
    tail: Tail,
    /// Whether damage was found in the file.
    damaged: AtomicBool,
}

/// The file of a live segment and the state of its writes.
#[derive(Debug)]
struct Live {
    file: Arc<dyn DiskFile>,
    state: Arc<WriteState>,
    /// The lock that a thread holds while it writes the tail into the file.
    checkpointing: Mutex<()>,
}

impl Live {
    fn new(file: Arc<dyn DiskFile>, state: Arc<WriteState>) -> Live {
        Live {
            file,
            state,
            checkpointing: Mutex::new(()),
        }
    }
}

/// Returns the name of the segment file that starts with `first_sequence`.
pub(crate) fn segment_name(first_sequence: u64) -> String {
    format!("{FOLDER}/{first_sequence:020}.redb")
}

impl Segment {
    /// Creates a segment with a durable header under a temporary name, then renames it.
    pub(crate) fn create(
        disk: &dyn Disk,
        header: Header,
        cache_bytes: usize,
    ) -> Result<Segment, Error> {
        let name = segment_name(header.first_sequence);
        let mut segment = Segment::draft(disk, &format!("{name}.tmp"), header, cache_bytes)?;
        disk.rename(&segment.name, &name)
            .map_err(|source| Error::io(&name, source))?;
        segment.name = name;
        Ok(segment)
    }

    /// Creates a segment with a durable header under any name. If it is left behind under a
    /// temporary name in the journal's folder, the next start removes it.
    pub(crate) fn draft(
        disk: &dyn Disk,
        name: &str,
        header: Header,
        cache_bytes: usize,
    ) -> Result<Segment, Error> {
        let io = |source| Error::io(name, source);
        let file: Arc<dyn DiskFile> = Arc::from(disk.open(name, OpenHow::Create).map_err(io)?);
        file.set_len(0).map_err(io)?;
        let state = Arc::new(WriteState::default());
        let backend = RedbFile::new(file.clone(), state.clone()).with_sums();
        let database = Database::builder()
            .set_cache_size(cache_bytes)
            .create_with_backend(backend)
            .map_err(|error| Error::store(name, error))?;
        write_header(&database, name, &header)?;
        Ok(Segment {
            name: name.to_owned(),
            header,
            database: RwLock::new(Some(database)),
            live: Some(Live::new(file, state)),
            tail: Tail::default(),
            damaged: AtomicBool::new(false),
        })
    }

    /// Opens the journal's last segment for writing.
    pub(crate) fn open_live(
        disk: &dyn Disk,
        first_sequence: u64,
        cache_bytes: usize,
    ) -> Result<Segment, Error> {
        let name = segment_name(first_sequence);
        let file: Arc<dyn DiskFile> =
            Arc::from(open_file(disk, &name, first_sequence, OpenHow::Existing)?);
        let state = Arc::new(WriteState::default());
        let backend = RedbFile::new(file.clone(), state.clone()).with_sums();
        let (database, header) = open_database(&name, first_sequence, cache_bytes, backend)?;
        Ok(Segment {
            name,
            header,
            database: RwLock::new(Some(database)),
            live: Some(Live::new(file, state)),
            tail: Tail::default(),
            damaged: AtomicBool::new(false),
        })
    }

    /// Opens a sealed segment. Its file is not written to.
    pub(crate) fn open_sealed(
        disk: &dyn Disk,
        first_sequence: u64,
        cache_bytes: usize,
    ) -> Result<Segment, Error> {
        Segment::open_to_read(
            disk,
            segment_name(first_sequence),
            first_sequence,
            cache_bytes,
        )
    }

    /// Opens a segment under any name for reading. Its file is not written to.
    pub(crate) fn open_to_read(
        disk: &dyn Disk,
        name: String,
        first_sequence: u64,
        cache_bytes: usize,
    ) -> Result<Segment, Error> {
        let file = open_file(disk, &name, first_sequence, OpenHow::Read)?;
        let backend = Overlay::new(file).map_err(|source| Error::io(&name, source))?;
        let (database, header) = open_database(&name, first_sequence, cache_bytes, backend)?;
        Ok(Segment {
            name,
            header,
            database: RwLock::new(Some(database)),
            live: None,
            tail: Tail::default(),
            damaged: AtomicBool::new(false),
        })
    }

    /// Returns the bytes that a live segment takes on the disk, or 0 for a sealed one.
    pub(crate) fn allocated_bytes(&self) -> Result<u64, Error> {
        let Some(live) = &self.live else {
            return Ok(0);
        };
        live.file
            .allocated_bytes()
            .map_err(|source| Error::io(&self.name, source))
    }

    /// Appends frames and personal rows in one durable transaction. A row of `None` is an erasure
    /// mark.
    pub(crate) fn commit<'f, 'p>(
        &self,
        frames: impl Iterator<Item = &'f Frame>,
        rows: impl Iterator<Item = (u64, Option<&'p [u8]>)>,
    ) -> Result<(), Error> {
        let guard = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let (Some(database), Some(live)) = (guard.as_ref(), self.live.as_ref()) else {
            return Err(Error::Stopped);
        };
        let store = |error: redb::Error| Error::store(&self.name, error);
        let committed = caught(|| {
            let mut transaction = database.begin_write()?;
            // If anything below panics, nothing may be written while the transaction unwinds.
            let _stop = StopOnPanic(&live.state);
            transaction.set_durability(Durability::Immediate)?;
            {
                let mut table = transaction.open_table(FRAMES)?;
                pack(frames, |first, row| table.insert(first, row).map(drop))?;
                let mut table = transaction.open_table(PERSONAL)?;
                for (sequence, fields) in rows {
                    table.insert(sequence, personal::row(sequence, fields).as_slice())?;
                }
            }
            transaction.commit()?;
            Ok::<(), redb::Error>(())
        });
        match committed {
            Ok(result) => result.map_err(store),
            Err(_) => Err(Error::Panicked),
        }
    }

    /// Adds frames that are durable in the log to the tail, for readers. Returns the size of the
    /// tail in bytes.
    pub(crate) fn keep(&self, frames: Vec<Frame>) -> usize {
        self.tail.push(frames)
    }

    /// Writes the tail, then these frames and personal fields into the file, in one durable
    /// transaction. Frames that are added to the tail meanwhile stay for the next checkpoint.
    pub(crate) fn checkpoint<'p>(
        &self,
        frames: &[Frame],
        personal: impl Iterator<Item = (u64, &'p [u8])>,
    ) -> Result<(), Error> {
        let Some(live) = &self.live else {
            return Err(Error::Stopped);
        };
        let _alone = live
            .checkpointing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let held = self.tail.held();
        let mut personal = personal.peekable();
        if held.is_empty() && frames.is_empty() && personal.peek().is_none() {
            return Ok(());
        }
        let rows = personal.map(|(sequence, fields)| (sequence, Some(fields)));
        self.commit(held.iter().chain(frames), rows)?;
        let count = held.len();
        drop(held);
        self.tail.let_go(count);
        Ok(())
    }

    /// Returns the last sequence in the file. `durable` is the last durable sequence.
    pub(crate) fn checkpointed(&self, durable: u64) -> u64 {
        self.tail
            .first_sequence()
            .map_or(durable, |first| first - 1)
    }

    /// Reads within one transaction. Returns `None` if the segment was closed meanwhile.
    pub(crate) fn read<R>(
        &self,
        read: impl FnOnce(&Tables<'_>) -> Result<R, Error>,
    ) -> Result<Option<R>, Error> {
        let guard = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let Some(database) = guard.as_ref() else {
            return Ok(None);
        };
        let read = contain(&self.name, self.header.first_sequence, || {
            let tables = Tables::new(&self.name, database, self.tail.held());
            read(&tables).map(Some)
        });
        if matches!(read, Err(Error::Damaged { .. })) {
            self.damaged.store(true, Ordering::Relaxed);
        }
        read
    }

    /// Returns whether writes are refused.
    pub(crate) fn stopped(&self) -> bool {
        self.live.as_ref().is_none_or(|live| live.state.stopped())
    }

    /// Refuses every later write.
    pub(crate) fn stop(&self) {
        if let Some(live) = &self.live {
            live.state.stop();
        }
    }

    /// Waits for readers, then closes the file so that it opens again without repair.
    pub(crate) fn close(&self) -> Result<(), Error> {
        let mut guard = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        self.put_away(guard.take());
        match &self.live {
            Some(live) if live.state.stopped() => Err(Error::Stopped),
            _ => Ok(()),
        }
    }
}

impl Segment {
    /// Closes the store. If it is live and neither damaged nor stopped, it opens again without
    /// repair.
    fn put_away(&self, database: Option<Database>) {
        let is_written = matches!(&self.live, Some(live) if !live.state.stopped());
        if is_written && !self.damaged.load(Ordering::Relaxed) {
            close(database);
        } else {
            abandon(database);
        }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        let database = self.database.get_mut();
        let database = database.unwrap_or_else(PoisonError::into_inner).take();
        self.put_away(database);
    }
}

/// Opens a segment's file. The segment is known to exist, so a missing file is damage.
fn open_file(
    disk: &dyn Disk,
    name: &str,
    first_sequence: u64,
    how: OpenHow,
) -> Result<Box<dyn DiskFile>, Error> {
    disk.open(name, how).map_err(|source| match source.kind() {
        ErrorKind::NotFound => Error::damaged(name, first_sequence, "the file is missing"),
        _ => Error::io(name, source),
    })
}

fn open_database(
    name: &str,
    first_sequence: u64,
    cache_bytes: usize,
    backend: impl redb::StorageBackend,
) -> Result<(Database, Header), Error> {
    // redb would create a new database in an empty file.
    let len = backend.len().map_err(|source| Error::io(name, source))?;
    if len == 0 {
        return Err(Error::damaged(name, first_sequence, "the file is empty"));
    }
    let database = contain(name, first_sequence, || {
        Database::builder()
            .set_cache_size(cache_bytes)
            .create_with_backend(backend)
            .map_err(|error| Error::store(name, error))
    })?;
    let header = contain(name, first_sequence, || {
        read_header(&database, name, first_sequence)
    });
    match header {
        Ok(header) => Ok((database, header)),
        Err(error) => {
            abandon(database);
            Err(error)
        }
    }
}

fn write_header(database: &Database, name: &str, header: &Header) -> Result<(), Error> {
    let mut row = Vec::new();
    codec::encode(header, &mut row)?;
    let write = || -> Result<(), redb::Error> {
        let mut transaction = database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        transaction.open_table(FRAMES)?;
        transaction.open_table(PERSONAL)?;
        {
            let mut table = transaction.open_table(HEADER)?;
            table.insert(FORMAT_ROW, FORMAT.to_le_bytes().as_slice())?;
            table.insert(SEGMENT_ROW, row.as_slice())?;
        }
        transaction.commit()?;
        Ok(())
    };
    write().map_err(|error| Error::store(name, error))
}

fn read_header(database: &Database, name: &str, first_sequence: u64) -> Result<Header, Error> {
    let read = |row: &str| -> Result<Option<Vec<u8>>, redb::Error> {
        let table = database.begin_read()?.open_table(HEADER)?;
        let value = table.get(row)?;
        Ok(value.map(|value| value.value().to_vec()))
    };
    let row = |row: &str| {
        read(row)
            .map_err(|error| Error::store(name, error))?
            .ok_or_else(|| Error::damaged(name, first_sequence, "its header is missing"))
    };
    let format = row(FORMAT_ROW)?;
    if format != FORMAT.to_le_bytes() {
        let what = format!("its format {format:?} is not {FORMAT}, this version's");
        return Err(Error::damaged(name, first_sequence, what));
    }
    let header: Header = codec::decode(&row(SEGMENT_ROW)?)
        .map_err(|error| Error::damaged(name, first_sequence, format!("its header: {error}")))?;
    if header.first_sequence != first_sequence {
        let what = format!(
            "its header says that it starts at {}",
            header.first_sequence
        );
        return Err(Error::damaged(name, first_sequence, what));
    }
    Ok(header)
}

/// Stops writes to a file if it is dropped during a panic.
struct StopOnPanic<'a>(&'a WriteState);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop();
        }
    }
}
