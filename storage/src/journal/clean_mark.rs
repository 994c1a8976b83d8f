//! The clean-shutdown mark: a file that holds the journal's head. It exists from a clean shutdown
//! to the next start, which then need not distrust the page cache.

use crate::codec;
use crate::disk::interface::{Disk, OpenHow, write_whole};
use crate::error::Error;
use crate::segments::head::Head;

/// The mark's file. It exists between a clean shutdown and the next start, and holds the head.
const CLEAN_MARK: &str = "journal/clean";

/// Writes the mark. It is durable when this returns.
pub(crate) fn leave(disk: &dyn Disk, head: &Head) -> Result<(), Error> {
    let mut mark = Vec::new();
    codec::encode(head, &mut mark)?;
    write_whole(disk, CLEAN_MARK, &mark).map_err(|source| Error::io(CLEAN_MARK, source))
}

/// Removes the mark, because the run that follows may not end cleanly.
pub(crate) fn remove(disk: &dyn Disk) -> Result<(), Error> {
    disk.remove(CLEAN_MARK)
        .map_err(|source| Error::io(CLEAN_MARK, source))
}

/// Returns the head that the last run noted, or `None` if it did not end cleanly.
pub(crate) fn read(disk: &dyn Disk) -> Result<Option<Head>, Error> {
    let io = |source| Error::io(CLEAN_MARK, source);
    if !disk.exists(CLEAN_MARK).map_err(io)? {
        return Ok(None);
    }
    let file = disk.open(CLEAN_MARK, OpenHow::Read).map_err(io)?;
    let len = file.len().map_err(io)?;
    // A mark takes about fifty bytes.
    let mut bytes = vec![0; len.min(4_096) as usize];
    file.read_at(0, &mut bytes).map_err(io)?;
    codec::decode(&bytes)
        .map(Some)
        .map_err(|error| Error::damaged(CLEAN_MARK, 0, error.to_string()))
}

/// Returns an error if the journal doesn't end where the last run noted.
pub(crate) fn check(mark: &Head, head: &Head) -> Result<(), Error> {
    if mark == head {
        return Ok(());
    }
    let what = format!(
        "the last run ended at sequence {}, the journal ends at {}",
        mark.sequence, head.sequence
    );
    Err(Error::damaged(CLEAN_MARK, mark.sequence, what))
}
