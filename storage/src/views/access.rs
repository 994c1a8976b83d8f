//! Access to a view's file: the changes of one transaction, and a snapshot of the view at one
//! moment.

use crate::codec;
use crate::views::file::{Position, ViewError, ViewFile};
use redb::{
    AccessGuard, ReadOnlyTable, ReadTransaction, ReadableTable, StorageError, Table,
    TableDefinition, TableError, WriteTransaction,
};
use std::collections::HashMap;
use std::ops::RangeBounds;
use std::sync::Arc;

type Definition<'a> = TableDefinition<'a, &'static [u8], &'static [u8]>;
type Rows<'t> = Table<'t, &'static [u8], &'static [u8]>;
type ReadRows = ReadOnlyTable<&'static [u8], &'static [u8]>;
type RowRange = redb::Range<'static, &'static [u8], &'static [u8]>;
type Cell = AccessGuard<'static, &'static [u8]>;
/// A key and its value.
type Row = (Vec<u8>, Vec<u8>);

/// The store's own table. A caller's table name has a prefix, so it never collides with this one.
const META: &str = "meta";
const SCHEMA_ROW: &[u8] = b"schema";
const POSITION_ROW: &[u8] = b"position";

/// The changes of one [`crate::ViewStore::write`].
pub struct ViewWrite<'t> {
    file: &'t ViewFile,
    transaction: &'t WriteTransaction,
    tables: HashMap<String, Rows<'t>>,
}

impl std::fmt::Debug for ViewWrite<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ViewWrite")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl<'t> ViewWrite<'t> {
    pub(crate) fn new(file: &'t ViewFile, transaction: &'t WriteTransaction) -> ViewWrite<'t> {
        ViewWrite {
            file,
            transaction,
            tables: HashMap::new(),
        }
    }

    /// Sets a row. Sorted keys are several times cheaper than random ones.
    ///
    /// # Errors
    /// Returns [`ViewError`] if the disk failed.
    pub fn put(&mut self, table: &str, key: &[u8], value: &[u8]) -> Result<(), ViewError> {
        let file = self.file;
        let table = self.table(table)?;
        file.guard(|| Ok(table.insert(key, value).map(drop)?))
    }

    /// Removes a row, if it exists.
    ///
    /// # Errors
    /// Returns [`ViewError`] if the disk failed.
    pub fn remove(&mut self, table: &str, key: &[u8]) -> Result<(), ViewError> {
        let file = self.file;
        let table = self.table(table)?;
        file.guard(|| Ok(table.remove(key).map(drop)?))
    }

    /// Returns a row, with the changes of this transaction.
    ///
    /// # Errors
    /// Returns [`ViewError`] if the disk failed.
    pub fn get(&mut self, table: &str, key: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        let file = self.file;
        let table = self.table(table)?;
        file.guard(|| Ok(table.get(key)?.map(|row| row.value().to_vec())))
    }

    /// Records the journal position that the view reaches with this transaction.
    ///
    /// # Errors
    /// Returns [`ViewError`] if the disk failed.
    pub fn set_position(&mut self, position: Position) -> Result<(), ViewError> {
        let mut row = Vec::new();
        codec::encode(&position, &mut row)?;
        self.put_own(POSITION_ROW, &row)
    }

    pub(crate) fn set_schema(&mut self, version: u32) -> Result<(), ViewError> {
        self.put_own(SCHEMA_ROW, &version.to_le_bytes())
    }

    fn put_own(&mut self, key: &[u8], value: &[u8]) -> Result<(), ViewError> {
        self.file.guard(|| {
            let mut table = self.transaction.open_table(Definition::new(META))?;
            table.insert(key, value)?;
            Ok(())
        })
    }

    fn table(&mut self, name: &str) -> Result<&mut Rows<'t>, ViewError> {
        if !self.tables.contains_key(name) {
            let kept = kept_name(name);
            let table = self
                .file
                .guard(|| Ok(self.transaction.open_table(Definition::new(&kept))?))?;
            self.tables.insert(name.to_owned(), table);
        }
        self.tables
            .get_mut(name)
            .ok_or_else(|| self.file.unusable("a table is missing"))
    }
}

/// A snapshot of a view, taken by [`crate::ViewStore::read`].
#[derive(Debug)]
pub struct ViewRead {
    file: Arc<ViewFile>,
    transaction: ReadTransaction,
}

impl ViewRead {
    pub(crate) fn new(file: Arc<ViewFile>, transaction: ReadTransaction) -> ViewRead {
        ViewRead { file, transaction }
    }

    /// Returns a row's value, or `None` if there is no such row or table.
    ///
    /// # Errors
    /// Returns [`ViewError`] if the file cannot be read.
    pub fn get(&self, table: &str, key: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        self.get_in(&kept_name(table), key)
    }

    /// Returns the rows whose keys lie in `keys`, in order. The iterator works from either end.
    ///
    /// # Errors
    /// Returns [`ViewError`] if the file cannot be read.
    pub fn range<'k>(
        &self,
        table: &str,
        keys: impl RangeBounds<&'k [u8]> + 'k,
    ) -> Result<ViewRange, ViewError> {
        let rows = self.file.guard(|| match self.table(&kept_name(table))? {
            Some(table) => Ok(Some(table.range(keys)?)),
            None => Ok(None),
        })?;
        Ok(ViewRange {
            file: Arc::clone(&self.file),
            rows,
        })
    }

    /// Returns the journal position that the view reaches, or `None` if nothing was written yet.
    ///
    /// # Errors
    /// Returns [`ViewError`] if the file cannot be read.
    pub fn position(&self) -> Result<Option<Position>, ViewError> {
        let Some(row) = self.get_in(META, POSITION_ROW)? else {
            return Ok(None);
        };
        codec::decode(&row)
            .map(Some)
            .map_err(|error| self.file.unusable(error.to_string()))
    }

    pub(crate) fn schema(&self) -> Result<Option<u32>, ViewError> {
        let Some(row) = self.get_in(META, SCHEMA_ROW)? else {
            return Ok(None);
        };
        let row = <[u8; 4]>::try_from(row.as_slice());
        row.map(|row| Some(u32::from_le_bytes(row)))
            .map_err(|_| self.file.unusable("its schema is not a number"))
    }

    fn get_in(&self, table: &str, key: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        self.file.guard(|| {
            let Some(table) = self.table(table)? else {
                return Ok(None);
            };
            Ok(table.get(key)?.map(|row| row.value().to_vec()))
        })
    }

    fn table(&self, kept: &str) -> Result<Option<ReadRows>, redb::Error> {
        match self.transaction.open_table(Definition::new(kept)) {
            Ok(table) => Ok(Some(table)),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// An iterator over the rows of a table, see [`ViewRead::range`]. It ends after an error.
pub struct ViewRange {
    file: Arc<ViewFile>,
    rows: Option<RowRange>,
}

impl std::fmt::Debug for ViewRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ViewRange")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl ViewRange {
    fn take(
        &mut self,
        next: impl FnOnce(&mut RowRange) -> Option<Result<(Cell, Cell), StorageError>>,
    ) -> Option<Result<Row, ViewError>> {
        let rows = self.rows.as_mut()?;
        let row = self.file.guard(|| {
            let Some(row) = next(rows) else {
                return Ok(None);
            };
            let (key, value) = row?;
            Ok(Some((key.value().to_vec(), value.value().to_vec())))
        });
        if row.is_err() {
            self.rows = None;
        }
        row.transpose()
    }
}

impl Iterator for ViewRange {
    type Item = Result<Row, ViewError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.take(Iterator::next)
    }
}

impl DoubleEndedIterator for ViewRange {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.take(DoubleEndedIterator::next_back)
    }
}

fn kept_name(table: &str) -> String {
    format!("table/{table}")
}
