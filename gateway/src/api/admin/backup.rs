//! The request for a backup, and the backup that was made.

use florin_storage::Manifest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The request to copy the journal.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupRequest {
    /// The directory to copy to, on the server's machine: an absolute path. It must be empty or not
    /// exist yet.
    #[schema(pattern = "^/", example = "/var/backups/florin/monday")]
    pub directory: String,
    /// The data directory that must be backed up; another one is refused. By default, it is the
    /// server's own.
    #[schema(example = "/var/lib/florin")]
    pub data_dir: Option<String>,
}

/// A complete backup.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Backup)]
pub struct BackupBody {
    /// The directory of the backup.
    #[schema(example = "/var/backups/florin/monday")]
    pub directory: String,
    /// The id of the journal.
    #[schema(example = "01a1fd0abfa7766286c3c8fb32d96425")]
    pub journal_id: String,
    /// The sequence of the last record in the backup.
    pub sequence: u64,
    /// The link of the hash chain at the last record, in hexadecimal.
    #[schema(example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    pub head: String,
    /// The number of segments.
    pub segments: u64,
    /// The total size of the segments in bytes.
    pub bytes: u64,
}

impl BackupBody {
    /// Creates the body of a backup that was made in `directory`.
    pub fn new(directory: String, manifest: &Manifest) -> Self {
        Self {
            directory,
            journal_id: manifest.journal_id.clone(),
            sequence: manifest.sequence,
            head: manifest.head.clone(),
            segments: manifest.segments.len() as u64,
            bytes: manifest.bytes(),
        }
    }
}
