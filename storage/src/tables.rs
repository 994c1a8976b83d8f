//! What a segment's file holds, as it was at one moment: the frames of the chain and, beside them,
//! the personal rows.

use crate::error::Error;
use crate::frame::Frame;
use redb::{
    Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTableMetadata,
    TableDefinition,
};

pub(crate) const FRAMES: TableDefinition<u64, &[u8]> = TableDefinition::new("frames");
pub(crate) const PERSONAL: TableDefinition<u64, &[u8]> = TableDefinition::new("personal");

/// The tables of a segment within one read transaction.
pub(crate) struct Tables<'a> {
    name: &'a str,
    transaction: ReadTransaction,
    frames: ReadOnlyTable<u64, &'static [u8]>,
}

impl<'a> Tables<'a> {
    /// The tables as they are now.
    pub(crate) fn open(name: &'a str, database: &Database) -> Result<Tables<'a>, Error> {
        let store = |error: redb::Error| Error::store(name, error);
        let transaction = database.begin_read().map_err(|error| store(error.into()))?;
        let frames = transaction
            .open_table(FRAMES)
            .map_err(|error| store(error.into()))?;
        Ok(Tables {
            name,
            transaction,
            frames,
        })
    }

    /// The last frame that starts at `sequence` or before.
    pub(crate) fn frame_at(&self, sequence: u64) -> Result<Option<Frame>, Error> {
        let mut range = self
            .frames
            .range(..=sequence)
            .map_err(|error| Error::store(self.name, error))?;
        let row = range.next_back().transpose();
        let row = row.map_err(|error| Error::store(self.name, error))?;
        row.map(|(key, value)| parse(self.name, key.value(), value.value()))
            .transpose()
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
        let store = |error| Error::store(self.name, redb::Error::from(error));
        let mut frames = Vec::new();
        let mut bytes = 0;
        if first > last {
            return Ok(frames);
        }
        for row in self.frames.range(first..=last).map_err(store)? {
            let (key, value) = row.map_err(store)?;
            let frame = parse(self.name, key.value(), value.value())?;
            bytes += frame.bytes_len();
            frames.push(frame);
            if bytes >= bytes_max {
                break;
            }
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

    /// How many frames and how many personal rows there are.
    pub(crate) fn counts(&self) -> Result<(u64, u64), Error> {
        let store = |error| Error::store(self.name, redb::Error::from(error));
        let frames = self.frames.len().map_err(store)?;
        Ok((frames, self.personal_table()?.len().map_err(store)?))
    }

    fn personal_table(&self) -> Result<ReadOnlyTable<u64, &'static [u8]>, Error> {
        self.transaction
            .open_table(PERSONAL)
            .map_err(|error| Error::store(self.name, error))
    }
}

/// A personal row: the record it lies beside, and its bytes.
pub(crate) type PersonalBytes = (u64, Vec<u8>);

fn parse(name: &str, key: u64, value: &[u8]) -> Result<Frame, Error> {
    let frame = Frame::parse(value.to_vec()).map_err(|what| Error::damaged(name, key, what))?;
    if frame.first_sequence != key {
        let what = format!("it says that it starts at {}", frame.first_sequence);
        return Err(Error::damaged(name, key, what));
    }
    Ok(frame)
}
