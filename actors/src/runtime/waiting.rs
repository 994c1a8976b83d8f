//! What waits on the ledger's thread for the durable watermark, in the order in which it may be done,
//! and the operations that wait for it elsewhere.

use std::collections::VecDeque;
use std::fmt;

use super::envelope::Envelope;
use super::lane::ReplyTo;
use super::reply::Decided;
use crate::messages::OperationId;

/// Something to be done once a record is durable.
pub enum Held {
    /// Send a decision that has no record to its caller.
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

    /// What the next answer in line rests on.
    pub fn next(&self) -> Option<u64> {
        self.line.front().map(|(until, _)| *until)
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

/// The operations whose records are not known to be durable, in the order of these.
#[derive(Debug, Default)]
pub struct Settling {
    line: VecDeque<(u64, OperationId)>,
}

impl Settling {
    /// Record `sequence`, later than all before, settles `operation`.
    pub fn push(&mut self, sequence: u64, operation: OperationId) {
        self.line.push_back((sequence, operation));
    }

    /// The next one whose record is durable, up to `durable`.
    pub fn pop(&mut self, durable: u64) -> Option<OperationId> {
        let next = self.line.pop_front_if(|(sequence, _)| *sequence <= durable);
        next.map(|(_, operation)| operation)
    }

    /// The operation that a record settles.
    pub fn operation_of(&self, sequence: u64) -> Option<OperationId> {
        let at = self.line.partition_point(|(until, _)| *until < sequence);
        let (found, operation) = self.line.get(at)?;
        (*found == sequence).then_some(*operation)
    }

    /// The last record that settles an operation.
    pub fn record_of(&self, operation: OperationId) -> Option<u64> {
        let mut latest = self.line.iter().rev();
        let found = latest.find(|(_, settled)| *settled == operation);
        found.map(|(sequence, _)| *sequence)
    }
}
