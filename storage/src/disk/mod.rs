//! The disk: the trait for file access, and its implementations. [`file_disk`] is a directory of the
//! file system, [`shadow`] keeps all writes in memory, and [`simulated`] crashes, tears and fails
//! writes on command.

#[cfg(target_os = "linux")]
mod block_file;
#[cfg(feature = "simulation")]
pub(crate) mod crash_model;
mod directory_lock;
pub(crate) mod file_disk;
pub(crate) mod interface;
pub(crate) mod overlay;
mod real_file;
pub(crate) mod shadow;
#[cfg(feature = "simulation")]
pub(crate) mod simulated;
