//! Reading the views for an audit, without repairing or changing anything.

use florin_storage::{Disk, Position, ViewError, ViewOptions, ViewStore};

use super::memory;
use super::tables::{FILE, SCHEMA, SNAPSHOTS};
use crate::base::Present;
use crate::words::EntityId;

/// All snapshots, and the position up to which they are complete.
pub(crate) type Snapshots = (Position, Vec<(EntityId, Present)>);

/// Reads all snapshots. Returns `None` if there is no view.
///
/// # Errors
/// Returns an error if the view can't be read.
pub(crate) fn read_all(disk: &dyn Disk) -> Result<Option<Snapshots>, ViewError> {
    let exists = disk
        .exists(FILE)
        .map_err(|source| florin_storage::Error::Io {
            file: FILE.to_owned(),
            source,
        })?;
    if !exists {
        return Ok(None);
    }
    let store = ViewStore::open(disk, FILE, SCHEMA, ViewOptions::default())?;
    let read = store.read()?;
    let Some(position) = read.position()? else {
        return Ok(None);
    };
    let mut all = Vec::new();
    for row in read.range(SNAPSHOTS, ..)? {
        let (key, bytes) = row?;
        if let Some(id) = key.last_chunk() {
            all.push((EntityId::from_bytes(*id), memory::decode_snapshot(&bytes)?));
        }
    }
    Ok(Some((position, all)))
}
