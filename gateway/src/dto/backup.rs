//! A backup, asked for and made.

use florin_storage::Manifest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Has the journal copied.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupRequest {
    /// Where to, on the server's machine: an absolute path. Empty, or made.
    #[schema(pattern = "^/", example = "/var/backups/florin/monday")]
    pub directory: String,
    /// The data directory that it must be a backup of; the server's own where not given.
    pub data_dir: Option<String>,
}

/// A backup that is whole.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Backup)]
pub struct BackupBody {
    /// Where it is.
    #[schema(example = "/var/backups/florin/monday")]
    pub directory: String,
    /// The journal's identity.
    pub journal_id: String,
    /// The last record that it holds.
    pub sequence: u64,
    /// The link of the hash chain there.
    pub head: String,
    /// How many segments it has.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl BackupBody {
    /// What was made in that directory.
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
