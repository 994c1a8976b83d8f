//! The backup of a running node: made from what is durable, away from the ledger's thread.

use florin_storage::{Disk, Manifest};

use super::core::Core;
use crate::backup::{BackupError, copy};

impl Core {
    /// Copies the journal, as far as it is durable now, to an empty disk, of which
    /// `free_bytes_min` stay free. Blocks: not for the ledger's thread, which goes on meanwhile.
    /// `goes_on` is asked now and then.
    ///
    /// # Errors
    /// What is wrong with the journal, or with that disk. What was written is no backup then.
    pub fn backup(
        &self,
        to: &dyn Disk,
        free_bytes_min: u64,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Manifest, BackupError> {
        copy(&self.0.reader, to, free_bytes_min, goes_on)
    }
}
