//! `florin export`: the records of a journal in order, each with what lies beside it. The chain's
//! links are recomputed on the way, so that what is exported is what was written.

use std::ops::{ControlFlow, RangeInclusive};
use std::sync::Arc;

use florin_storage::{Disk, Journal, Options, Reader, verify_chain};

use crate::messages::{PersonalRow, Record};
use crate::record_codec::{decode_personal, decode_record};
use crate::verify::has_journal;

/// Why an export ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// There is no journal to export.
    #[error("there is no journal here")]
    NoJournal,
    /// The journal's form or chain.
    #[error(transparent)]
    Journal(#[from] florin_storage::Error),
    /// A record that can't be read.
    #[error("record {sequence}: {fault}")]
    Record {
        /// The record.
        sequence: u64,
        /// What is wrong with it.
        fault: String,
    },
}

/// A record of the journal, and what lies beside it.
#[derive(Debug)]
pub struct Exported<'a> {
    /// The record.
    pub record: &'a Record,
    /// The chain's link of the frame that holds it.
    pub link: [u8; 32],
    /// The personal values beside it; `None` if it has none, or if they were erased.
    pub personal: Option<PersonalRow>,
}

/// Shows `visit` the records of `range` in a data directory that no server has open, until it
/// breaks off. What lies past the journal's end isn't there to be shown.
///
/// # Errors
/// The first thing found wrong; what came before it was shown.
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
    // Nothing was written: whether the last run ended well stays as it was.
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
    // An error of the storage's own breaks the walk off; `ended` says why it really ended.
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
    let personal = reader.personal(sequence)?;
    let personal = personal.map(|row| decode_personal(&row)).transpose();
    let personal = personal.map_err(|error| fault(error.to_string()))?;
    Ok(visit(Exported {
        record: &record,
        link,
        personal,
    }))
}
