//! A view's file as its users share it: its name, whether damage was found, and its errors.

use crate::error::Error;
use crate::store::containment::{NOT_UNDERSTOOD, caught};
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};

/// An error of a view.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// The file is damaged or of another schema: remove it and rebuild the view.
    #[error("{file}: this view has to be rebuilt: {reason}")]
    Unusable {
        /// The file's name inside the store's directory.
        file: String,
        /// The damage that was found.
        reason: String,
    },
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] Error),
}

/// The journal position that a view reaches. Comparing its link with the journal's shows whether
/// both have the same history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The last record in the view, 0 if there is none.
    pub sequence: u64,
    /// The link of the frame that holds that record.
    pub link: [u8; 32],
}

/// The state of a view's file that all its users share: its name, and whether damage was found.
#[derive(Debug)]
pub(crate) struct ViewFile {
    name: String,
    damaged: AtomicBool,
}

impl ViewFile {
    pub(crate) fn new(name: &str) -> ViewFile {
        ViewFile {
            name: name.to_owned(),
            damaged: AtomicBool::new(false),
        }
    }

    /// Returns whether damage was found in the file.
    pub(crate) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Returns the error for a damaged file, and notes the damage.
    pub(crate) fn unusable(&self, reason: impl Into<String>) -> ViewError {
        self.damaged.store(true, Ordering::Relaxed);
        ViewError::Unusable {
            file: self.name.clone(),
            reason: reason.into(),
        }
    }

    /// Runs `work` on the file. A panic of the store inside means that the file is damaged.
    pub(crate) fn guard<R>(
        &self,
        work: impl FnOnce() -> Result<R, redb::Error>,
    ) -> Result<R, ViewError> {
        match caught(work) {
            Ok(result) => result.map_err(|error| self.classify(error)),
            Err(_) => Err(self.unusable(NOT_UNDERSTOOD)),
        }
    }

    /// Turns a store's error into a view's error. A failing disk is not the view's fault;
    /// everything else means damage. After a damaged page the embedded store refuses everything,
    /// which still counts as damage.
    fn classify(&self, error: redb::Error) -> ViewError {
        match error {
            // The excluded kinds mean damage, for example a reference past the file's end.
            redb::Error::Io(source)
                if !matches!(
                    source.kind(),
                    ErrorKind::InvalidData | ErrorKind::UnexpectedEof
                ) =>
            {
                ViewError::Disk(Error::io(&self.name, source))
            }
            redb::Error::PreviousIo if self.damaged.load(Ordering::Relaxed) => {
                self.unusable("it was found damaged before")
            }
            error @ (redb::Error::PreviousIo
            | redb::Error::ValueTooLarge(_)
            | redb::Error::DatabaseClosed) => ViewError::Disk(Error::store(&self.name, error)),
            error => self.unusable(error.to_string()),
        }
    }
}
