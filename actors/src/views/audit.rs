//! The views as an auditor reads them: without repairing or changing anything.

use florin_storage::{Disk, Position, ViewError, ViewOptions, ViewStore};

use super::{FILE, SCHEMA, SNAPSHOTS, memory};
use crate::messages::EntityId;
use crate::runtime::Present;

/// Every snapshot, and how far they reach.
pub(crate) type Snapshots = (Position, Vec<(EntityId, Present)>);

/// Reads every snapshot. `None` if there is no view.
///
/// # Errors
/// A view that can't be read.
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
