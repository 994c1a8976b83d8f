//! The backup of a running node: it copies what is durable, off the ledger's thread.

use florin_storage::{Disk, Manifest};

use crate::backup::{BackupError, copy};
use crate::runtime::admission::core::Core;

impl Core {
    /// Copies the journal, as far as it is durable now, to an empty disk on which `free_bytes_min`
    /// bytes stay free. It blocks, so it must not run on the ledger's thread, which continues to
    /// work meanwhile. `goes_on` is called at intervals; if it returns false, the backup stops.
    ///
    /// # Errors
    /// Returns an error if the journal or the disk fails, or if the backup is stopped. The files
    /// written so far are then no backup.
    pub fn backup(
        &self,
        to: &dyn Disk,
        free_bytes_min: u64,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Manifest, BackupError> {
        copy(&self.0.reader, to, free_bytes_min, goes_on)
    }
}
