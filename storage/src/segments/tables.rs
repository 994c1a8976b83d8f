//! The content of a segment at one moment: the frames of the chain, in its file and in its tail,
//! and the personal rows beside them.

use crate::error::Error;
use crate::segments::frame::{Frame, Link};
use crate::segments::personal::PersonalBytes;
use crate::segments::rows;
use crate::segments::tail::{self, Held};
use redb::{Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, TableDefinition};
use redb::{ReadableTableMetadata, TableError};
use std::cell::OnceCell;

/// The rows of frames, by their first sequence; see [`rows`].
pub(crate) const FRAMES: TableDefinition<u64, &[u8]> = TableDefinition::new("frames");
pub(crate) const PERSONAL: TableDefinition<u64, &[u8]> = TableDefinition::new("personal");

/// The tables of a segment within one read transaction, which begins at the first read from the
/// file.
pub(crate) struct Tables<'a> {
    name: &'a str,
    database: &'a Database,
    /// The tail, taken before the transaction begins. A frame that leaves the tail later is already
    /// in the file. If the tail were taken after the transaction began, a frame could be in
    /// neither.
    tail: Held,
    file: OnceCell<(ReadTransaction, FramesTable)>,
}

type FramesTable = ReadOnlyTable<u64, &'static [u8]>;

impl<'a> Tables<'a> {
    /// Creates the tables as of now.
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

    /// Returns the last frame that starts at `sequence` or before.
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

    /// Returns the segment's last frame.
    pub(crate) fn last(&self) -> Result<Option<Frame>, Error> {
        self.frame_at(u64::MAX)
    }

    /// Returns the frames from the one that starts at `first` on, until they take `bytes_max` bytes
    /// or one starts past `last`. Each frame is checked to follow the one before it.
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
            let mut before: Option<(u64, Link)> = None;
            'rows: for row in table.range(start..=end).map_err(store)? {
                let (key, value) = row.map_err(store)?;
                let damaged = |what| Error::damaged(self.name, key.value(), what);
                for raw in rows::walk(key.value(), value.value()) {
                    let raw = raw.map_err(damaged)?;
                    if raw.first_sequence > end || !room {
                        break 'rows;
                    }
                    if raw.first_sequence >= first {
                        let at = raw.first_sequence;
                        let damaged = |what| Error::damaged(self.name, at, what);
                        let frame = Frame::parse(raw.bytes.to_vec()).map_err(damaged)?;
                        check_follows(first, before, &frame).map_err(damaged)?;
                        before = Some((frame.last_sequence, frame.link));
                        room = add(frame);
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

    /// Returns the personal row beside a record, or `None` if there is no row.
    pub(crate) fn personal(&self, sequence: u64) -> Result<Option<PersonalBytes>, Error> {
        let table = self.personal_table()?;
        let row = table
            .get(sequence)
            .map_err(|error| Error::store(self.name, error))?;
        row.map(|row| PersonalBytes::parse(self.name, sequence, row.value()))
            .transpose()
    }

    /// Returns the personal rows from sequence `first` on, until they take `bytes_max` bytes.
    pub(crate) fn personal_rows(
        &self,
        first: u64,
        bytes_max: usize,
    ) -> Result<Vec<(u64, PersonalBytes)>, Error> {
        let store = |error| Error::store(self.name, redb::Error::from(error));
        let (mut rows, mut bytes) = (Vec::new(), 0);
        for row in self.personal_table()?.range(first..).map_err(store)? {
            let (key, value) = row.map_err(store)?;
            bytes += value.value().len();
            let row = PersonalBytes::parse(self.name, key.value(), value.value())?;
            rows.push((key.value(), row));
            if bytes >= bytes_max {
                break;
            }
        }
        Ok(rows)
    }

    /// Returns the number of personal rows, erasure marks included.
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

/// Returns an error if a frame is not the next one of a walk that begins at `first`.
fn check_follows(first: u64, before: Option<(u64, Link)>, frame: &Frame) -> Result<(), String> {
    match before {
        None if frame.first_sequence != first => {
            Err(format!("the frame of record {first} is missing"))
        }
        Some((sequence, _)) if sequence.checked_add(1) != Some(frame.first_sequence) => {
            Err(format!("the frame before it ends at {sequence}"))
        }
        Some((_, link)) if link != frame.previous_link => {
            Err("it is not linked to the frame before it".to_owned())
        }
        _ => Ok(()),
    }
}
