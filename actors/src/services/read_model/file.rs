//! The file of a read model. While the model runs, a file that can't be written is reopened before
//! each further attempt, and a file that turns out to be damaged is rewritten from memory.

use std::sync::{Arc, Mutex, PoisonError};

use florin_storage::{Disk, ViewError, ViewOptions, ViewStore, ViewWrite};

use super::positions::Positions;

/// The table of the model's own rows.
pub(super) const ROWS: &str = "rows";
/// The version of the row format. It is raised when the format of any model's rows changes.
const SCHEMA: u32 = 2;
const CACHE_BYTES: usize = 8 << 20;

/// A function that returns all rows of the model from memory.
pub(super) type Rows = Box<dyn Fn() -> Vec<(Vec<u8>, Vec<u8>)> + Send + Sync>;

/// The file of a read model.
pub(super) struct ModelFile {
    disk: Arc<dyn Disk>,
    name: String,
    /// `None` while the file can't be opened.
    store: Mutex<Option<ViewStore>>,
    rows: Rows,
}

impl ModelFile {
    /// Creates the file of a model from its open store.
    pub(super) fn new(disk: Arc<dyn Disk>, name: &str, store: ViewStore, rows: Rows) -> Self {
        Self {
            disk,
            name: name.to_owned(),
            store: Mutex::new(Some(store)),
            rows,
        }
    }

    /// Returns the name of the file.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Writes to the file in one transaction, after reopening it if it failed before. A file that
    /// had to be recreated first gets the rows and `positions` in memory.
    pub(super) fn write<T>(
        &self,
        positions: &Positions,
        change: impl FnOnce(&mut ViewWrite<'_>) -> Result<T, ViewError>,
    ) -> Result<T, ViewError> {
        let mut kept = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let store = match kept.take() {
            Some(store) if !store.has_failed() && !store.is_damaged() => kept.insert(store),
            broken => {
                // The failed store is closed before the file is opened again.
                drop(broken);
                let (store, is_new) = open_store(self.disk.as_ref(), &self.name)?;
                if is_new {
                    self.write_all(&store, positions)?;
                }
                kept.insert(store)
            }
        };
        store.write(change)
    }

    /// Writes all state in memory to an empty file.
    fn write_all(&self, store: &ViewStore, positions: &Positions) -> Result<(), ViewError> {
        // The positions are copied before the rows: rows that are newer than the positions do no
        // harm, but rows that are older would lose events.
        let positions = positions.rows()?;
        let rows = (self.rows)();
        store.write(|write| {
            for (table, key, value) in &positions {
                write.put(table, key, value)?;
            }
            for (key, value) in &rows {
                write.put(ROWS, key, value)?;
            }
            Ok(())
        })
    }
}

/// Opens a model's file. A damaged file is removed and recreated; the result says whether that
/// happened.
pub(super) fn open_store(disk: &dyn Disk, file: &str) -> Result<(ViewStore, bool), ViewError> {
    let options = ViewOptions {
        cache_bytes: CACHE_BYTES,
        forget_cached: true,
    };
    match ViewStore::open(disk, file, SCHEMA, options) {
        Err(error @ ViewError::Unusable { .. }) => {
            tracing::warn!(%error, "a read model is rebuilt");
            disk.remove(file)
                .map_err(|source| florin_storage::Error::Io {
                    file: file.to_owned(),
                    source,
                })?;
            Ok((ViewStore::open(disk, file, SCHEMA, options)?, true))
        }
        opened => Ok((opened?, false)),
    }
}
