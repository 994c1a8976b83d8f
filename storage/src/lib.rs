//! Florin's storage: a journal of records in a hash chain, and the stores its views are kept in.
//! It knows bytes, sequences, times and hashes, and nothing of money. Every byte passes the
//! [`Disk`] seam, and no clock is read here: times are arguments.

mod backup;
#[cfg(target_os = "linux")]
mod block_file;
mod chain;
mod checkpointer;
mod chunk;
mod clean_mark;
mod codec;
mod committer;
mod containment;
mod copying;
#[cfg(feature = "simulation")]
mod crash_model;
mod disk;
mod eraser;
mod error;
mod file_disk;
mod frame;
#[cfg(fuzzing)]
pub mod fuzzing;
mod head;
mod journal;
mod manifest;
mod options;
mod overlay;
mod page_sums;
mod queue;
mod reader;
mod real_file;
mod redb_file;
mod restore;
mod rows;
mod segment;
mod shelf;
#[cfg(feature = "simulation")]
mod simulated;
mod sorted_layout;
mod sorted_segment;
mod sorted_writer;
pub mod sync;
mod tables;
mod tail;
mod view_access;
mod view_store;
mod wal;
mod watermark;
mod withheld;

pub use backup::write_backup;
pub use chain::{Verified, genesis_link, verify_chain};
pub use checkpointer::Checkpointer;
pub use chunk::Chunk;
pub use codec::{ENCODED_BYTES_MAX, decode, encode};
pub use committer::Committer;
pub use containment::hush_contained_panics;
#[cfg(feature = "simulation")]
pub use crash_model::{CrashMode, Fault};
pub use disk::{BLOCK, Disk, DiskFile, OpenHow};
pub use eraser::{Eraser, Erasure};
pub use error::Error;
pub use file_disk::FileDisk;
pub use frame::{FRAME_BYTES_MAX, Frame};
pub use head::Head;
pub use journal::{Journal, Opened};
pub use manifest::{MANIFEST, Manifest, SegmentFile};
pub use options::{CommitObserver, Options};
pub use queue::Queue;
pub use reader::{Frames, Reader};
pub use restore::Backup;
#[cfg(feature = "simulation")]
pub use simulated::SimulatedDisk;
pub use sorted_layout::Extent;
pub use sorted_segment::SortedSegment;
pub use sorted_writer::SegmentWriter;
pub use view_access::{ViewRange, ViewRead, ViewWrite};
pub use view_store::{Position, ViewError, ViewOptions, ViewStore};
pub use watermark::{Listener, Watermark};
