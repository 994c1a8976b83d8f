//! The [`Disk`] trait: the few file operations that storage needs. [`crate::FileDisk`] is the real
//! implementation; a simulated one loses, tears and fails writes on command.

use std::fmt::Debug;
use std::io;

/// How [`Disk::open`] opens a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenHow {
    /// For reading and writing; the file must exist.
    Existing,
    /// For reading and writing; a missing file is created empty, and its folder synced.
    Create,
    /// For reading only; the file must exist.
    Read,
    /// Like [`OpenHow::Existing`], for a file whose blocks all exist and are written as a whole,
    /// each at a multiple of [`BLOCK`]. Writes bypass the page cache where the system can do that.
    Blocks,
}

/// The block size in bytes. A write to a file opened with [`OpenHow::Blocks`] starts and ends at a
/// multiple of it. It is the size of a page, and at least a sector of any disk in use.
pub const BLOCK: usize = 4_096;

/// A directory of files. Names are relative, with `/` between folder and file.
///
/// A creation, rename or removal that returned `Ok` survives a crash, because the folder is synced.
/// Bytes written to a file survive a crash only after [`DiskFile::sync`].
pub trait Disk: Send + Sync + Debug + 'static {
    /// Opens a file.
    ///
    /// # Errors
    /// Returns `NotFound` for a missing file (except with [`OpenHow::Create`]), or the system's
    /// error.
    fn open(&self, name: &str, how: OpenHow) -> io::Result<Box<dyn DiskFile>>;

    /// Returns whether a file of that name exists.
    ///
    /// # Errors
    /// Returns the system's error.
    fn exists(&self, name: &str) -> io::Result<bool>;

    /// Returns the sorted names of the files in a folder, without the folder's name. Returns no
    /// names if the folder is missing.
    ///
    /// # Errors
    /// Returns the system's error.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;

    /// Removes a file and syncs its folder.
    ///
    /// # Errors
    /// Returns `NotFound` for a missing file, or the system's error.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Renames a file atomically, replacing `to`, and syncs the folders.
    ///
    /// # Errors
    /// Returns `NotFound` for a missing file, or the system's error.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Returns the number of bytes that can still be written.
    ///
    /// # Errors
    /// Returns the system's error.
    fn free_bytes(&self) -> io::Result<u64>;

    /// Syncs a file and drops it from the page cache, so that the next read returns the content of
    /// the disk.
    ///
    /// # Errors
    /// Returns `NotFound` for a missing file, or the system's error.
    fn forget_cached(&self, name: &str) -> io::Result<()>;

    /// Checks that the directory is still the one that this process holds alone. It should be
    /// called from time to time: a directory that was moved or replaced must not be written to.
    ///
    /// # Errors
    /// Returns an error if the directory was moved or replaced, or the system's error.
    fn check_held(&self) -> io::Result<()> {
        Ok(())
    }
}

/// An open file. All methods take `&self`, because the readers and the writer share it.
pub trait DiskFile: Send + Sync + Debug {
    /// Returns the file's length in bytes.
    ///
    /// # Errors
    /// Returns the system's error.
    fn len(&self) -> io::Result<u64>;

    /// Returns whether the file has no bytes.
    ///
    /// # Errors
    /// Returns the system's error.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Returns the number of bytes that the file takes on the disk. It is less than the length if
    /// the file has holes.
    ///
    /// # Errors
    /// Returns the system's error.
    fn allocated_bytes(&self) -> io::Result<u64>;

    /// Fills `out` with the bytes from `offset` on.
    ///
    /// # Errors
    /// Returns `UnexpectedEof` if the file ends too early, or the system's error.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// Returns the system's error. Some of the bytes may then be written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file, or extends it with zeros.
    ///
    /// # Errors
    /// Returns the system's error.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Makes the content and the length durable before it returns.
    ///
    /// # Errors
    /// Returns the system's error. The state of the writes since the last sync is then unknown.
    fn sync(&self) -> io::Result<()>;
}

/// Returns an error for a name that could lead out of the directory.
pub(crate) fn check_name(name: &str) -> io::Result<()> {
    let plain = !name.is_empty()
        && name
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != ".." && !part.contains('\\'));
    if plain {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("{name:?} is not a name inside the directory"),
    ))
}

/// Writes a small file atomically: under a temporary name, synced, then renamed.
///
/// # Errors
/// Returns the system's error. The file is then unchanged.
pub fn write_whole(disk: &dyn Disk, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = format!("{name}.tmp");
    let file = disk.open(&temporary, OpenHow::Create)?;
    file.set_len(0)?;
    file.write_at(0, bytes)?;
    file.sync()?;
    disk.rename(&temporary, name)
}
