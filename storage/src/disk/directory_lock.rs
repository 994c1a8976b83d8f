//! The lock of a data directory, so that only one process uses it.

use crate::error::Error;
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// The file that holds the owner's pid. It is locked in addition to the directory, for file systems
/// on which a directory can't be locked.
const LOCK: &str = "LOCK";

/// The locks of a directory, which the system releases when the files close. The directory itself
/// is locked, so removing or replacing a file in it can't bypass the lock.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    directory: File,
    /// Whether the directory itself is locked, so that the lock file is not needed.
    locks_directory: bool,
    /// The lock file, or `None` if it does not exist and must not be created.
    file: Option<File>,
}

impl DirectoryLock {
    /// Locks the directory. With `makes_file`, also creates the lock file in it if it is missing.
    pub(super) fn acquire(root: &Path, makes_file: bool) -> Result<DirectoryLock, Error> {
        let shown = root.display().to_string();
        let directory = File::open(root).map_err(|source| Error::io(&shown, source))?;
        let mut locks_directory = true;
        match directory.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(locked(root)),
            Err(TryLockError::Error(error)) => {
                // Some network file systems can't lock a directory, so the lock file alone must do.
                locks_directory = false;
                tracing::warn!(directory = shown, %error, "the data directory itself can't be locked");
            }
        }
        let path = root.join(LOCK);
        let mut options = OpenOptions::new();
        options.read(true).write(makes_file).create(makes_file);
        let file = match options.truncate(false).mode(0o600).open(path) {
            Ok(file) => Some(file),
            Err(_) if !makes_file => None,
            Err(source) => return Err(Error::io(LOCK, source)),
        };
        if let Some(mut file) = file.as_ref() {
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(locked(root)),
                Err(TryLockError::Error(source)) => return Err(Error::io(LOCK, source)),
            }
            if makes_file {
                file.set_len(0)
                    .and_then(|()| writeln!(file, "{}", std::process::id()))
                    .map_err(|source| Error::io(LOCK, source))?;
            }
        }
        Ok(DirectoryLock {
            directory,
            locks_directory,
            file,
        })
    }

    /// Returns an error if the path no longer leads to the locked directory.
    pub(super) fn check(&self, root: &Path) -> io::Result<()> {
        if !leads_to(root, &self.directory)? {
            let what = "the data directory was moved or replaced while it was in use";
            return Err(io::Error::other(what));
        }
        if let Some(file) = self.file.as_ref().filter(|_| !self.locks_directory)
            && !leads_to(&root.join(LOCK), file)?
        {
            let what =
                "the lock file of the data directory was removed or replaced while it was in use";
            return Err(io::Error::other(what));
        }
        Ok(())
    }
}

/// Returns whether a path leads to this open file or directory.
fn leads_to(path: &Path, file: &File) -> io::Result<bool> {
    let place = |metadata: Metadata| (metadata.dev(), metadata.ino());
    match std::fs::metadata(path) {
        Ok(found) => Ok(place(found) == place(file.metadata()?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns the error that names the process that holds a directory.
fn locked(root: &Path) -> Error {
    // The pid only helps the operator: if the file can't be read, the message leaves it out.
    let pid = std::fs::read_to_string(root.join(LOCK)).ok();
    Error::Locked {
        directory: root.display().to_string(),
        pid: pid.and_then(|pid| pid.trim().parse().ok()),
    }
}
