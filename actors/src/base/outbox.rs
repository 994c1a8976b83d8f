//! The outbox: the bus's view of the journal.

use std::sync::Arc;

use florin_storage::{Reader, Watermark};
use tokio::sync::watch;

use crate::record_codec::decode_record;
use crate::upkeep::Upkeep;
use crate::words::Timestamp;

/// The durable records of a journal, and the journal's identity.
#[derive(Debug, Clone)]
pub struct Outbox {
    /// The reader of the durable records.
    pub reader: Reader,
    /// The durable watermark of the journal.
    pub watermark: Arc<Watermark>,
    /// The sequence of the last record that moved no money. It is updated before that record is
    /// durable.
    pub last_unmoving: watch::Receiver<u64>,
    /// The journal's identity.
    pub id: [u8; 16],
    /// The thread spawner and the conditions for the readers of the outbox.
    pub upkeep: Upkeep,
}

impl Outbox {
    /// Returns the journal's identity in hexadecimal.
    pub fn journal_id(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.id))
    }

    /// Returns the time of a durable record; `None` if the record can't be read. Reads the disk.
    pub fn made(&self, sequence: u64) -> Option<Timestamp> {
        let frames = self.reader.scan(sequence, 1).ok()?;
        let mut records = frames.first()?.iter();
        let (_, bytes) = records.find(|(known, _)| *known == sequence)?;
        Some(decode_record(bytes).ok()?.time)
    }
}
