//! The way back to callers. Lanes are the threads on which they wait: a decision waits in its caller's
//! lane for its record to be durable, and the journal's thread wakes the lane; nobody is in between.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use florin_storage::Watermark;
use florin_storage::sync::lock;

use super::clock::{Clock, Moment};
use super::confirmation::Slot;
use super::observer::Observer;
use super::permits::Room;
use super::reply::{Decided, Reply, Unavailable};
use crate::messages::CommandKind;
use crate::sync::{AtomicWaker, Mutex};

/// The way back to a caller, with what is given back or measured when the answer leaves.
#[derive(Debug)]
pub struct ReplyTo {
    /// Where the caller waits.
    pub slot: Arc<Slot<Reply>>,
    /// The lane it waits on; `None`: the ledger's own.
    pub lane: Option<Arc<Lane>>,
    /// What was asked.
    pub kind: CommandKind,
    /// When it came.
    pub came: Moment,
    /// Given back with the answer; none for what the node does of itself.
    #[allow(dead_code, reason = "held, not read")]
    pub room: Option<Room>,
}

impl ReplyTo {
    /// Measures a decision that leaves now.
    pub fn measure(&self, decided: &Decided, clock: &dyn Clock, observer: &dyn Observer) {
        let nanos = clock.nanos().saturating_sub(self.came.nanos);
        observer.decided(self.kind, decided.label(), nanos as f64 / 1e9);
    }

    /// Gives the caller its reply, unless it has left.
    pub fn send(&self, reply: Reply) {
        if self.slot.fill(reply).is_ok() {
            self.slot.wake();
        }
    }
}

/// A decision that has a record, and its way back.
pub struct Answer {
    decided: Box<Decided>,
    reply_to: ReplyTo,
}

impl Answer {
    /// `decided` for the caller behind `reply_to`.
    pub const fn new(decided: Box<Decided>, reply_to: ReplyTo) -> Self {
        Self { decided, reply_to }
    }

    /// Gives it to its caller, who may have left: its operation tells the outcome.
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

/// What waits on one lane, in the order of the records it rests on. Any thread puts in, the lane's own
/// takes out.
#[derive(Debug)]
pub struct Lane<T = Answer> {
    line: Mutex<VecDeque<(u64, T)>>,
    waker: AtomicWaker,
}

impl<T> Lane<T> {
    /// A lane on which nothing waits.
    pub fn new() -> Self {
        Self {
            line: Mutex::new(VecDeque::new()),
            waker: AtomicWaker::new(),
        }
    }

    /// Puts `answer` in line behind the others: it leaves once record `rests_on` is durable.
    /// `durable` tells how far the journal is.
    pub fn push(&self, rests_on: u64, answer: T, durable: impl Fn() -> u64) {
        lock(&self.line).push_back((rests_on, answer));
        // Whoever moved the journal's end past it before it was in line did not see it there.
        if rests_on <= durable() {
            self.waker.wake();
        }
    }

    /// Wakes the lane if something may leave now that the journal is durable up to `durable`.
    pub fn moved(&self, durable: u64) {
        let is_due = lock(&self.line)
            .front()
            .is_some_and(|(rests_on, _)| *rests_on <= durable);
        if is_due {
            self.waker.wake();
        }
    }

    /// Waits until something may leave, and moves all that may into `leaving`.
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

    /// Everything, durable or not.
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
    /// Lets answers leave as the journal becomes durable, for ever; runs on the lane.
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
    /// One more.
    pub fn add(&self) -> Arc<Lane> {
        let lane = Arc::new(Lane::new());
        lock(&self.all).push(Arc::clone(&lane));
        lane
    }

    /// The journal is durable up to `durable`; on the thread that made it so.
    pub fn moved(&self, durable: u64) {
        for lane in lock(&self.all).iter() {
            lane.moved(durable);
        }
    }

    /// The journal failed: whoever waits learns that the outcome is unknown.
    pub fn fail(&self) {
        for lane in lock(&self.all).iter() {
            for (_, answer) in lane.drain() {
                let unknown = Reply::Unavailable(Unavailable::OutcomeUnknown);
                answer.reply_to.send(unknown);
            }
        }
    }
}
