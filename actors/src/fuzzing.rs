//! What the fuzz targets reach (`tests/fuzz`); it is there in their builds only.

use crate::views;

/// Whether these bytes are a snapshot of an entity, as the views keep it.
pub fn is_snapshot(bytes: &[u8]) -> bool {
    views::is_snapshot(bytes)
}
