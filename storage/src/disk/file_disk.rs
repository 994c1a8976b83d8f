//! The real disk: a directory that this process holds alone. Linux is the main platform. On other
//! systems a file can't be dropped from the page cache; everything else works.

#[cfg(target_os = "linux")]
use crate::disk::block_file::BlockFile;
use crate::disk::directory_lock::DirectoryLock;
use crate::disk::interface::{Disk, DiskFile, OpenHow, check_name};
use crate::disk::real_file::RealFile;
use crate::error::Error;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The folders of every data directory.
const FOLDERS: [&str; 2] = ["journal", "views"];
/// The folder of a backup's segments. It differs from the journal's folder: a backup is not a data
/// directory, and must not be opened and written to by mistake.
pub(crate) const BACKUP_FOLDER: &str = "segments";

/// A [`Disk`] on a directory of the file system. The directory is locked for this process as long
/// as the value lives.
#[derive(Debug)]
pub struct FileDisk {
    root: PathBuf,
    lock: Option<DirectoryLock>,
}

impl FileDisk {
    /// Opens and locks the directory. Creates it (mode 0700) and its folders if they are missing.
    ///
    /// # Errors
    /// Returns [`Error::Locked`] if another process holds it, and [`Error::Io`] otherwise.
    pub fn open(directory: impl AsRef<Path>) -> Result<FileDisk, Error> {
        FileDisk::with_folders(directory, &FOLDERS)
    }

    /// Opens a directory for a backup. Creates and locks it as [`FileDisk::open`] does.
    ///
    /// # Errors
    /// Returns the errors of [`FileDisk::open`].
    pub fn for_backup(directory: impl AsRef<Path>) -> Result<FileDisk, Error> {
        FileDisk::with_folders(directory, &[BACKUP_FOLDER])
    }

    /// Creates a disk that is only read, for example a backup. Nothing in the directory is created
    /// or locked.
    pub fn to_read(directory: impl AsRef<Path>) -> FileDisk {
        FileDisk {
            root: directory.as_ref().to_path_buf(),
            lock: None,
        }
    }

    /// Opens an existing directory to read it while no process writes to it. The directory is
    /// locked, and nothing in it is created. To make sure that nothing is written either, wrap it
    /// in a [`crate::ShadowDisk`].
    ///
    /// # Errors
    /// Returns [`Error::Locked`] if another process holds it, and [`Error::Io`] otherwise.
    pub fn to_inspect(directory: impl AsRef<Path>) -> Result<FileDisk, Error> {
        let root = directory.as_ref().to_path_buf();
        let lock = DirectoryLock::acquire(&root, false)?;
        Ok(FileDisk {
            root,
            lock: Some(lock),
        })
    }

    fn with_folders(directory: impl AsRef<Path>, folders: &[&str]) -> Result<FileDisk, Error> {
        let root = directory.as_ref().to_path_buf();
        let shown = root.display().to_string();
        create_root(&root).map_err(|source| Error::io(&shown, source))?;
        let lock = DirectoryLock::acquire(&root, true)?;
        for folder in folders {
            create_folder(&root.join(folder)).map_err(|source| Error::io(folder, source))?;
        }
        sync_folder(&root).map_err(|source| Error::io(&shown, source))?;
        Ok(FileDisk {
            root,
            lock: Some(lock),
        })
    }

    /// Returns the directory as it was passed in.
    pub fn directory(&self) -> &Path {
        &self.root
    }

    fn path(&self, name: &str) -> io::Result<PathBuf> {
        check_name(name)?;
        Ok(self.root.join(name))
    }

    /// Returns the path of a file that is to be created, renamed or removed. It first checks that
    /// the directory is still the locked one, not another one that took its place.
    fn path_to_change(&self, name: &str) -> io::Result<PathBuf> {
        self.check_held()?;
        self.path(name)
    }

    fn sync_parent(&self, path: &Path) -> io::Result<()> {
        sync_folder(path.parent().unwrap_or(&self.root))
    }
}

fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Creates the directory, and syncs every folder that got a new entry.
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

impl Disk for FileDisk {
    fn open(&self, name: &str, how: OpenHow) -> io::Result<Box<dyn DiskFile>> {
        let path = match how {
            OpenHow::Create => self.path_to_change(name)?,
            _ => self.path(name)?,
        };
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
                // Not every file system supports direct I/O.
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
        let path = self.path_to_change(name)?;
        std::fs::remove_file(&path)?;
        self.sync_parent(&path)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.path_to_change(from)?, self.path(to)?);
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
        // A file that is open for reading can be synced too.
        let file = File::open(self.path(name)?)?;
        file.sync_data()?;
        #[cfg(target_os = "linux")]
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        Ok(())
    }

    fn check_held(&self) -> io::Result<()> {
        let lock = self.lock.as_ref();
        lock.map_or(Ok(()), |lock| lock.check(&self.root))
    }
}
