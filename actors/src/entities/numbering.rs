//! The counter of account numbers, one a shard, so that numbers are unique without asking others.

use serde::{Deserialize, Serialize};

use super::{Entity, Stamp, Step};
use crate::messages::{Code, NumberingEvent, Rejection, SHARDS, Timestamp};

/// How many numbers a shard has given out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbering {
    last: u64,
}

impl Numbering {
    /// The account number that the shard's counter makes: the counter × 256 + shard.
    pub const fn number(counter: u64, shard: u8) -> u64 {
        counter * SHARDS as u64 + shard as u64
    }
}

impl Entity for Numbering {
    type Event = NumberingEvent;

    fn decide(
        state: Option<&Self>,
        step: &Step,
        _: Timestamp,
    ) -> Result<Vec<NumberingEvent>, Rejection> {
        match step {
            Step::Issue => Ok(vec![NumberingEvent::Issued(
                state.map_or(0, |numbering| numbering.last) + 1,
            )]),
            _ => Err(Rejection::new(Code::NotFound, "Account not found")),
        }
    }

    fn evolve(_: Option<Self>, event: &NumberingEvent, _: Stamp) -> Option<Self> {
        match event {
            NumberingEvent::Issued(last) => Some(Self { last: *last }),
        }
    }
}
