//! The lanes, through which answers return to their callers. A lane is a thread on which callers
//! wait. A decision waits in its caller's lane until its record is durable; then the journal's
//! thread wakes the lane directly.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use florin_storage::Watermark;
use florin_storage::sync::lock;

use super::confirmation::Slot;
use super::reply::{Decided, Reply, Unavailable};
use crate::base::{Clock, Moment};
use crate::commands::CommandKind;
use crate::runtime::observer::Observer;
use crate::runtime::permits::Room;
use crate::sync::{AtomicWaker, Mutex};

/// The reply address of a caller, with the permits that are given back and the data that is
/// measured when the answer is sent.
#[derive(Debug)]
pub struct ReplyTo {
    /// The slot in which the caller waits.
    pub slot: Arc<Slot<Reply>>,
    /// The lane on which the caller waits; `None` for the ledger's own lane.
    pub lane: Option<Arc<Lane>>,
    /// The command's kind.
    pub kind: CommandKind,
    /// The moment when the command was received.
    pub came: Moment,
    /// The permits that are given back with the answer; `None` for executions of accepted commands.
    #[allow(dead_code, reason = "held, not read")]
    pub room: Option<Room>,
}

impl ReplyTo {
    /// Measures a decision whose answer is sent now.
    pub fn measure(&self, decided: &Decided, clock: &dyn Clock, observer: &dyn Observer) {
        let nanos = clock.nanos().saturating_sub(self.came.nanos);
        observer.decided(self.kind, decided.answered(), nanos as f64 / 1e9);
    }

    /// Gives the caller its reply, unless the caller has left.
    pub fn send(&self, reply: Reply) {
        if self.slot.fill(reply).is_ok() {
            self.slot.wake();
        }
    }
}

/// A decision that has a record, with its reply address.
pub struct Answer {
    decided: Box<Decided>,
    reply_to: ReplyTo,
}

impl Answer {
    /// Creates the answer with `decided` for the caller behind `reply_to`.
    pub const fn new(decided: Box<Decided>, reply_to: ReplyTo) -> Self {
        Self { decided, reply_to }
    }

    /// Gives the decision to its caller. If the caller has left, the operation still shows the
    /// outcome.
    pub fn leave(self, clock: &dyn Clock, observer: &dyn Observer) {
        self.reply_to.measure(&self.decided, clock, observer);
        self.reply_to.send(Reply::Decided(self.decided));
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Answer")
            .field(&self.decided.record.operation_id)
            .finish()
    }
}

/// The answers that wait on one lane, in the order of the records they depend on. Any thread adds
/// answers; the lane's own thread takes them.
#[derive(Debug)]
pub struct Lane<T = Answer> {
    line: Mutex<VecDeque<(u64, T)>>,
    waker: AtomicWaker,
}

impl<T> Lane<T> {
    /// Creates a lane on which nothing waits.
    pub fn new() -> Self {
        Self {
            line: Mutex::new(VecDeque::new()),
            waker: AtomicWaker::new(),
        }
    }

    /// Queues `answer` behind the others; it is sent once record `rests_on` is durable. `durable`
    /// returns how far the journal is durable.
    pub fn push(&self, rests_on: u64, answer: T, durable: impl Fn() -> u64) {
        lock(&self.line).push_back((rests_on, answer));
        // If the watermark passed `rests_on` before the answer was queued, the journal's thread did
        // not see the answer, so the lane is woken here.
        if rests_on <= durable() {
            self.waker.wake();
        }
    }

    /// Wakes the lane if an answer may be sent now that the journal is durable up to `durable`.
    pub fn moved(&self, durable: u64) {
        let is_due = lock(&self.line)
            .front()
            .is_some_and(|(rests_on, _)| *rests_on <= durable);
        if is_due {
            self.waker.wake();
        }
    }

    /// Waits until answers may be sent, and moves all of them into `leaving`.
    pub async fn take(&self, leaving: &mut Vec<T>, durable: impl Fn() -> u64) {
        poll_fn(|context| {
            self.waker.register(context.waker());
            let mut line = lock(&self.line);
            let durable = durable();
            while let Some((_, answer)) = line.pop_front_if(|(rests_on, _)| *rests_on <= durable) {
                leaving.push(answer);
            }
            if leaving.is_empty() {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }

    /// Removes and returns all answers, durable or not.
    pub fn drain(&self) -> VecDeque<(u64, T)> {
        std::mem::take(&mut *lock(&self.line))
    }
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl Lane {
    /// Sends answers as the journal becomes durable, forever; runs on the lane.
    pub async fn deliver(
        self: Arc<Self>,
        watermark: Arc<Watermark>,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
    ) {
        let mut leaving = Vec::new();
        loop {
            self.take(&mut leaving, || watermark.durable()).await;
            for answer in leaving.drain(..) {
                answer.leave(&*clock, &*observer);
            }
        }
    }
}

/// The lanes of one node.
#[derive(Debug, Default)]
pub struct Lanes {
    all: Mutex<Vec<Arc<Lane>>>,
}

impl Lanes {
    /// Adds a lane.
    pub fn add(&self) -> Arc<Lane> {
        let lane = Arc::new(Lane::new());
        lock(&self.all).push(Arc::clone(&lane));
        lane
    }

    /// Wakes the lanes because the journal is durable up to `durable`. It is called on the thread
    /// that made it so.
    pub fn moved(&self, durable: u64) {
        for lane in lock(&self.all).iter() {
            lane.moved(durable);
        }
    }

    /// Handles a failure of the journal: every waiting caller learns that the outcome is unknown.
    pub fn fail(&self) {
        for lane in lock(&self.all).iter() {
            for (_, answer) in lane.drain() {
                let unknown = Reply::Unavailable(Unavailable::OutcomeUnknown);
                answer.reply_to.send(unknown);
            }
        }
    }
}
