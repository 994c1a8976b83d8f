//! `florin backup` of a data directory that no server has open, and `florin restore`. A server
//! that runs makes its backup itself: `Core::backup`.

use std::collections::BTreeSet;
use std::sync::Arc;

use florin_storage::{
    Backup, Disk, Frame, Head, Journal, Manifest, Options, Reader, verify_chain, write_backup,
};

use crate::record_codec::decode_record;
use crate::verify::has_journal;

/// Why there is no backup, or why it can't be restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is no journal to copy.
    #[error("there is no journal here")]
    NoJournal,
    /// No manifest: the last thing that a backup writes.
    #[error("there is no whole backup here: it has no manifest.json, which is written last")]
    NoManifest,
    /// The server stops.
    #[error("the server is stopping")]
    Stopped,
    /// The journal's form or chain, the backup's, or what a disk refused.
    #[error(transparent)]
    Storage(#[from] florin_storage::Error),
    /// A record that can't be read.
    #[error("record {sequence}: {fault}")]
    Record {
        /// The record.
        sequence: u64,
        /// What is wrong with it.
        fault: String,
    },
}

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Where the chain ends.
    pub head: Head,
    /// How many erasures of personal values the journal records.
    pub erased: u64,
}

/// Copies the journal of a data directory that no server has open to an empty disk, of which
/// `free_bytes_min` stay free.
///
/// # Errors
/// What is wrong with the journal, or with that disk. What was written is no backup then.
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
    // Nothing was written here: whether the last run ended well stays as it was.
    if opened.clean_start {
        opened.committer.finish()?;
    }
    written
}

/// Copies what is durable now to an empty disk.
pub(crate) fn copy(
    reader: &Reader,
    to: &dyn Disk,
    free_bytes_min: u64,
    goes_on: &dyn Fn() -> bool,
) -> Result<Manifest, BackupError> {
    write_backup(reader, to, free_bytes_min, goes_on)?.ok_or(BackupError::Stopped)
}

/// Makes a journal of a backup on a disk that has none. What the journal says to be erased is not
/// written there.
///
/// # Errors
/// The first thing found wrong. Before the disk is written to all of the backup was found whole.
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

/// Has the reader serve no row any more whose erasure is recorded and perhaps not carried out.
fn withhold_erased(reader: &Reader) -> Result<(), BackupError> {
    let mut erased = Erased::default();
    let walked = verify_chain(reader, 1, |frame| erased.take(frame));
    erased.or_fault(walked)?;
    reader.withhold(erased.rows);
    Ok(())
}

/// The records beside which the journal says that nothing personal is left.
#[derive(Default)]
struct Erased {
    rows: BTreeSet<u64>,
    /// The first record that could not be read.
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

    /// What a walk came to; a record's own fault goes before the error that broke it off.
    fn or_fault<T>(&mut self, walked: Result<T, florin_storage::Error>) -> Result<T, BackupError> {
        match self.fault.take() {
            Some((sequence, fault)) => Err(BackupError::Record { sequence, fault }),
            None => Ok(walked?),
        }
    }
}
