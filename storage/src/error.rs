//! The errors of the journal and the disk. Every message names the file and, if it is known, the
//! sequence, so that an operator need not search.

use std::io;

/// An error of the journal or of the disk below it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation on a file.
    #[error("{file}: {source}")]
    Io {
        /// The file's name inside the store's directory.
        file: String,
        /// The operating system's error.
        source: io::Error,
    },
    /// Another process holds the directory.
    #[error("the directory {directory} is in use by another process{}", holder(*.pid))]
    Locked {
        /// The directory as it was passed in.
        directory: String,
        /// The process that holds the directory, if the lock file contains its pid.
        pid: Option<u32>,
    },
    /// The embedded store failed.
    #[error("{file}: {source}")]
    Store {
        /// The file's name inside the store's directory.
        file: String,
        /// The embedded store's error.
        source: Box<redb::Error>,
    },
    /// A file is damaged. Nothing is repaired: an operator decides.
    #[error("{file}: frame {sequence}: {what}")]
    Damaged {
        /// The file's name inside the store's directory.
        file: String,
        /// The first sequence of the frame, or of the segment if no single frame is affected.
        sequence: u64,
        /// The difference that was found.
        what: String,
    },
    /// A backup is damaged or incomplete.
    #[error("{file}: {what}")]
    Backup {
        /// The file's name inside the backup's directory.
        file: String,
        /// The difference that was found.
        what: String,
    },
    /// A directory that is to be written to is not empty.
    #[error("{0} is not empty, and no existing file is overwritten")]
    NotEmpty(String),
    /// A record is larger than the journal accepts; nothing was appended.
    #[error("a record of {bytes} bytes is above the limit of {bytes_max}")]
    RecordTooLarge {
        /// The record's length in bytes.
        bytes: usize,
        /// The limit in bytes, see [`crate::Options::record_bytes_max`].
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
    /// An option is out of the journal's range.
    #[error("{name} must be {must}")]
    Setting {
        /// The option's name.
        name: &'static str,
        /// The values that it may have.
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

    /// Returns whether the error means damaged data. All other errors are refusals of the system,
    /// or requests that can't be carried out.
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
