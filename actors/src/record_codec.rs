//! Records as bytes: the format byte, then the record's bincode form.

use florin_storage::Error;

use crate::messages::{FORMAT, PersonalRow, Record};

/// Why bytes are no record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A format that this version doesn't know.
    #[error("record format {0} is unknown to this version")]
    Format(u8),
    /// No bytes at all.
    #[error("an empty record")]
    Empty,
    /// Not what the format says.
    #[error("not a record: {0}")]
    Malformed(#[from] Error),
}

/// Appends a record's bytes.
///
/// # Errors
/// A value that must not be written, such as a personal one that isn't sealed.
pub fn encode_record(record: &Record, out: &mut Vec<u8>) -> Result<(), Error> {
    out.push(FORMAT);
    florin_storage::encode(record, out)
}

/// Reads a record of any known format.
///
/// # Errors
/// [`RecordError`], if the bytes are none.
pub fn decode_record(bytes: &[u8]) -> Result<Record, RecordError> {
    match bytes.split_first() {
        Some((&FORMAT, body)) => Ok(florin_storage::decode(body)?),
        Some((format, _)) => Err(RecordError::Format(*format)),
        None => Err(RecordError::Empty),
    }
}

/// A personal row's bytes.
///
/// # Errors
/// None in practice: a row is always encodable.
pub fn encode_personal(row: &PersonalRow) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    florin_storage::encode(row, &mut bytes)?;
    Ok(bytes)
}

/// Reads a personal row.
///
/// # Errors
/// Bytes that are none.
pub fn decode_personal(bytes: &[u8]) -> Result<PersonalRow, Error> {
    florin_storage::decode(bytes)
}

#[cfg(test)]
mod golden;
