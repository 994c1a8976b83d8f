//! Entry points for the fuzz targets in `tests/fuzz`. This module exists only in fuzzing builds.

use crate::views;

/// Returns whether the bytes decode as an entity snapshot in the format of the views.
pub fn is_snapshot(bytes: &[u8]) -> bool {
    views::is_snapshot(bytes)
}
