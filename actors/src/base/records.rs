//! Reading of records, and of the personal values beside them, from the journal.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use florin_storage::{PersonalBytes, Reader};

use super::read_fault::ReadFault;
use crate::record::Record;
use crate::record_codec::{decode_personal, decode_record};
use crate::words::{PersonalRow, PersonalValues};

/// Runs code that replays records; a panic in it is returned as an error.
pub fn contained<T, E: From<String>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(panic_text(&*panic).into()))
}

/// Returns the text of a panic.
pub fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic".to_owned())
}

/// Reads one durable record; blocks on the disk.
pub fn read_record(reader: &Reader, sequence: u64) -> Result<Record, ReadFault> {
    let bytes = reader.record(sequence)?;
    let bytes = bytes.ok_or_else(|| format!("record {sequence} is not in the journal"))?;
    decode_record(&bytes).map_err(|error| reader.damaged(sequence, error.to_string()).into())
}

/// Reads the personal values beside a record, or returns `None` if they were erased. Blocks on the
/// disk.
pub fn read_personal(reader: &Reader, beside: u64) -> Result<Option<PersonalValues>, ReadFault> {
    match reader.personal(beside)? {
        Some(PersonalBytes::Kept(bytes)) => Ok(read_row(reader, beside, &bytes)?.values()),
        Some(PersonalBytes::Erased) => Ok(None),
        None => Err(lost_personal(reader, beside)),
    }
}

/// Decodes the personal values beside a record.
///
/// # Errors
/// Returns an error if the bytes are damaged.
pub fn read_row(reader: &Reader, sequence: u64, bytes: &[u8]) -> Result<PersonalRow, ReadFault> {
    decode_personal(bytes).map_err(|error| reader.damaged(sequence, error.to_string()).into())
}

/// Returns the fault for personal values that are missing but were not erased.
pub fn lost_personal(reader: &Reader, beside: u64) -> ReadFault {
    let what = "the personal data of the record is missing, and there is no erasure mark";
    reader.damaged(beside, what).into()
}
