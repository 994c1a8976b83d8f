//! A small store for views: byte keys and values in named tables, and the journal position that
//! they reach, in one file. A view that cannot be read is removed and rebuilt by its owner.

use crate::disk::interface::{Disk, DiskFile, OpenHow};
use crate::error::Error;
use crate::store::containment::{abandon, close};
use crate::store::redb_file::{RedbFile, WriteState};
use crate::views::access::{ViewRead, ViewWrite};
use crate::views::file::{Position, ViewError, ViewFile};
use redb::{Database, Durability, ReadableDatabase};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The options of a view. The default suits a busy view.
#[derive(Debug, Clone, Copy)]
pub struct ViewOptions {
    /// The size of the file's cache in bytes. Default 64 MiB.
    pub cache_bytes: usize,
    /// Whether to drop the file from the page cache before opening it. This is needed unless the
    /// last run ended cleanly. Default true.
    pub forget_cached: bool,
}

impl Default for ViewOptions {
    fn default() -> ViewOptions {
        ViewOptions {
            cache_bytes: 64 * 1024 * 1024,
            forget_cached: true,
        }
    }
}

/// An open view file.
#[derive(Debug)]
pub struct ViewStore {
    file: Arc<ViewFile>,
    database: Option<Database>,
    writes: Arc<WriteState>,
}

impl ViewStore {
    /// Opens a view's file, or creates an empty one that is durable under its name when this
    /// returns. Every page of the file is checked: after a crash by the embedded store's own
    /// recovery, otherwise here, and later whenever the page is read again.
    ///
    /// # Errors
    /// Returns [`ViewError::Unusable`] if the file is damaged or was written with another
    /// `schema_version`, and [`ViewError::Disk`] if the disk failed.
    pub fn open(
        disk: &dyn Disk,
        name: &str,
        schema_version: u32,
        options: ViewOptions,
    ) -> Result<ViewStore, ViewError> {
        let io = |source| Error::io(name, source);
        if options.forget_cached && disk.exists(name).map_err(io)? {
            disk.forget_cached(name).map_err(io)?;
        }
        let exists = disk.exists(name).map_err(io)?;
        // A new file is created under a temporary name and renamed once it can be opened. A crash
        // in between leaves no incomplete view that would look like a damaged one.
        let made_as = format!("{name}.tmp");
        let opened: Arc<dyn DiskFile> = Arc::from(match exists {
            true => disk.open(name, OpenHow::Existing).map_err(io)?,
            false => disk.open(&made_as, OpenHow::Create).map_err(io)?,
        });
        if !exists {
            opened.set_len(0).map_err(io)?;
        }
        let writes = Arc::new(WriteState::default());
        let backend = RedbFile::new(opened, Arc::clone(&writes)).with_sums();
        let file = ViewFile::new(name);
        let recovered = Arc::new(AtomicBool::new(false));
        let noted = Arc::clone(&recovered);
        let mut database = file.guard(|| {
            let mut builder = Database::builder();
            builder.set_cache_size(options.cache_bytes);
            builder.set_repair_callback(move |_| noted.store(true, Ordering::Relaxed));
            Ok(builder.create_with_backend(backend)?)
        })?;
        if exists && !recovered.load(Ordering::Relaxed) {
            let whole = file.guard(|| Ok(database.check_integrity()?));
            let whole = whole.and_then(|whole| match whole {
                true => Ok(()),
                false => Err(file.unusable("its pages are not as they were written")),
            });
            if let Err(error) = whole {
                abandon(database);
                return Err(error);
            }
        }
        let store = ViewStore {
            file: Arc::new(file),
            database: Some(database),
            writes,
        };
        store.check_schema(schema_version)?;
        if !exists {
            disk.rename(&made_as, name).map_err(io)?;
        }
        Ok(store)
    }

    /// Runs `change` and makes all its changes durable in one transaction. If `change` fails, none
    /// of them is kept.
    ///
    /// # Errors
    /// Returns the error of `change`, or [`ViewError::Disk`] if the disk failed. It is then unknown
    /// whether the change is durable, and nothing more is written to this file.
    pub fn write<R>(
        &self,
        change: impl FnOnce(&mut ViewWrite<'_>) -> Result<R, ViewError>,
    ) -> Result<R, ViewError> {
        let database = self.database()?;
        let transaction = self.file.guard(|| {
            let mut transaction = database.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            // Views are written rarely and in bulk. With quick repair, a start after a crash need
            // not read the whole file.
            transaction.set_quick_repair(true);
            Ok(transaction)
        })?;
        let mut write = ViewWrite::new(&self.file, &transaction);
        let result = change(&mut write);
        close(write);
        if result.is_err() {
            close(transaction);
            return result;
        }
        self.file.guard(|| Ok(transaction.commit()?))?;
        result
    }

    /// Returns a snapshot of the view. Later writes do not show in it.
    ///
    /// # Errors
    /// Returns [`ViewError`] if the file cannot be read.
    pub fn read(&self) -> Result<ViewRead, ViewError> {
        let database = self.database()?;
        let transaction = self.file.guard(|| Ok(database.begin_read()?))?;
        Ok(ViewRead::new(Arc::clone(&self.file), transaction))
    }

    /// Returns the journal position that the view reaches, or `None` if nothing was written yet.
    ///
    /// # Errors
    /// Returns [`ViewError`] if the file cannot be read.
    pub fn position(&self) -> Result<Option<Position>, ViewError> {
        self.read()?.position()
    }

    /// Returns whether damage was found in the file; the view then has to be rebuilt.
    pub fn is_damaged(&self) -> bool {
        self.file.is_damaged()
    }

    /// Returns whether a write or a sync failed. The file then takes no more writes until it is
    /// opened again. It may be opened again while this value still exists: the old value writes
    /// nothing more, not even when it is dropped.
    pub fn has_failed(&self) -> bool {
        self.writes.stopped()
    }

    /// The database exists from opening to dropping.
    fn database(&self) -> Result<&Database, ViewError> {
        let database = self.database.as_ref();
        database.ok_or_else(|| self.file.unusable("it is closed"))
    }

    fn check_schema(&self, schema_version: u32) -> Result<(), ViewError> {
        match self.read()?.schema()? {
            Some(found) if found == schema_version => Ok(()),
            Some(found) => Err(self.file.unusable(format!(
                "its schema is {found}, this version's is {schema_version}"
            ))),
            None => self.write(|write| write.set_schema(schema_version)),
        }
    }
}

impl Drop for ViewStore {
    fn drop(&mut self) {
        if self.is_damaged() {
            abandon(self.database.take());
        } else {
            close(self.database.take());
        }
    }
}
