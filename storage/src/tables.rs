//! What a segment holds, as it was at one moment: the frames of the chain, in its file and in its
//! tail, and beside them the personal rows.

use crate::error::Error;
use crate::frame::Frame;
use crate::rows;
use crate::tail::{self, Held};
use redb::{Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, TableDefinition};
use redb::{ReadableTableMetadata, TableError};
use std::cell::OnceCell;

/// Rows of frames, by their first sequence; see [`rows`].
pub(crate) const FRAMES: TableDefinition<u64, &[u8]> = TableDefinition::new("frames");
pub(crate) const PERSONAL: TableDefinition<u64, &[u8]> = TableDefinition::new("personal");

/// The tables of a segment within one read transaction, begun when the file is first asked.
pub(crate) struct Tables<'a> {
    name: &'a str,
    database: &'a Database,
    /// Taken before the transaction begins: what is in neither would have left the tail in between,
    /// and what leaves it is in the file.
    tail: Held,
    file: OnceCell<(ReadTransaction, FramesTable)>,
}

type FramesTable = ReadOnlyTable<u64, &'static [u8]>;

impl<'a> Tables<'a> {
    /// The tables as they are now.
    pub(crate) fn new(name: &'a str, database: &'a Database, tail: Held) -> Tables<'a> {
        Tables {
            name,
            database,
            tail,
            file: OnceCell::new(),
        }
    }

    fn file(&self) -> Result<&(ReadTransaction, FramesTable), Error> {
        if let Some(file) = self.file.get() {
            return Ok(file);
        }
        let begin = || -> Result<(ReadTransaction, FramesTable), redb::Error> {
            let transaction = self.database.begin_read()?;
            let frames = transaction.open_table(FRAMES)?;
            Ok((transaction, frames))
        };
        let file = begin().map_err(|error| Error::store(self.name, error))?;
        Ok(self.file.get_or_init(|| file))
    }

    /// The last frame that starts at `sequence` or before.
    pub(crate) fn frame_at(&self, sequence: u64) -> Result<Option<Frame>, Error> {
        let in_tail = self
            .tail
            .partition_point(|frame| frame.first_sequence <= sequence);
        if in_tail > 0 {
            return Ok(Some(self.tail[in_tail - 1].clone()));
        }
        let (_, frames) = self.file()?;
        let mut range = frames
            .range(..=sequence)
            .map_err(|error| Error::store(self.name, error))?;
        let row = range.next_back().transpose();
        let row = row.map_err(|error| Error::store(self.name, error))?;
        let Some((key, value)) = row else {
            return Ok(None);
        };
        rows::frame_at(key.value(), value.value(), sequence)
            .map(Some)
            .map_err(|what| Error::damaged(self.name, key.value(), what))
    }

    /// The segment's last frame.
    pub(crate) fn last(&self) -> Result<Option<Frame>, Error> {
        self.frame_at(u64::MAX)
    }

    /// Frames from the one that starts at `first` on, until they take `bytes_max` or one starts
    /// past `last`.
    pub(crate) fn frames(
        &self,
        first: u64,
        last: u64,
        bytes_max: usize,
    ) -> Result<Vec<Frame>, Error> {
        let mut frames = Vec::new();
        let mut bytes = 0;
        let mut add = |frame: Frame| {
            bytes += frame.bytes_len();
            frames.push(frame);
            bytes < bytes_max
        };
        let tail_first = self
            .tail
            .first()
            .map_or(u64::MAX, |frame| frame.first_sequence);
        let mut room = first <= last;
        if room && first < tail_first {
            let store = |error| Error::store(self.name, redb::Error::from(error));
            let (_, table) = self.file()?;
            let end = last.min(tail_first - 1);
            let start = table.range(..=first).map_err(store)?.next_back();
            let start = start.transpose().map_err(store)?;
            let start = start.map_or(first, |(key, _)| key.value());
            'rows: for row in table.range(start..=end).map_err(store)? {
                let (key, value) = row.map_err(store)?;
                let damaged = |what| Error::damaged(self.name, key.value(), what);
                for lying in rows::walk(key.value(), value.value()) {
                    let lying = lying.map_err(damaged)?;
                    if lying.first_sequence > end || !room {
                        break 'rows;
                    }
                    if lying.first_sequence >= first {
                        let frame = Frame::parse(lying.bytes.to_vec());
                        room = add(frame.map_err(damaged)?);
                    }
                }
            }
        }
        let mut tail = tail::starting_at(&self.tail, first).iter();
        while let Some(frame) = tail
            .next()
            .filter(|frame| room && frame.first_sequence <= last)
        {
            room = add(frame.clone());
        }
        Ok(frames)
    }

    /// The personal fields kept beside a record.
    pub(crate) fn personal(&self, sequence: u64) -> Result<Option<Vec<u8>>, Error> {
        let table = self.personal_table()?;
        let row = table
            .get(sequence)
            .map_err(|error| Error::store(self.name, error))?;
        Ok(row.map(|row| row.value().to_vec()))
    }

    /// Personal rows from the one of `first` on, until they take `bytes_max`.
    pub(crate) fn personal_rows(
        &self,
        first: u64,
        bytes_max: usize,
    ) -> Result<Vec<PersonalBytes>, Error> {
        let store = |error| Error::store(self.name, redb::Error::from(error));
        let (mut rows, mut bytes) = (Vec::new(), 0);
        for row in self.personal_table()?.range(first..).map_err(store)? {
            let (key, value) = row.map_err(store)?;
            bytes += value.value().len();
            rows.push((key.value(), value.value().to_vec()));
            if bytes >= bytes_max {
                break;
            }
        }
        Ok(rows)
    }

    /// How many personal rows there are.
    pub(crate) fn personal_count(&self) -> Result<u64, Error> {
        let count = self.personal_table()?.len();
        count.map_err(|error| Error::store(self.name, error))
    }

    fn personal_table(&self) -> Result<ReadOnlyTable<u64, &'static [u8]>, Error> {
        let (transaction, _) = self.file()?;
        transaction
            .open_table(PERSONAL)
            .map_err(|error: TableError| Error::store(self.name, error))
    }
}

/// A personal row: the record it lies beside, and its bytes.
pub(crate) type PersonalBytes = (u64, Vec<u8>);
