//! Where a journal ends: what a start checks, a backup notes and an operator compares.

use crate::frame::Frame;
use serde::{Deserialize, Serialize};

/// Where the journal ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Sequence of the last record, 0 if there is none.
    pub sequence: u64,
    /// Time of the last record, microseconds since 1970; 0 if there is none.
    pub time_micros: i64,
    /// The chain's last link; the genesis link if there is none.
    pub link: [u8; 32],
}

impl Head {
    /// Where a journal ends whose last frame this is.
    pub(crate) fn after(frame: &Frame) -> Head {
        Head {
            sequence: frame.last_sequence,
            time_micros: frame.last_time,
            link: frame.link,
        }
    }
}
