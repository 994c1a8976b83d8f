//! A small store for views: byte keys to byte values in named tables, with the journal position
//! they reach, in one file. A view that cannot be read is removed and rebuilt by its owner.

use crate::containment::{NOT_UNDERSTOOD, abandon, caught, close};
use crate::disk::{Disk, DiskFile, OpenHow};
use crate::error::Error;
use crate::redb_file::{RedbFile, WriteState};
use crate::view_access::{ViewRead, ViewWrite};
use redb::{Database, Durability, ReadableDatabase};
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What can go wrong with a view.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// The file is damaged or of another schema: remove it and rebuild the view.
    #[error("{file}: this view has to be rebuilt: {reason}")]
    Unusable {
        /// The file's name inside the store's directory.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] Error),
}

/// How far into the journal a view reaches: compare the link with the journal's to see that both
/// speak of the same history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The last record the view contains, 0 for none.
    pub sequence: u64,
    /// The link of the frame that record is in.
    pub link: [u8; 32],
}

/// How a view is kept. The default suits a busy one.
#[derive(Debug, Clone, Copy)]
pub struct ViewOptions {
    /// Memory to cache the file. Default 64 MiB.
    pub cache_bytes: usize,
    /// Whether to drop the file from the page cache before opening it: needed unless the last
    /// run ended cleanly. Default true.
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
}

/// A view's file as all who use it share it: its name, and whether it turned out to be damaged.
#[derive(Debug)]
pub(crate) struct ViewFile {
    name: String,
    damaged: AtomicBool,
}

impl ViewStore {
    /// Opens a view's file, or makes an empty one. Every page of it is checked: after a crash by
    /// the embedded store's own recovery, else here; and from then on whenever it is read again.
    ///
    /// # Errors
    /// [`ViewError::Unusable`] if the file is damaged or was written with another
    /// `schema_version`, [`ViewError::Disk`] if the disk refused.
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
        let opened: Arc<dyn DiskFile> = Arc::from(disk.open(name, OpenHow::Create).map_err(io)?);
        let is_new = opened.is_empty().map_err(io)?;
        let backend = RedbFile::new(opened, Arc::new(WriteState::default())).with_sums();
        let file = ViewFile {
            name: name.to_owned(),
            damaged: AtomicBool::new(false),
        };
        let recovered = Arc::new(AtomicBool::new(false));
        let noted = Arc::clone(&recovered);
        let mut database = file.guard(|| {
            let mut builder = Database::builder();
            builder.set_cache_size(options.cache_bytes);
            builder.set_repair_callback(move |_| noted.store(true, Ordering::Relaxed));
            Ok(builder.create_with_backend(backend)?)
        })?;
        if !is_new && !recovered.load(Ordering::Relaxed) {
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
        };
        store.check_schema(schema_version)?;
        Ok(store)
    }

    /// Runs `change` and makes all it wrote durable in one transaction; nothing of it if it
    /// fails.
    ///
    /// # Errors
    /// What `change` returns, or [`ViewError::Disk`] if the disk refused: it is unknown then
    /// whether the change is durable, and nothing more is written to this file.
    pub fn write<R>(
        &self,
        change: impl FnOnce(&mut ViewWrite<'_>) -> Result<R, ViewError>,
    ) -> Result<R, ViewError> {
        let database = self.database()?;
        let transaction = self.file.guard(|| {
            let mut transaction = database.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            // Written seldom and in bulk: a start after a crash need not read all of the file.
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

    /// The view as it is now; later writes do not show in it.
    ///
    /// # Errors
    /// [`ViewError`], if the file cannot be read.
    pub fn read(&self) -> Result<ViewRead, ViewError> {
        let database = self.database()?;
        let transaction = self.file.guard(|| Ok(database.begin_read()?))?;
        Ok(ViewRead::new(Arc::clone(&self.file), transaction))
    }

    /// How far the view reaches; `None` if nothing was written yet.
    ///
    /// # Errors
    /// [`ViewError`], if the file cannot be read.
    pub fn position(&self) -> Result<Option<Position>, ViewError> {
        self.read()?.position()
    }

    /// Whether anything read from it was not as it was written: it has to be rebuilt.
    pub fn is_damaged(&self) -> bool {
        self.file.damaged.load(Ordering::Relaxed)
    }

    /// There from opening to dropping.
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

impl ViewFile {
    /// The error that says that the file is damaged; from now on it is known to be.
    pub(crate) fn unusable(&self, reason: impl Into<String>) -> ViewError {
        self.damaged.store(true, Ordering::Relaxed);
        ViewError::Unusable {
            file: self.name.clone(),
            reason: reason.into(),
        }
    }

    /// Runs `work` on the file. A panic of the store inside says that the file is damaged.
    pub(crate) fn guard<R>(
        &self,
        work: impl FnOnce() -> Result<R, redb::Error>,
    ) -> Result<R, ViewError> {
        match caught(work) {
            Ok(result) => result.map_err(|error| self.sort(error)),
            Err(_) => Err(self.unusable(NOT_UNDERSTOOD)),
        }
    }

    /// A disk that refuses is not the view's fault; everything else is. After a damaged page the
    /// embedded store refuses everything: that is the damage still.
    fn sort(&self, error: redb::Error) -> ViewError {
        match error {
            // Also what points past the file's end.
            redb::Error::Io(source)
                if !matches!(
                    source.kind(),
                    ErrorKind::InvalidData | ErrorKind::UnexpectedEof
                ) =>
            {
                ViewError::Disk(Error::io(&self.name, source))
            }
            redb::Error::PreviousIo if self.damaged.load(Ordering::Relaxed) => {
                self.unusable("it was found damaged before")
            }
            error @ (redb::Error::PreviousIo
            | redb::Error::ValueTooLarge(_)
            | redb::Error::DatabaseClosed) => ViewError::Disk(Error::store(&self.name, error)),
            error => self.unusable(error.to_string()),
        }
    }
}
