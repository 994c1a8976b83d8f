//! Answers that wait for the durable watermark, in the order in which they may leave.

use std::collections::VecDeque;
use std::fmt;

use super::envelope::{Envelope, ReplyTo};
use super::reply::Decided;
use crate::messages::OperationId;

/// Something to be done once a record is durable.
pub enum Held {
    /// Send a decision to its caller.
    Answer(Box<Decided>, ReplyTo),
    /// Answer from the record that settled the key earlier.
    Replay(Box<Envelope>, u64),
    /// Let a batch take its turn, whose item's key is that of a command still to be executed.
    Again(Box<Envelope>),
    /// Anything else: a read.
    Then(Box<dyn FnOnce()>),
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Answer(..) => "Answer",
            Self::Replay(..) => "Replay",
            Self::Again(_) => "Again",
            Self::Then(_) => "Then",
        })
    }
}

/// The answers that wait, by the sequence they rest on.
#[derive(Debug, Default)]
pub struct Waiting {
    line: VecDeque<(u64, Held)>,
}

impl Waiting {
    /// Puts an answer in line: it leaves when `rests_on` is durable, and never before one that
    /// came earlier.
    pub fn push(&mut self, rests_on: u64, held: Held) {
        let until = self
            .line
            .back()
            .map_or(rests_on, |(last, _)| rests_on.max(*last));
        self.line.push_back((until, held));
    }

    /// The operation that a record in line settles.
    pub fn operation_of(&self, sequence: u64) -> Option<OperationId> {
        let start = self.line.partition_point(|(until, _)| *until < sequence);
        self.line.range(start..).find_map(|(_, held)| match held {
            Held::Answer(decided, _) if decided.record.sequence == sequence && decided.stored => {
                Some(decided.record.operation_id)
            }
            _ => None,
        })
    }

    /// The next answer that may leave.
    pub fn pop(&mut self, durable: u64) -> Option<Held> {
        if self
            .line
            .front()
            .is_some_and(|(until, _)| *until <= durable)
        {
            return self.line.pop_front().map(|(_, held)| held);
        }
        None
    }

    /// Everything, durable or not: the journal failed.
    pub fn drain(&mut self) -> impl Iterator<Item = Held> {
        self.line.drain(..).map(|(_, held)| held)
    }
}
