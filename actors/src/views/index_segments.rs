//! The segments of an index on disk: their kind, their files, and how one is written.

use std::ops::Range;
use std::sync::Arc;

use florin_storage::{Disk, Extent, SortedSegment};

/// The folder of the segments, within the data folder.
pub(super) const FOLDER: &str = "views";

/// The kind of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexKind {
    /// The index of idempotency keys. Its entries are random and expire.
    Keys,
    /// The index of operations. Its entries are in the order of time and are kept for ever.
    Operations,
}

impl IndexKind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Operations => "operations",
        }
    }

    /// Returns whether the segments have filters. Time-ordered entries don't need them.
    pub(super) const fn has_filters(self) -> bool {
        matches!(self, Self::Keys)
    }

    /// Returns the file name of the segment that covers records up to `last`.
    pub(super) fn file(self, last: u64) -> String {
        format!("{FOLDER}/{}-{last:020}", self.name())
    }
}

/// A segment and its file.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) file: String,
    pub(super) segment: Arc<SortedSegment>,
}

/// The segments that a job made, and the range of segments that they replace.
#[derive(Debug)]
pub(super) struct Replacement {
    pub(super) of: Range<usize>,
    pub(super) pieces: Vec<Piece>,
}

/// Writes a segment and opens it. `pause` is called after every entry.
pub(super) fn write(
    disk: &dyn Disk,
    kind: IndexKind,
    entries: Vec<(u128, u64)>,
    extent: Extent,
    pause: &mut dyn FnMut(),
) -> std::io::Result<Piece> {
    let file = kind.file(extent.covers.1);
    SortedSegment::write(disk, &file, entries, extent, kind.has_filters(), pause)?;
    let segment = Arc::new(SortedSegment::open(disk, &file)?);
    Ok(Piece { file, segment })
}
