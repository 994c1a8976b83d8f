//! The actions that wait on the ledger's thread for the durable watermark, in the order in which
//! they may be performed, and the operations that wait for it elsewhere.

use std::collections::VecDeque;
use std::fmt;

use super::envelope::Envelope;
use super::lane::ReplyTo;
use super::reply::Decided;
use crate::words::OperationId;

/// An action to be performed once a record is durable.
pub enum Held {
    /// Sends a decision that has no record to its caller.
    Answer(Box<Decided>, ReplyTo),
    /// Answers a repeat from the record that settled the key earlier.
    Replay(Box<Envelope>, u64),
    /// Lets a batch take its turn that has an item with the key of a command that was not executed
    /// yet.
    Again(Box<Envelope>),
    /// Any other action, for example a read.
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

/// The waiting actions, each with the sequence that must be durable first.
#[derive(Debug, Default)]
pub struct Waiting {
    line: VecDeque<(u64, Held)>,
}

impl Waiting {
    /// Queues an action. It may be performed once `rests_on` is durable, and never before an
    /// earlier one.
    pub fn push(&mut self, rests_on: u64, held: Held) {
        let until = self
            .line
            .back()
            .map_or(rests_on, |(last, _)| rests_on.max(*last));
        self.line.push_back((until, held));
    }

    /// Returns the sequence that must be durable before the next action.
    pub fn next(&self) -> Option<u64> {
        self.line.front().map(|(until, _)| *until)
    }

    /// Removes and returns the next action, if `durable` is far enough for it.
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

    /// Removes and returns all actions, durable or not, because the journal failed.
    pub fn drain(&mut self) -> impl Iterator<Item = Held> {
        self.line.drain(..).map(|(_, held)| held)
    }
}

/// The operations whose records are not known to be durable, in the order of the records.
#[derive(Debug, Default)]
pub struct Settling {
    line: VecDeque<(u64, OperationId)>,
}

impl Settling {
    /// Notes that record `sequence`, later than all before, settles `operation`.
    pub fn push(&mut self, sequence: u64, operation: OperationId) {
        self.line.push_back((sequence, operation));
    }

    /// Removes and returns the next operation whose record is durable, given the durable sequence.
    pub fn pop(&mut self, durable: u64) -> Option<OperationId> {
        let next = self.line.pop_front_if(|(sequence, _)| *sequence <= durable);
        next.map(|(_, operation)| operation)
    }

    /// Returns the operation that a record settles.
    pub fn operation_of(&self, sequence: u64) -> Option<OperationId> {
        let at = self.line.partition_point(|(until, _)| *until < sequence);
        let (found, operation) = self.line.get(at)?;
        (*found == sequence).then_some(*operation)
    }

    /// Returns the last record that settles an operation.
    pub fn record_of(&self, operation: OperationId) -> Option<u64> {
        let mut latest = self.line.iter().rev();
        let found = latest.find(|(_, settled)| *settled == operation);
        found.map(|(sequence, _)| *sequence)
    }
}
