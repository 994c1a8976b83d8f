//! The outbox: the journal as the bus reads it.

use std::sync::Arc;

use florin_storage::{Reader, Watermark};

/// A journal's durable records, and its name.
#[derive(Debug, Clone)]
pub struct Outbox {
    /// Reads them.
    pub reader: Reader,
    /// How far they go.
    pub watermark: Arc<Watermark>,
    /// The journal's identity.
    pub id: [u8; 16],
}

impl Outbox {
    /// The journal's identity in hexadecimal.
    pub fn journal_id(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.id))
    }
}
