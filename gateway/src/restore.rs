//! `florin restore`: a data directory made from a backup.

use std::sync::Arc;

use florin_actors::backup::{BackupError, Restored, restore};
use florin_config::Settings;
use florin_storage::{FileDisk, MANIFEST};

use crate::cli::Restore;
use crate::node;
use crate::run::{RunError, tell};

/// Restores a backup into the data directory, which must not have a journal.
///
/// # Errors
/// What is wrong with one of them.
pub fn run(settings: &Settings, task: &Restore) -> Result<(), RunError> {
    let failed = |source| RunError::Restore {
        from: task.from.display().to_string(),
        to: settings.server.data_dir.display().to_string(),
        source,
    };
    // Nothing is made for a backup that isn't there.
    if !task.from.join(MANIFEST).is_file() {
        return Err(failed(BackupError::NoManifest));
    }
    let from = Arc::new(FileDisk::to_read(&task.from));
    let to = node::open_disk(settings).map_err(|source| RunError::Data {
        directory: settings.server.data_dir.display().to_string(),
        source,
    })?;
    let restored = restore(from, to.as_ref(), settings.disk.free_bytes_min).map_err(failed)?;
    tell(&told(&restored))
}

fn told(restored: &Restored) -> String {
    format!(
        "The journal is restored.\nrecords     {}\nerased      {}\nhead        {}\n",
        restored.head.sequence,
        restored.erased,
        blake3::Hash::from_bytes(restored.head.link).to_hex(),
    )
}
