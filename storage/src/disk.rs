//! The disk seam: the few operations on files that storage needs. [`crate::FileDisk`] is the
//! real one; a simulated one loses, tears and fails writes on command.

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
    /// As [`OpenHow::Existing`], for a file whose blocks all exist and are written whole, each at a
    /// multiple of [`BLOCK`]: past the page cache where the system can.
    Blocks,
}

/// What is written to a file opened with [`OpenHow::Blocks`] starts and ends at multiples of this:
/// a page, and no less than a sector of any disk in use.
pub const BLOCK: usize = 4_096;

/// A directory of files. Names are relative, with `/` between folder and file.
///
/// A creation, a rename or a removal that returned `Ok` outlives a crash: the folder is synced.
/// What was written to a file outlives one only after [`DiskFile::sync`].
pub trait Disk: Send + Sync + Debug + 'static {
    /// Opens a file.
    ///
    /// # Errors
    /// `NotFound` for a missing file (but with [`OpenHow::Create`]), or the system's own.
    fn open(&self, name: &str, how: OpenHow) -> io::Result<Box<dyn DiskFile>>;

    /// Whether a file of that name exists.
    ///
    /// # Errors
    /// The system's own.
    fn exists(&self, name: &str) -> io::Result<bool>;

    /// The names of the files in a folder, without the folder's, sorted; none if it is missing.
    ///
    /// # Errors
    /// The system's own.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;

    /// Removes a file and syncs its folder.
    ///
    /// # Errors
    /// `NotFound` for a missing file, or the system's own.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Renames a file atomically, replacing `to`, and syncs the folders.
    ///
    /// # Errors
    /// `NotFound` for a missing file, or the system's own.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Bytes that can still be written.
    ///
    /// # Errors
    /// The system's own.
    fn free_bytes(&self) -> io::Result<u64>;

    /// Syncs a file and drops it from the page cache, so that the next read serves what the
    /// disk holds.
    ///
    /// # Errors
    /// `NotFound` for a missing file, or the system's own.
    fn forget_cached(&self, name: &str) -> io::Result<()>;
}

/// An open file. All methods take `&self`: readers and the writer share it.
pub trait DiskFile: Send + Sync + Debug {
    /// The file's length in bytes.
    ///
    /// # Errors
    /// The system's own.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    ///
    /// # Errors
    /// The system's own.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Bytes the file takes on the disk: fewer than its length if it has holes.
    ///
    /// # Errors
    /// The system's own.
    fn allocated_bytes(&self) -> io::Result<u64>;

    /// Fills `out` from `offset` on.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends before, or the system's own.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// The system's own; some of the bytes may be written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file, or extends it by zeros.
    ///
    /// # Errors
    /// The system's own.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Returns once content and length outlive a crash.
    ///
    /// # Errors
    /// The system's own. After one, nothing is known of the writes since the last sync.
    fn sync(&self) -> io::Result<()>;
}

/// Refuses a name that could leave the directory.
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

/// Writes a small file whole: under a temporary name, synced, then renamed.
pub(crate) fn write_whole(disk: &dyn Disk, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = format!("{name}.tmp");
    let file = disk.open(&temporary, OpenHow::Create)?;
    file.set_len(0)?;
    file.write_at(0, bytes)?;
    file.sync()?;
    disk.rename(&temporary, name)
}
