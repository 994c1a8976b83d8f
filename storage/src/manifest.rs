//! What a backup says of itself, in JSON: where its journal ends and what its files are. It is
//! written last, so that a backup without one was interrupted.

use crate::disk::{Disk, OpenHow, write_whole};
use crate::error::Error;
use crate::head::Head;
use serde::{Deserialize, Serialize};

/// The manifest's file name.
pub const MANIFEST: &str = "manifest.json";
/// The format of backups this version writes and reads.
const FORMAT: u16 = 1;
/// Far above the manifest of any journal.
const MANIFEST_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What a whole backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format of the backup.
    pub(crate) format: u16,
    /// The journal's identity, in hexadecimal.
    pub journal_id: String,
    /// Sequence of the last record, 0 if there is none.
    pub sequence: u64,
    /// Time of the last record, microseconds since 1970; 0 if there is none.
    pub time_micros: i64,
    /// The chain's link there, in hexadecimal.
    pub head: String,
    /// The segments, in order.
    pub segments: Vec<SegmentFile>,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentFile {
    /// Its name inside the backup's directory.
    pub file: String,
    /// The first sequence that is in it, or would be.
    pub first_sequence: u64,
    /// Its length.
    pub bytes: u64,
    /// BLAKE3 of its bytes, in hexadecimal.
    pub blake3: String,
}

impl Manifest {
    pub(crate) fn new(journal_id: &[u8; 16], head: Head, segments: Vec<SegmentFile>) -> Manifest {
        Manifest {
            format: FORMAT,
            journal_id: journal_id
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            sequence: head.sequence,
            time_micros: head.time_micros,
            head: blake3::Hash::from_bytes(head.link).to_hex().to_string(),
            segments,
        }
    }

    /// Bytes of all files; the most there is where a manifest that nobody compared says more.
    pub fn bytes(&self) -> u64 {
        let each = self.segments.iter().map(|segment| segment.bytes);
        each.fold(0, u64::saturating_add)
    }

    /// Writes it, durable and whole when this returns.
    pub(crate) fn write(&self, disk: &dyn Disk) -> Result<(), Error> {
        let bytes =
            serde_json::to_vec_pretty(self).map_err(|error| Error::Encode(error.to_string()))?;
        write_whole(disk, MANIFEST, &bytes).map_err(|source| Error::io(MANIFEST, source))
    }

    pub(crate) fn read(disk: &dyn Disk) -> Result<Manifest, Error> {
        let io = |source| Error::io(MANIFEST, source);
        let file = disk.open(MANIFEST, OpenHow::Read).map_err(io)?;
        let len = file.len().map_err(io)?;
        if len > MANIFEST_BYTES_MAX {
            return Err(damaged(MANIFEST, "it is longer than any manifest"));
        }
        let mut bytes = vec![0; len as usize];
        file.read_at(0, &mut bytes).map_err(io)?;
        Manifest::parse(&bytes)
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Manifest, Error> {
        let manifest: Manifest =
            serde_json::from_slice(bytes).map_err(|error| damaged(MANIFEST, error.to_string()))?;
        if manifest.format != FORMAT {
            let what = format!(
                "its format {} is not {FORMAT}, this version's",
                manifest.format
            );
            return Err(damaged(MANIFEST, what));
        }
        Ok(manifest)
    }
}

pub(crate) fn damaged(file: &str, what: impl Into<String>) -> Error {
    Error::Backup {
        file: file.to_owned(),
        what: what.into(),
    }
}

/// Length and hash of a file.
pub(crate) fn measure(disk: &dyn Disk, name: &str) -> Result<(u64, String), Error> {
    const READ_BYTES: u64 = 1024 * 1024;
    let io = |source| Error::io(name, source);
    let file = disk.open(name, OpenHow::Read).map_err(io)?;
    let len = file.len().map_err(io)?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; READ_BYTES as usize];
    let mut at = 0;
    while at < len {
        let part = &mut buffer[..READ_BYTES.min(len - at) as usize];
        file.read_at(at, part).map_err(io)?;
        hasher.update(part);
        at += part.len() as u64;
    }
    Ok((len, hasher.finalize().to_hex().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_that_lies_about_its_files_has_bytes_all_the_same() {
        let file = |bytes| SegmentFile {
            file: String::new(),
            first_sequence: 1,
            bytes,
            blake3: String::new(),
        };
        let head = Head {
            sequence: 1,
            time_micros: 0,
            link: [0; 32],
        };
        let manifest = Manifest::new(&[0; 16], head, vec![file(u64::MAX), file(1)]);
        assert_eq!(manifest.bytes(), u64::MAX);
    }
}
