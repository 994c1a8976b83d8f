//! The disk space that a server uses, and the bytes that it has written.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::{fs, io};

/// The unit of `st_blocks`, stat(2).
const BLOCK_BYTES: u64 = 512;

/// A server's use of the disk at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskUse {
    /// The size of the blocks that its files occupy, in bytes.
    pub allocated: u64,
    /// The bytes that its process has caused to be written since it started.
    pub written: u64,
}

impl DiskUse {
    /// Reads the use of `folder` and of process `pid`. A value that can't be read counts as zero.
    pub fn read(folder: &Path, pid: u32) -> Self {
        let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
        Self {
            allocated: allocated_by(folder).unwrap_or_default(),
            written: parse_written(&io).unwrap_or_default(),
        }
    }
}

fn allocated_by(folder: &Path) -> io::Result<u64> {
    let mut allocated = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // The file may be gone already: a server replaces its files while it works.
        let Ok(found) = entry.metadata() else {
            continue;
        };
        allocated += if found.is_dir() {
            allocated_by(&entry.path())?
        } else {
            found.blocks() * BLOCK_BYTES
        };
    }
    Ok(allocated)
}

fn parse_written(io: &str) -> Option<u64> {
    let value = io
        .lines()
        .find_map(|line| line.strip_prefix("write_bytes:"))?;
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_all_folders_count() {
        let folder =
            std::env::temp_dir().join(format!("florin-benches-disk-{}", std::process::id()));
        fs::create_dir_all(folder.join("a/b")).unwrap();
        fs::write(folder.join("a/b/file"), vec![1; 100_000]).unwrap();
        fs::write(folder.join("file"), vec![1; 50_000]).unwrap();
        let allocated = allocated_by(&folder).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert!((150_000..400_000).contains(&allocated), "{allocated}");
    }

    #[test]
    fn written_bytes_are_those_that_reach_the_disk() {
        let io = "rchar: 1\nwchar: 2\nread_bytes: 3\nwrite_bytes: 4096\ncancelled_write_bytes: 5\n";
        assert_eq!(parse_written(io), Some(4096));
    }
}
