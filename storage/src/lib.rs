//! Florin's storage: a hash-chained journal of records, and the stores for the views. It knows
//! bytes, sequences, times and hashes, but nothing about money. All file access goes through the
//! [`Disk`] trait. Nothing here reads a clock: times are arguments.
//!
//! A folder or file imports only those above it in this list:
//!
//! - `sync/`: locks and atomics that a model checker can replace
//! - `threads.rs`: starts threads and watches them
//! - `error.rs`: the errors
//! - `codec.rs`: the encoding of values
//! - `disk/`: access to files, and its simulation
//! - `store/`: the embedded store, redb
//! - `segments/`: the journal's files and their formats
//! - `journal/`: opens, writes, reads and verifies the journal
//! - `backup/`: backups and restores
//! - `views/`: the files of the views
//! - `index/`: sorted files of keys
//! - `fuzzing.rs`: the functions for the fuzz targets

mod backup;
mod codec;
mod disk;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod index;
mod journal;
mod segments;
mod store;
pub mod sync;
pub mod threads;
mod views;

pub use backup::manifest::{MANIFEST, Manifest, SegmentFile};
pub use backup::restore::Backup;
pub use backup::write::write_backup;
pub use codec::{ENCODED_BYTES_MAX, decode, encode};
#[cfg(feature = "simulation")]
pub use disk::crash_model::{CrashMode, Fault};
pub use disk::file_disk::FileDisk;
pub use disk::interface::{BLOCK, Disk, DiskFile, OpenHow, write_whole};
pub use disk::shadow::ShadowDisk;
#[cfg(feature = "simulation")]
pub use disk::simulated::SimulatedDisk;
pub use error::Error;
pub use index::layout::Extent;
pub use index::segment::SortedSegment;
pub use index::writer::SegmentWriter;
pub use journal::checkpointer::Checkpointer;
pub use journal::committer::Committer;
pub use journal::damages::DamageObserver;
pub use journal::eraser::{Eraser, Erasure};
pub use journal::open::{Journal, Opened};
pub use journal::options::{CommitObserver, Options};
pub use journal::queue::Queue;
pub use journal::reader::{Frames, Reader};
pub use journal::verify::{Verified, verify_chain};
pub use journal::watermark::{Listener, Watermark};
pub use segments::chain::genesis_link;
pub use segments::chunk::Chunk;
pub use segments::frame::{FRAME_BYTES_MAX, Frame};
pub use segments::head::Head;
pub use segments::personal::PersonalBytes;
pub use store::containment::{hush_contained_panics, log_panics};
pub use views::access::{ViewRange, ViewRead, ViewWrite};
pub use views::file::{Position, ViewError};
pub use views::store::{ViewOptions, ViewStore};
