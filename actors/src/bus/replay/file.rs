//! The file in which replays are stored.

use std::io::{self, Write as _};
use std::path::Path;

use super::Replay;

/// Returns the replays in the file; none if the file doesn't exist.
pub(super) fn read(file: &Path) -> io::Result<Vec<Replay>> {
    match std::fs::read(file) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Replaces the file atomically: a reader finds the old or the new content, even after a power
/// loss.
pub(super) fn write(file: &Path, replays: &[Replay]) -> io::Result<()> {
    let bytes = serde_json::to_vec(replays).map_err(io::Error::other)?;
    let beside = file.with_extension("new");
    let mut new = std::fs::File::create(&beside)?;
    new.write_all(&bytes)?;
    new.sync_all()?;
    std::fs::rename(&beside, file)?;
    match file.parent() {
        Some(folder) => std::fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
