//! Encodes values to bytes and decodes them. This is the only file that uses bincode, so the format
//! is defined in one place. A test checks golden bytes of every released version.

use crate::error::Error;
use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest encoding of one value, in bytes. A decoder never reserves more memory than this.
pub const ENCODED_BYTES_MAX: usize = 64 * 1024 * 1024;

type Format = Configuration<LittleEndian, Varint, Limit<ENCODED_BYTES_MAX>>;

const fn format() -> Format {
    bincode::config::standard().with_limit::<ENCODED_BYTES_MAX>()
}

/// Appends the encoding of `value` to `out`.
///
/// # Errors
/// Returns [`Error::Encode`] if the type cannot be encoded or takes more than [`ENCODED_BYTES_MAX`]
/// bytes. `out` is then unchanged.
pub fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
    let start = out.len();
    let written = bincode::serde::encode_into_std_write(value, out, format());
    match written {
        Ok(bytes) if bytes <= ENCODED_BYTES_MAX => Ok(()),
        Ok(bytes) => {
            out.truncate(start);
            Err(Error::Encode(format!(
                "{bytes} bytes are above the limit of {ENCODED_BYTES_MAX}"
            )))
        }
        Err(error) => {
            out.truncate(start);
            Err(Error::Encode(error.to_string()))
        }
    }
}

/// Decodes the value that `bytes` encode. It must use all the bytes.
///
/// # Errors
/// Returns [`Error::Decode`] if there are too few or too many bytes, or if they don't encode a
/// value of this type.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let (value, read) = bincode::serde::decode_from_slice(bytes, format())
        .map_err(|error| Error::Decode(error.to_string()))?;
    if read != bytes.len() {
        let trailing = bytes.len() - read;
        return Err(Error::Decode(format!("{trailing} bytes too many")));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_comes_back_and_the_bytes_are_those_of_the_first_release() {
        let value = (300u32, -1i64, "id".to_owned(), Some([7u8; 3]));
        let mut bytes = vec![9];
        encode(&value, &mut bytes).unwrap();
        assert_eq!(bytes, [9, 251, 44, 1, 1, 2, b'i', b'd', 1, 7, 7, 7]);
        let read: (u32, i64, String, Option<[u8; 3]>) = decode(&bytes[1..]).unwrap();
        assert_eq!(read, value);
    }

    #[test]
    fn bytes_too_few_or_too_many_are_refused() {
        let mut bytes = Vec::new();
        encode("text", &mut bytes).unwrap();
        assert!(decode::<String>(&bytes[..3]).is_err());
        bytes.push(0);
        let error = decode::<String>(&bytes).unwrap_err().to_string();
        assert_eq!(error, "cannot decode: 1 bytes too many");
    }

    #[test]
    fn a_length_above_the_limit_is_refused_without_reserving_it() {
        let mut bytes = vec![253];
        bytes.extend_from_slice(&u64::MAX.to_le_bytes());
        assert!(decode::<Vec<u8>>(&bytes).is_err());
        let mut out = vec![1];
        assert!(encode(&vec![0u8; ENCODED_BYTES_MAX + 1], &mut out).is_err());
        assert_eq!(out, [1]);
    }
}
