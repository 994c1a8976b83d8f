//! The backups that a running server makes: one at a time, each into an empty directory.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, TryLockError};

use florin_actors::backup::BackupError;
use florin_actors::kafka::PUBLISHED_FILE;
use florin_actors::runtime::Core;
use florin_config::Settings;
use florin_storage::{Error, FileDisk, Manifest};

use crate::http::{Problem, ProblemCode};

/// The state that backups need in addition to the core.
#[derive(Debug)]
pub struct Backups {
    data_dir: PathBuf,
    free_bytes_min: u64,
    under_way: Mutex<()>,
}

impl Backups {
    /// Creates the state from the settings.
    pub fn new(settings: &Settings) -> Self {
        Self {
            data_dir: settings.server.data_dir.clone(),
            free_bytes_min: settings.disk.free_bytes_min,
            under_way: Mutex::new(()),
        }
    }

    /// Makes a backup in `directory`. If `data_dir` is given, it must be that of this server. It
    /// blocks until the backup is complete, and calls `goes_on` from time to
    /// time: if that returns false, the backup stops.
    ///
    /// # Errors
    /// Returns a problem if the backup is refused or fails.
    pub fn make(
        &self,
        core: &Core,
        directory: &Path,
        data_dir: Option<&Path>,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Manifest, Problem> {
        if !directory.is_absolute() {
            return Err(Problem::malformed("directory", "must be an absolute path"));
        }
        if data_dir.is_some_and(|asked| !same(asked, &self.data_dir)) {
            return Err(refused("this server has another data directory"));
        }
        let _alone = match self.under_way.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(refused("another backup is running")),
        };
        let to = open_empty(directory).map_err(|error| refused(error.to_string()))?;
        let manifest = core.backup(&to, self.free_bytes_min, goes_on);
        let manifest = manifest.map_err(|error| problem(&error))?;
        let carried = carry_mark(&self.data_dir, directory);
        carried.map_err(|error| Problem::new(ProblemCode::BackupFailed, error.to_string()))?;
        tracing::info!(
            records = manifest.sequence,
            head = manifest.head,
            "a backup was made"
        );
        Ok(manifest)
    }
}

/// Opens a directory that does not exist yet or is empty.
///
/// # Errors
/// Returns an error if the directory is not empty, or if the system refuses.
pub fn open_empty(directory: &Path) -> Result<FileDisk, Error> {
    let shown = || directory.display().to_string();
    match std::fs::read_dir(directory).map(|mut entries| entries.next()) {
        Ok(None) => {}
        Ok(Some(_)) => return Err(Error::NotEmpty(shown())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => {
            return Err(Error::Io {
                file: shown(),
                source,
            });
        }
    }
    FileDisk::for_backup(directory)
}

/// Copies the file that says how far the node has published to Kafka, if there is one. Without it,
/// a restored node would publish its whole journal again.
///
/// # Errors
/// Returns an error if the file can't be copied or synced.
pub fn carry_mark(from: &Path, to: &Path) -> io::Result<()> {
    let to = to.join(PUBLISHED_FILE);
    match std::fs::copy(from.join(PUBLISHED_FILE), &to) {
        Ok(_) => std::fs::File::open(&to)?.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

fn refused(why: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(ProblemCode::BackupRefused, why)
}

fn problem(error: &BackupError) -> Problem {
    let code = match error {
        BackupError::Stopped => ProblemCode::ShuttingDown,
        BackupError::Record { .. } => ProblemCode::JournalDamaged,
        BackupError::Storage(Error::NotEmpty(_)) => ProblemCode::BackupRefused,
        BackupError::Storage(error) if error.is_damage() => ProblemCode::JournalDamaged,
        BackupError::Storage(_) | BackupError::NoJournal | BackupError::NoManifest => {
            ProblemCode::BackupFailed
        }
    };
    Problem::new(code, error.to_string())
}
