//! The outbox: the journal as the bus reads it.

use std::sync::Arc;

use florin_storage::{Reader, Watermark};
use tokio::sync::watch;

use crate::messages::Timestamp;
use crate::record_codec::decode_record;

/// A journal's durable records, and its name.
#[derive(Debug, Clone)]
pub struct Outbox {
    /// Reads them.
    pub reader: Reader,
    /// How far they go.
    pub watermark: Arc<Watermark>,
    /// The last record that moved no money, told before it is durable.
    pub last_unmoving: watch::Receiver<u64>,
    /// The journal's identity.
    pub id: [u8; 16],
}

impl Outbox {
    /// The journal's identity in hexadecimal.
    pub fn journal_id(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.id))
    }

    /// When a durable record was made; `None` where it can't be read. Reads the disk.
    pub fn made(&self, sequence: u64) -> Option<Timestamp> {
        let frames = self.reader.scan(sequence, 1).ok()?;
        let mut records = frames.first()?.iter();
        let (_, bytes) = records.find(|(known, _)| *known == sequence)?;
        Some(decode_record(bytes).ok()?.time)
    }
}
