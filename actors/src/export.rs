//! `florin export`: the records of a journal in order, each with its personal values. The links of
//! the hash chain are recomputed during the export, which proves that the exported records are the
//! ones that were written.

use std::ops::{ControlFlow, RangeInclusive};
use std::sync::Arc;

use florin_storage::{Disk, Journal, Options, PersonalBytes, Reader, verify_chain};

use crate::record::Record;
use crate::record_codec::{decode_personal, decode_record};
use crate::verify::has_journal;
use crate::words::PersonalRow;

/// The reason why an export stopped early.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// There is no journal to export.
    #[error("there is no journal here")]
    NoJournal,
    /// The journal can't be read, or its format or hash chain is damaged.
    #[error(transparent)]
    Journal(#[from] florin_storage::Error),
    /// A record, or the personal values beside it, can't be decoded or verified.
    #[error("record {sequence}: {fault}")]
    Record {
        /// The sequence of the record.
        sequence: u64,
        /// A description of the fault.
        fault: String,
    },
}

/// An exported record with its link and personal values.
#[derive(Debug)]
pub struct Exported<'a> {
    /// The record.
    pub record: &'a Record,
    /// The chain link of the frame that holds the record.
    pub link: [u8; 32],
    /// The personal values of the record; `None` if it has none or they were erased.
    pub personal: Option<PersonalRow>,
}

/// Calls `visit` with each record of `range` in a data directory that no server has open, until
/// `visit` returns `Break`. A range that extends past the end of the journal is cut off there.
///
/// # Errors
/// Returns the first fault that is found. `visit` has been called with every record before it.
pub fn export(
    disk: &Arc<dyn Disk>,
    range: RangeInclusive<u64>,
    mut visit: impl FnMut(Exported<'_>) -> ControlFlow<()>,
) -> Result<(), ExportError> {
    if !has_journal(disk.as_ref())? {
        return Err(ExportError::NoJournal);
    }
    let opened = Journal::open(Arc::clone(disk), Options::new([0; 16]), 0)?;
    let exported = walk(&opened.reader, range, &mut visit);
    // The export wrote nothing to this journal, so the mark of a clean end is restored only if it
    // was there before.
    if opened.clean_start {
        opened.committer.finish()?;
    }
    exported
}

fn walk(
    reader: &Reader,
    range: RangeInclusive<u64>,
    visit: &mut dyn FnMut(Exported<'_>) -> ControlFlow<()>,
) -> Result<(), ExportError> {
    let last = *range.end().min(&reader.durable());
    if *range.start() > last {
        return Ok(());
    }
    let mut ended = None;
    // `Error::Stopped` only ends the walk early; `ended` holds the real result.
    let walked = verify_chain(reader, *range.start(), |frame| {
        for (sequence, bytes) in frame.iter().filter(|(at, _)| range.contains(at)) {
            match show(reader, sequence, bytes, frame.link, visit) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => ended = Some(Ok(())),
                Err(error) => ended = Some(Err(error)),
            }
            if ended.is_some() {
                return Err(florin_storage::Error::Stopped);
            }
        }
        if frame.last_sequence >= last {
            ended = Some(Ok(()));
            return Err(florin_storage::Error::Stopped);
        }
        Ok(())
    });
    match ended {
        Some(ended) => ended,
        None => walked.map(drop).map_err(ExportError::from),
    }
}

fn show(
    reader: &Reader,
    sequence: u64,
    bytes: &[u8],
    link: [u8; 32],
    visit: &mut dyn FnMut(Exported<'_>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, ExportError> {
    let fault = |fault: String| ExportError::Record { sequence, fault };
    let record = decode_record(bytes).map_err(|error| fault(error.to_string()))?;
    let personal = match reader.personal(sequence)? {
        Some(PersonalBytes::Kept(row)) => {
            Some(decode_personal(&row).map_err(|error| fault(error.to_string()))?)
        }
        Some(PersonalBytes::Erased) => None,
        None if record.has_personal() => {
            let what = "the personal data of the record is missing, and there is no erasure mark";
            return Err(fault(what.to_owned()));
        }
        None => None,
    };
    if let Some(row) = &personal {
        let mut sealed = record.command.sealed().enumerate();
        if !sealed.all(|(place, hash)| row.proves(place, hash)) {
            let what = "the personal data of the record does not match its hash";
            return Err(fault(what.to_owned()));
        }
    }
    Ok(visit(Exported {
        record: &record,
        link,
        personal,
    }))
}
