//! The manifest of a backup, in JSON: the head of its journal, and its files. It is written last,
//! so a backup without a manifest was interrupted.

use crate::disk::interface::{Disk, OpenHow, write_whole};
use crate::error::Error;
use crate::segments::head::Head;
use serde::{Deserialize, Serialize};

/// The manifest's file name.
pub const MANIFEST: &str = "manifest.json";
/// The backup format that this version writes and reads.
const FORMAT: u16 = 1;
/// The longest manifest that is read, in bytes. It is far above the manifest of any journal.
const MANIFEST_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The content of a complete backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format of the backup.
    pub(crate) format: u16,
    /// The journal's identity, in hexadecimal.
    pub journal_id: String,
    /// The sequence of the last record, 0 if there is none.
    pub sequence: u64,
    /// The time of the last record in microseconds since 1970, 0 if there is none.
    pub time_micros: i64,
    /// The chain's link after the last record, in hexadecimal.
    pub head: String,
    /// The segments, in order.
    pub segments: Vec<SegmentFile>,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentFile {
    /// The file's name inside the backup's directory.
    pub file: String,
    /// The sequence with which the segment starts, even if it has no record yet.
    pub first_sequence: u64,
    /// The file's length in bytes.
    pub bytes: u64,
    /// The BLAKE3 hash of the file, in hexadecimal.
    pub blake3: String,
}

impl Manifest {
    pub(crate) fn new(journal_id: &[u8; 16], head: Head, segments: Vec<SegmentFile>) -> Manifest {
        Manifest {
            format: FORMAT,
            journal_id: const_hex::encode(journal_id),
            sequence: head.sequence,
            time_micros: head.time_micros,
            head: blake3::Hash::from_bytes(head.link).to_hex().to_string(),
            segments,
        }
    }

    /// Returns the total size of all files in bytes. The sum saturates, since a manifest that is
    /// not yet compared with its files may claim any size.
    pub fn bytes(&self) -> u64 {
        let each = self.segments.iter().map(|segment| segment.bytes);
        each.fold(0, u64::saturating_add)
    }

    /// Writes the manifest atomically. It is durable when this returns.
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

/// Returns the length and the hash of a file.
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
