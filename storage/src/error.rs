//! What can go wrong in the journal and on the disk. Every message names the file it is about,
//! and the sequence where one is known, so that an operator need not search.

use std::io;

/// An error of the journal or of the disk under it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation on a file.
    #[error("{file}: {source}")]
    Io {
        /// The file's name inside the store's directory.
        file: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another process holds the directory.
    #[error("the directory {directory} is in use by another process{}", holder(*.pid))]
    Locked {
        /// The directory as it was given.
        directory: String,
        /// The process that holds it, when its lock file says so.
        pid: Option<u32>,
    },
    /// The embedded store refused or failed.
    #[error("{file}: {source}")]
    Store {
        /// The file's name inside the store's directory.
        file: String,
        /// What the embedded store said.
        source: Box<redb::Error>,
    },
    /// A file is not what it must be. Nothing is mended: an operator decides.
    #[error("{file}: frame {sequence}: {what}")]
    Damaged {
        /// The file's name inside the store's directory.
        file: String,
        /// First sequence of the frame, or of the segment if no frame is concerned.
        sequence: u64,
        /// What differs.
        what: String,
    },
    /// A backup is not what it must be, or not whole.
    #[error("{file}: {what}")]
    Backup {
        /// The file's name inside the backup's directory.
        file: String,
        /// What differs.
        what: String,
    },
    /// A directory is to be written to that something is in.
    #[error("{0} is not empty: nothing is written over")]
    NotEmpty(String),
    /// A record is larger than the journal takes; nothing was appended.
    #[error("a record of {bytes} bytes is above the limit of {bytes_max}")]
    RecordTooLarge {
        /// The record's length.
        bytes: usize,
        /// The limit, see [`crate::Options::record_bytes_max`].
        bytes_max: usize,
    },
    /// A chunk does not start where the journal ends.
    #[error("a chunk starts at sequence {found}, the journal expects {expected}")]
    NotContiguous {
        /// The sequence after the journal's last.
        expected: u64,
        /// The chunk's first sequence.
        found: u64,
    },
    /// A setting is outside what the journal can do.
    #[error("{name} must be {must}")]
    Setting {
        /// The option's name.
        name: &'static str,
        /// What it must be.
        must: &'static str,
    },
    /// A value could not be encoded within the limit.
    #[error("cannot encode: {0}")]
    Encode(String),
    /// Bytes are not a value of the expected type.
    #[error("cannot decode: {0}")]
    Decode(String),
    /// A commit panicked. The committer writes nothing more.
    #[error("a commit panicked, the journal writes nothing more")]
    Panicked,
    /// An earlier write failed: the process has to end and start again.
    #[error("an earlier write failed, the journal writes nothing more")]
    Stopped,
}

impl Error {
    pub(crate) fn io(file: &str, source: io::Error) -> Error {
        Error::Io {
            file: file.to_owned(),
            source,
        }
    }

    /// Whether the data is not what it was; otherwise the system refused, or something is asked
    /// that can't be.
    pub fn is_damage(&self) -> bool {
        match self {
            Error::Damaged { .. } | Error::Backup { .. } | Error::Decode(_) => true,
            Error::Store { source, .. } => match source.as_ref() {
                redb::Error::Io(source) => matches!(
                    source.kind(),
                    io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
                ),
                redb::Error::PreviousIo => false,
                _ => true,
            },
            _ => false,
        }
    }

    pub(crate) fn store(file: &str, source: impl Into<redb::Error>) -> Error {
        Error::Store {
            file: file.to_owned(),
            source: Box::new(source.into()),
        }
    }

    pub(crate) fn damaged(file: &str, sequence: u64, what: impl Into<String>) -> Error {
        Error::Damaged {
            file: file.to_owned(),
            sequence,
            what: what.into(),
        }
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map(|pid| format!(", pid {pid}")).unwrap_or_default()
}
