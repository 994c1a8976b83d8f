//! A chunk: the records that the deciding thread hands to the journal, one chunk per turn. The
//! records are encoded one after the other into one buffer, without an allocation for each.

use crate::error::Error;

/// Consecutive records to be written to the journal.
///
/// ```
/// # fn main() -> Result<(), florin_storage::Error> {
/// let mut chunk = florin_storage::Chunk::new(1, 1024);
/// chunk.begin().extend_from_slice(b"a record");
/// assert_eq!(chunk.end(1_700_000_000_000_000, None)?, 1);
/// assert_eq!(chunk.records(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Chunk {
    first_sequence: u64,
    record_bytes_max: usize,
    bytes: Vec<u8>,
    ends: Vec<u32>,
    times: Vec<i64>,
    personal: Vec<(u64, Vec<u8>)>,
    withheld: Vec<u64>,
}

impl std::fmt::Debug for Chunk {
    // The records' bytes and the personal fields must not appear in logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chunk")
            .field("first_sequence", &self.first_sequence)
            .field("records", &self.records())
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

impl Chunk {
    /// Creates an empty chunk whose first record gets the sequence `first_sequence`. [`Chunk::end`]
    /// refuses a record of more than `record_bytes_max` bytes; pass the journal's
    /// [`crate::Options::record_bytes_max`].
    pub fn new(first_sequence: u64, record_bytes_max: usize) -> Chunk {
        Chunk {
            first_sequence,
            record_bytes_max,
            bytes: Vec::new(),
            ends: Vec::new(),
            times: Vec::new(),
            personal: Vec::new(),
            withheld: Vec::new(),
        }
    }

    /// Creates an empty chunk that continues this one, with as much capacity as this one uses.
    pub fn next(&self) -> Chunk {
        Chunk {
            first_sequence: self.next_sequence(),
            record_bytes_max: self.record_bytes_max,
            bytes: Vec::with_capacity(self.bytes.len()),
            ends: Vec::with_capacity(self.ends.len()),
            times: Vec::with_capacity(self.times.len()),
            personal: Vec::new(),
            withheld: Vec::new(),
        }
    }

    /// Begins a record and returns the buffer to append its encoding to. Bytes that are already in
    /// the buffer must stay. A record that was begun but not ended is discarded.
    pub fn begin(&mut self) -> &mut Vec<u8> {
        self.bytes.truncate(self.ended());
        &mut self.bytes
    }

    /// Ends the record that [`Chunk::begin`] began and returns its sequence. `time_micros` is the
    /// record's time (UTC, microseconds since 1970). `personal` are its personal fields, if it has
    /// any; they are kept beside the chain.
    ///
    /// # Errors
    /// Returns [`Error::RecordTooLarge`]. The record is then discarded, and the chunk is otherwise
    /// unchanged.
    pub fn end(&mut self, time_micros: i64, personal: Option<Vec<u8>>) -> Result<u64, Error> {
        let start = self.ended();
        let bytes = self.bytes.len() - start;
        let bytes_max = self.record_bytes_max;
        let end = u32::try_from(self.bytes.len()).ok();
        let (Some(end), true) = (end, bytes <= bytes_max) else {
            self.bytes.truncate(start);
            return Err(Error::RecordTooLarge { bytes, bytes_max });
        };
        let sequence = self.next_sequence();
        self.ends.push(end);
        self.times.push(time_micros);
        if let Some(personal) = personal {
            self.personal.push((sequence, personal));
        }
        Ok(sequence)
    }

    /// Withholds the personal fields beside record `sequence` once this chunk is durable: from then
    /// on no reader serves them, and [`crate::Eraser`] can remove them.
    pub fn withhold(&mut self, sequence: u64) {
        self.withheld.push(sequence);
    }

    /// Returns the sequence that the next record gets.
    pub fn next_sequence(&self) -> u64 {
        self.first_sequence + self.ends.len() as u64
    }

    /// Returns the sequence of the first record.
    pub fn first_sequence(&self) -> u64 {
        self.first_sequence
    }

    /// Returns the number of ended records.
    pub fn records(&self) -> usize {
        self.ends.len()
    }

    /// Returns whether the chunk has no ended record.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Returns the number of bytes of the ended records and their personal fields.
    pub fn bytes(&self) -> usize {
        let personal: usize = self.personal.iter().map(|(_, bytes)| bytes.len()).sum();
        self.ended() + personal
    }

    /// Iterates over the ended records in order: sequence, time and bytes.
    pub fn iter(&self) -> impl Iterator<Item = (u64, i64, &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let spans = starts.zip(self.ends.iter().copied());
        let numbered = (self.first_sequence..).zip(self.times.iter().copied());
        numbered.zip(spans).map(|((sequence, time), (start, end))| {
            (sequence, time, &self.bytes[start as usize..end as usize])
        })
    }

    /// Returns the personal fields with the sequences of their records.
    pub fn personal(&self) -> &[(u64, Vec<u8>)] {
        &self.personal
    }

    /// Returns the records whose personal fields are to be withheld.
    pub(crate) fn withheld(&self) -> &[u64] {
        &self.withheld
    }

    fn ended(&self) -> usize {
        self.ends.last().map_or(0, |end| *end as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_in_order_with_their_sequences() {
        let mut chunk = Chunk::new(7, 100);
        chunk.begin().extend_from_slice(b"one");
        chunk.end(10, None).unwrap();
        chunk.begin();
        chunk.end(11, Some(b"name".to_vec())).unwrap();
        chunk.begin().extend_from_slice(b"three");
        chunk.end(12, None).unwrap();
        let all: Vec<_> = chunk.iter().collect();
        assert_eq!(all, [(7, 10, &b"one"[..]), (8, 11, b""), (9, 12, b"three")]);
        assert_eq!(chunk.personal(), [(8, b"name".to_vec())]);
        assert_eq!(chunk.bytes(), 12);
    }

    #[test]
    fn a_record_too_large_or_abandoned_leaves_no_trace() {
        let mut chunk = Chunk::new(1, 4);
        chunk.begin().extend_from_slice(b"ok");
        chunk.end(1, None).unwrap();
        let before = chunk.clone();
        chunk.begin().extend_from_slice(b"large");
        let error = chunk.end(2, None).unwrap_err();
        assert!(matches!(
            error,
            Error::RecordTooLarge {
                bytes: 5,
                bytes_max: 4
            }
        ));
        assert_eq!(chunk, before);
        chunk.begin().extend_from_slice(b"lost");
        assert_eq!(chunk.begin().len(), 2);
        assert_eq!(chunk, before);
    }
}
