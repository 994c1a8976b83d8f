//! The counter of account numbers. There is one per shard, so that numbers are unique without
//! asking other shards.

use serde::{Deserialize, Serialize};

use super::entity::{Entity, Fact, Stamp};
use crate::words::{Rejection, SHARDS, Timestamp};

/// An event of a counter of account numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum NumberingEvent {
    /// The counter's next value was issued.
    Issued(u64),
}

impl Fact for NumberingEvent {}

/// A step that only a counter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberingStep {
    /// Issue the next value.
    Issue,
}

/// The number of account numbers that a shard has issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbering {
    last: u64,
}

impl Numbering {
    /// Returns the value that the counter issues next.
    pub fn next(state: Option<&Self>) -> u64 {
        state.map_or(0, |numbering| numbering.last) + 1
    }

    /// Returns the account number for a value of the shard's counter: the counter × 256 + shard.
    pub const fn number(counter: u64, shard: u8) -> u64 {
        counter * SHARDS as u64 + shard as u64
    }
}

impl Entity for Numbering {
    type Event = NumberingEvent;
    type Step = NumberingStep;

    const NAME: &'static str = "numbering";
    const NOT_FOUND: &'static str = "Account not found";

    fn decide(
        state: Option<&Self>,
        step: &NumberingStep,
        _: Timestamp,
    ) -> Result<Vec<NumberingEvent>, Rejection> {
        match step {
            NumberingStep::Issue => Ok(vec![NumberingEvent::Issued(Self::next(state))]),
        }
    }

    fn evolve(_: Option<Self>, event: &NumberingEvent, _: Stamp) -> Option<Self> {
        match event {
            NumberingEvent::Issued(last) => Some(Self { last: *last }),
        }
    }
}
