//! Encoding of records: the format byte, followed by the record's bincode form.

use florin_storage::Error;

use crate::record::{FORMAT, Record};
use crate::words::PersonalRow;

/// The reason why bytes are not a record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The record has a format that this version doesn't know.
    #[error("record format {0} is unknown to this version")]
    Format(u8),
    /// There are no bytes.
    #[error("an empty record")]
    Empty,
    /// The bytes don't match the format.
    #[error("not a record: {0}")]
    Malformed(#[from] Error),
}

/// Appends a record's bytes to `out`.
///
/// # Errors
/// Returns an error if the record contains a value that must not be written, e.g. an unsealed
/// personal value.
pub fn encode_record(record: &Record, out: &mut Vec<u8>) -> Result<(), Error> {
    out.push(FORMAT);
    florin_storage::encode(record, out)
}

/// Decodes a record of any known format.
///
/// # Errors
/// Returns a [`RecordError`] if the bytes are not a record.
pub fn decode_record(bytes: &[u8]) -> Result<Record, RecordError> {
    match bytes.split_first() {
        Some((&FORMAT, body)) => Ok(florin_storage::decode(body)?),
        Some((format, _)) => Err(RecordError::Format(*format)),
        None => Err(RecordError::Empty),
    }
}

/// Returns the bytes of a personal row.
///
/// # Errors
/// Returns an error if the row can't be encoded, which doesn't happen in practice.
pub fn encode_personal(row: &PersonalRow) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    florin_storage::encode(row, &mut bytes)?;
    Ok(bytes)
}

/// Decodes a personal row.
///
/// # Errors
/// Returns an error if the bytes are not a personal row.
pub fn decode_personal(bytes: &[u8]) -> Result<PersonalRow, Error> {
    florin_storage::decode(bytes)
}

#[cfg(test)]
mod golden;
