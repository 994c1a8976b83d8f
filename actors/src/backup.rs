//! `florin backup` of a data directory that no server has open, and `florin restore`. A running
//! server creates its own backups through `Core::backup`.

use std::collections::BTreeSet;
use std::sync::Arc;

use florin_storage::{
    Backup, Disk, Frame, Head, Journal, Manifest, Options, Reader, verify_chain, write_backup,
};

use crate::record_codec::decode_record;
use crate::verify::has_journal;

/// The reason why a backup can't be created or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is no journal to copy.
    #[error("there is no journal here")]
    NoJournal,
    /// The backup has no manifest. The manifest is the last file that a backup writes.
    #[error("there is no complete backup here: manifest.json, which is written last, is missing")]
    NoManifest,
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopped,
    /// The journal or the backup is damaged (format or hash chain), or a disk operation failed.
    #[error(transparent)]
    Storage(#[from] florin_storage::Error),
    /// A record can't be decoded.
    #[error("record {sequence}: {fault}")]
    Record {
        /// The sequence of the record.
        sequence: u64,
        /// A description of the fault.
        fault: String,
    },
}

/// The result of a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The head of the restored chain.
    pub head: Head,
    /// The number of erasures of personal values that the journal records.
    pub erased: u64,
}

/// Copies the journal of a data directory that no server has open to an empty disk, and leaves at
/// least `free_bytes_min` bytes free on that disk.
///
/// # Errors
/// Returns an error if the journal is damaged or the target disk fails. The files that were written
/// until then are not a valid backup.
pub fn backup(
    disk: &Arc<dyn Disk>,
    to: &dyn Disk,
    free_bytes_min: u64,
) -> Result<Manifest, BackupError> {
    if !has_journal(disk.as_ref())? {
        return Err(BackupError::NoJournal);
    }
    let opened = Journal::open(Arc::clone(disk), Options::new([0; 16]), 0)?;
    let written = withhold_erased(&opened.reader)
        .and_then(|()| copy(&opened.reader, to, free_bytes_min, &|| true));
    // The backup wrote nothing to this journal, so the mark of a clean end is restored only if it
    // was there before.
    if opened.clean_start {
        opened.committer.finish()?;
    }
    written
}

/// Copies the durable part of the journal to an empty disk.
pub(crate) fn copy(
    reader: &Reader,
    to: &dyn Disk,
    free_bytes_min: u64,
    goes_on: &dyn Fn() -> bool,
) -> Result<Manifest, BackupError> {
    write_backup(reader, to, free_bytes_min, goes_on)?.ok_or(BackupError::Stopped)
}

/// Creates a journal from a backup on a disk that has none. Personal values that the journal
/// records as erased are not written.
///
/// # Errors
/// Returns the first fault that is found. The whole backup is verified before anything is written
/// to the disk.
pub fn restore(
    from: Arc<dyn Disk>,
    to: &dyn Disk,
    free_bytes_min: u64,
) -> Result<Restored, BackupError> {
    let backup = Backup::open(from)?.ok_or(BackupError::NoManifest)?;
    let mut erased = Erased::default();
    let walked = backup.frames(|frame| erased.take(frame));
    let head = erased.or_fault(walked)?;
    backup.restore(to, &erased.rows, free_bytes_min)?;
    Ok(Restored {
        head,
        erased: erased.rows.len() as u64,
    })
}

/// Makes the reader withhold every personal row whose erasure is recorded, because the erasure may
/// not have been carried out yet.
fn withhold_erased(reader: &Reader) -> Result<(), BackupError> {
    let mut erased = Erased::default();
    let walked = verify_chain(reader, 1, |frame| erased.take(frame));
    erased.or_fault(walked)?;
    reader.withhold(erased.rows);
    Ok(())
}

/// The sequences of the records whose personal data was erased according to the journal.
#[derive(Default)]
struct Erased {
    rows: BTreeSet<u64>,
    /// The first record that could not be decoded, and its fault.
    fault: Option<(u64, String)>,
}

impl Erased {
    fn take(&mut self, frame: &Frame) -> Result<(), florin_storage::Error> {
        for (sequence, bytes) in frame.iter() {
            match decode_record(bytes) {
                Ok(record) => self.rows.extend(record.erased()),
                Err(error) => {
                    self.fault = Some((sequence, error.to_string()));
                    return Err(florin_storage::Error::Stopped);
                }
            }
        }
        Ok(())
    }

    /// Returns the result of a walk over the journal. A record's fault takes precedence over the
    /// error that stopped the walk.
    fn or_fault<T>(&mut self, walked: Result<T, florin_storage::Error>) -> Result<T, BackupError> {
        match self.fault.take() {
            Some((sequence, fault)) => Err(BackupError::Record { sequence, fault }),
            None => Ok(walked?),
        }
    }
}
