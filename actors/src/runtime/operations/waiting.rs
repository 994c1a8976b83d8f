//! The actions that wait on the ledger's thread for records to become durable, in the order in
//! which they may be performed.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;

use tokio::sync::Notify;

use crate::runtime::replies::lane::ReplyTo;
use crate::runtime::replies::reply::Decided;
use crate::runtime::residency::envelope::Envelope;

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

impl Held {
    /// Returns the reply address of the caller that waits for the action.
    pub const fn reply_to(&self) -> Option<&ReplyTo> {
        match self {
            Self::Answer(_, reply_to) => Some(reply_to),
            Self::Replay(envelope, _) | Self::Again(envelope) => Some(&envelope.reply_to),
            Self::Then(_) => None,
        }
    }

    /// Returns whether a caller waited for the action and has left.
    pub fn is_left(&self) -> bool {
        self.reply_to()
            .is_some_and(|reply_to| reply_to.slot.is_left())
    }
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
    line: RefCell<VecDeque<(u64, Held)>>,
    added: Notify,
}

impl Waiting {
    /// Queues an action. It may be performed once `rests_on` is durable, and never before an
    /// earlier one.
    pub fn push(&self, rests_on: u64, held: Held) {
        let mut line = self.line.borrow_mut();
        let last = line.back().map_or(0, |(last, _)| *last);
        line.push_back((rests_on.max(last), held));
        self.added.notify_one();
    }

    /// Waits for an action, and returns the sequence that must be durable before the first one.
    pub async fn next(&self) -> u64 {
        loop {
            let next = self.line.borrow().front().map(|(until, _)| *until);
            match next {
                Some(until) => return until,
                None => self.added.notified().await,
            }
        }
    }

    /// Removes and returns the next action, if `durable` is far enough for it.
    pub fn pop(&self, durable: u64) -> Option<Held> {
        let mut line = self.line.borrow_mut();
        let next = line.pop_front_if(|(until, _)| *until <= durable);
        next.map(|(_, held)| held)
    }

    /// Removes and returns all actions, durable or not, because the journal failed.
    pub fn drain(&self) -> impl Iterator<Item = Held> + use<> {
        self.line.take().into_iter().map(|(_, held)| held)
    }
}
