//! `florin restore`: makes a data directory from a backup.

use std::sync::Arc;

use florin_actors::backup::{BackupError, Restored, restore};
use florin_actors::kafka::PUBLISHED_FILE;
use florin_config::Settings;
use florin_storage::{FileDisk, MANIFEST};

use super::arguments::Restore;
use crate::node::{self, carry_mark};
use crate::process::{RunError, tell};

/// Restores a backup into the data directory, which must not contain a journal.
///
/// # Errors
/// Returns an error if the backup is missing or damaged, or if the data directory can't be used.
pub fn run(settings: &Settings, task: &Restore) -> Result<(), RunError> {
    let failed = |source| RunError::Restore {
        from: task.from.display().to_string(),
        to: settings.server.data_dir.display().to_string(),
        source,
    };
    // Without a backup, the data directory must not be created.
    if !task.from.join(MANIFEST).is_file() {
        return Err(failed(BackupError::NoManifest));
    }
    let from = Arc::new(FileDisk::to_read(&task.from));
    let to = node::open_disk(settings).map_err(|source| RunError::Data {
        directory: settings.server.data_dir.display().to_string(),
        source,
    })?;
    let restored = restore(from, to.as_ref(), settings.disk.free_bytes_min).map_err(failed)?;
    carry_mark(&task.from, &settings.server.data_dir).map_err(|source| RunError::System {
        what: PUBLISHED_FILE,
        source,
    })?;
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
