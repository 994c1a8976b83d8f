//! The real disk: a directory that this process holds alone. Linux is the home; elsewhere
//! nothing can be dropped from the page cache, and the rest works.

#[cfg(target_os = "linux")]
use crate::block_file::BlockFile;
use crate::disk::{Disk, DiskFile, OpenHow, check_name};
use crate::error::Error;
use crate::real_file::RealFile;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The file whose lock says who owns the directory; it holds the owner's pid.
const LOCK: &str = "LOCK";
/// The folders every directory has.
const FOLDERS: [&str; 2] = ["journal", "views"];

/// A [`Disk`] on a directory of the file system, locked for this process as long as it lives.
#[derive(Debug)]
pub struct FileDisk {
    root: PathBuf,
    // Held for its lock, which the system lets go when the file closes.
    _lock: Option<File>,
}

impl FileDisk {
    /// Opens the directory, creating it (mode 0700) and its folders, and locks it.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process holds it, [`Error::Io`] for the rest.
    pub fn open(directory: impl AsRef<Path>) -> Result<FileDisk, Error> {
        FileDisk::with_folders(directory, &FOLDERS)
    }

    /// Opens a directory for a backup, creating and locking it as [`FileDisk::open`] does.
    ///
    /// # Errors
    /// As [`FileDisk::open`].
    pub fn for_backup(directory: impl AsRef<Path>) -> Result<FileDisk, Error> {
        FileDisk::with_folders(directory, &[crate::backup::FOLDER])
    }

    /// A directory to be read only, as that of a backup: nothing in it is made or locked.
    pub fn to_read(directory: impl AsRef<Path>) -> FileDisk {
        FileDisk {
            root: directory.as_ref().to_path_buf(),
            _lock: None,
        }
    }

    fn with_folders(directory: impl AsRef<Path>, folders: &[&str]) -> Result<FileDisk, Error> {
        let root = directory.as_ref().to_path_buf();
        let shown = root.display().to_string();
        create_root(&root).map_err(|source| Error::io(&shown, source))?;
        let lock = lock(&root)?;
        for folder in folders {
            create_folder(&root.join(folder)).map_err(|source| Error::io(folder, source))?;
        }
        sync_folder(&root).map_err(|source| Error::io(&shown, source))?;
        Ok(FileDisk {
            root,
            _lock: Some(lock),
        })
    }

    /// The directory, as it was given.
    pub fn directory(&self) -> &Path {
        &self.root
    }

    fn path(&self, name: &str) -> io::Result<PathBuf> {
        check_name(name)?;
        Ok(self.root.join(name))
    }

    fn sync_parent(&self, path: &Path) -> io::Result<()> {
        sync_folder(path.parent().unwrap_or(&self.root))
    }
}

fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Creates the directory, and syncs those that got an entry by that.
fn create_root(root: &Path) -> io::Result<()> {
    let missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    let made: Vec<&Path> = root.ancestors().take_while(missing).collect();
    create_folder(root)?;
    for folder in made {
        let within = folder.parent().filter(|path| !path.as_os_str().is_empty());
        sync_folder(within.unwrap_or(Path::new(".")))?;
    }
    Ok(())
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn lock(root: &Path) -> Result<File, Error> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(root.join(LOCK))
        .map_err(|source| Error::io(LOCK, source))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut held_by = String::new();
            // The pid is a courtesy: a file that cannot be read leaves it out.
            let _ = file.read_to_string(&mut held_by);
            return Err(Error::Locked {
                directory: root.display().to_string(),
                pid: held_by.trim().parse().ok(),
            });
        }
        Err(TryLockError::Error(source)) => return Err(Error::io(LOCK, source)),
    }
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(|source| Error::io(LOCK, source))?;
    Ok(file)
}

impl Disk for FileDisk {
    fn open(&self, name: &str, how: OpenHow) -> io::Result<Box<dyn DiskFile>> {
        let path = self.path(name)?;
        let mut options = OpenOptions::new();
        options.read(true).write(how != OpenHow::Read).mode(0o600);
        if how == OpenHow::Create && !path.try_exists()? {
            let file = options.create(true).truncate(false).open(&path)?;
            self.sync_parent(&path)?;
            return Ok(Box::new(RealFile(file)));
        }
        let file = RealFile(options.open(&path)?);
        #[cfg(target_os = "linux")]
        if how == OpenHow::Blocks {
            let direct = rustix::fs::OFlags::DIRECT.bits().cast_signed();
            match options.custom_flags(direct).open(&path) {
                Ok(direct) => return Ok(Box::new(BlockFile::new(direct, file))),
                // Not every file system can.
                Err(error)
                    if error.raw_os_error() == Some(rustix::io::Errno::INVAL.raw_os_error()) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Box::new(file))
    }

    fn exists(&self, name: &str) -> io::Result<bool> {
        self.path(name)?.try_exists()
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let entries = match std::fs::read_dir(self.path(folder)?) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let path = self.path(name)?;
        std::fs::remove_file(&path)?;
        self.sync_parent(&path)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.path(from)?, self.path(to)?);
        std::fs::rename(&from, &to)?;
        if from.parent() != to.parent() {
            self.sync_parent(&from)?;
        }
        self.sync_parent(&to)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let space = rustix::fs::statvfs(&self.root)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    fn forget_cached(&self, name: &str) -> io::Result<()> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.path(name)?)?;
        file.sync_data()?;
        #[cfg(target_os = "linux")]
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        Ok(())
    }
}
