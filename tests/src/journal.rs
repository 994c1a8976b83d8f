//! Reads and rewrites the journal of a stopped server through the storage crate, for damage that no
//! server would cause. Unchanged frames keep every link of the chain.

use std::path::Path;
use std::sync::Arc;

use florin_storage::{Chunk, FileDisk, Journal, Opened, Options, PersonalBytes};

/// A record's bytes with its sequence and its personal row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The record's sequence in the journal.
    pub sequence: u64,
    /// The record's bytes.
    pub record: Vec<u8>,
    /// The bytes of the personal row, if there is one.
    pub personal: Option<Vec<u8>>,
}

/// A frame: the records that share one link of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The time of the last record, in microseconds since 1970.
    pub time: i64,
    /// The link, in hexadecimal.
    pub link: String,
    /// The frame's records.
    pub entries: Vec<Entry>,
}

/// A copy of a whole journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    id: [u8; 16],
    /// All frames of the journal.
    pub frames: Vec<Frame>,
}

impl Copy {
    /// Reads the journal of a data folder that no server has open.
    ///
    /// # Panics
    /// Panics if it can't be read.
    pub fn read(data_dir: &Path) -> Self {
        let Opened {
            committer,
            reader,
            journal_id,
            ..
        } = open(data_dir, [0; 16]);
        let frames = reader.frames(1).map(|frame| {
            let frame = frame.expect("a readable frame");
            let entries = frame.iter().map(|(sequence, record)| Entry {
                sequence,
                record: record.to_vec(),
                personal: reader
                    .personal(sequence)
                    .expect("readable")
                    .and_then(PersonalBytes::kept),
            });
            Frame {
                time: frame.last_time,
                link: const_hex::encode(frame.link),
                entries: entries.collect(),
            }
        });
        let copy = Self {
            id: journal_id,
            frames: frames.collect(),
        };
        committer.finish().expect("ends well");
        copy
    }

    /// Writes the journal to a data folder without one. The links are computed from the current
    /// bytes.
    ///
    /// # Panics
    /// Panics if it can't be written.
    pub fn write(&self, data_dir: &Path) {
        let Opened {
            mut committer,
            queue,
            ..
        } = open(data_dir, self.id);
        for frame in &self.frames {
            let Some(first) = frame.entries.first() else {
                continue;
            };
            let mut chunk = Chunk::new(first.sequence, 16 << 20);
            for entry in &frame.entries {
                chunk.begin().extend_from_slice(&entry.record);
                chunk
                    .end(frame.time, entry.personal.clone())
                    .expect("not too large");
            }
            queue.push(chunk);
            committer.run_pending().expect("writes");
        }
        committer.finish().expect("ends well");
    }

    /// Returns all records, in order.
    pub fn entries(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.frames
            .iter_mut()
            .flat_map(|frame| frame.entries.iter_mut())
    }

    /// Returns the last link of the chain, in hexadecimal.
    pub fn head(&self) -> String {
        self.frames
            .last()
            .map(|frame| frame.link.clone())
            .unwrap_or_default()
    }
}

fn open(data_dir: &Path, id: [u8; 16]) -> Opened {
    let disk = FileDisk::open(data_dir).expect("a data folder");
    Journal::open(Arc::new(disk), Options::new(id), 0).expect("a journal")
}
