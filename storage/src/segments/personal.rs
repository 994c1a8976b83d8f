//! The format of personal rows, which lie beside the chain. Each row has a checksum of its own, so
//! that no altered row is served or copied. An erased row leaves an erasure mark: a row that is
//! missing without a mark was lost.
//!
//! | kind | fields | check |
//! |---|---|---|
//! | 1 byte: 0 erased, 1 kept | any; none if erased | 16 bytes of BLAKE3 over sequence, kind and fields |

use crate::error::Error;

const ERASED: u8 = 0;
const KEPT: u8 = 1;
const CHECK: usize = 16;

/// The content of the personal row beside a record: its personal fields, or an erasure mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PersonalBytes {
    /// The fields as they were written.
    Kept(Vec<u8>),
    /// The fields were erased.
    Erased,
}

impl PersonalBytes {
    /// Returns the fields, or `None` if they were erased.
    pub fn kept(self) -> Option<Vec<u8>> {
        match self {
            PersonalBytes::Kept(bytes) => Some(bytes),
            PersonalBytes::Erased => None,
        }
    }

    /// Reads the row beside record `sequence` of the segment `name`.
    pub(crate) fn parse(name: &str, sequence: u64, row: &[u8]) -> Result<PersonalBytes, Error> {
        let damaged = |what| Error::damaged(name, sequence, what);
        let Some((fields, found)) = row.split_last_chunk::<CHECK>() else {
            return Err(damaged("the personal row beside this record is cut"));
        };
        if *found != check(sequence, fields) {
            return Err(damaged(
                "the personal row beside this record is not as it was written",
            ));
        }
        match fields.split_first() {
            Some((&KEPT, bytes)) => Ok(PersonalBytes::Kept(bytes.to_vec())),
            Some((&ERASED, [])) => Ok(PersonalBytes::Erased),
            _ => Err(damaged(
                "the personal row beside this record is of no known kind",
            )),
        }
    }
}

/// Returns the row of the fields beside record `sequence`, or its erasure mark for `None`.
pub(crate) fn row(sequence: u64, fields: Option<&[u8]>) -> Vec<u8> {
    let mut row = vec![if fields.is_some() { KEPT } else { ERASED }];
    row.extend_from_slice(fields.unwrap_or_default());
    let check = check(sequence, &row);
    row.extend_from_slice(&check);
    row
}

fn check(sequence: u64, fields: &[u8]) -> [u8; CHECK] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&sequence.to_le_bytes());
    hasher.update(fields);
    let mut check = [0; CHECK];
    check.copy_from_slice(&hasher.finalize().as_bytes()[..CHECK]);
    check
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_row_comes_back_and_any_altered_byte_shows(
            fields in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
            sequence in any::<u64>(),
            at in any::<prop::sample::Index>(),
            flip in 1..=255u8,
        ) {
            let mut bytes = row(sequence, fields.as_deref());
            let read = PersonalBytes::parse("a", sequence, &bytes).unwrap();
            prop_assert_eq!(read.kept(), fields);
            prop_assert!(PersonalBytes::parse("a", sequence ^ 1, &bytes).is_err());
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert!(PersonalBytes::parse("a", sequence, &bytes).is_err());
        }
    }
}
