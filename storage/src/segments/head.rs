//! The journal's head, its last record and link. A start checks it, a backup notes it and an
//! operator compares it.

use crate::segments::frame::Frame;
use serde::{Deserialize, Serialize};

/// The end of the journal: its last record and link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The sequence of the last record, 0 if there is none.
    pub sequence: u64,
    /// The time of the last record in microseconds since 1970, 0 if there is none.
    pub time_micros: i64,
    /// The chain's last link, or the genesis link if there is no record.
    pub link: [u8; 32],
}

impl Head {
    /// Returns the head of a journal whose last frame is `frame`.
    pub(crate) fn after(frame: &Frame) -> Head {
        Head {
            sequence: frame.last_sequence,
            time_micros: frame.last_time,
            link: frame.link,
        }
    }
}
