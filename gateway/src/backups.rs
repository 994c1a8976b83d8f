//! The backups that a running server makes: one at a time, into an empty directory.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, TryLockError};

use florin_actors::backup::BackupError;
use florin_actors::runtime::Core;
use florin_config::Settings;
use florin_storage::{Error, FileDisk};

use crate::codes::ProblemCode;
use crate::dto::{BackupBody, BackupRequest};
use crate::problem::Problem;

/// What backups need beside the core.
#[derive(Debug)]
pub struct Backups {
    data_dir: PathBuf,
    free_bytes_min: u64,
    under_way: Mutex<()>,
}

impl Backups {
    /// From the settings.
    pub fn new(settings: &Settings) -> Self {
        Self {
            data_dir: settings.server.data_dir.clone(),
            free_bytes_min: settings.disk.free_bytes_min,
            under_way: Mutex::new(()),
        }
    }

    /// Makes a backup. Blocks for as long as that takes; `goes_on` is asked now and then.
    ///
    /// # Errors
    /// Why there is none.
    pub fn make(
        &self,
        core: &Core,
        request: &BackupRequest,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<BackupBody, Problem> {
        let directory = Path::new(&request.directory);
        if !directory.is_absolute() {
            return Err(Problem::malformed("directory", "must be an absolute path"));
        }
        let data_dir = request.data_dir.as_ref().map(Path::new);
        if data_dir.is_some_and(|asked| !same(asked, &self.data_dir)) {
            return Err(refused("this server has another data directory"));
        }
        let _alone = match self.under_way.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(refused("another backup is under way")),
        };
        let to = open_empty(directory).map_err(|error| refused(error.to_string()))?;
        let manifest = core.backup(&to, self.free_bytes_min, goes_on);
        let manifest = manifest.map_err(|error| problem(&error))?;
        tracing::info!(
            records = manifest.sequence,
            head = manifest.head,
            "a backup is made"
        );
        Ok(BackupBody::new(request.directory.clone(), &manifest))
    }
}

/// Opens a directory that is missing or empty.
///
/// # Errors
/// There is something in it, or the system refuses.
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
        _ => ProblemCode::BackupFailed,
    };
    Problem::new(code, error.to_string())
}
