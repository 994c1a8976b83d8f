//! Confirmation with a timeout: each waiting caller has one slot, which is filled once or left at
//! the deadline.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use super::deadline::Deadline;
use super::reply::Reply;
use crate::sync::{AtomicU8, AtomicWaker, Mutex, Ordering};
use crate::words::OperationId;

const WAITING: u8 = 0;
const FILLED: u8 = 1;
const TIMED_OUT: u8 = 2;
const GONE: u8 = 3;

/// The place where one caller waits for a value. Exactly one of filling and leaving wins.
#[derive(Debug)]
pub struct Slot<T> {
    state: AtomicU8,
    value: Mutex<Option<T>>,
    waker: AtomicWaker,
    joined: OnceLock<OperationId>,
}

/// The reason why a slot took no value; the value is returned in it.
#[derive(Debug, PartialEq, Eq)]
pub enum Left<T> {
    /// The caller was told that the outcome is unknown.
    TimedOut(T),
    /// The caller has gone.
    Gone(T),
}

impl<T> Slot<T> {
    /// Creates an empty slot whose caller is waiting.
    pub fn new() -> Self {
        Self {
            state: AtomicU8::new(WAITING),
            value: Mutex::new(None),
            waker: AtomicWaker::new(),
            joined: OnceLock::new(),
        }
    }

    /// Gives the caller its value, without waking it. It may be called at most once per slot.
    ///
    /// # Errors
    /// Returns an error that contains the value if the caller has left.
    pub fn fill(&self, value: T) -> Result<(), Left<T>> {
        // A value is taken only after the state has changed, so this lock is never waited for.
        *self.value.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        match self
            .state
            .compare_exchange(WAITING, FILLED, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) => Ok(()),
            Err(state) => match self.take() {
                Some(value) if state == TIMED_OUT => Err(Left::TimedOut(value)),
                Some(value) => Err(Left::Gone(value)),
                None => Ok(()),
            },
        }
    }

    /// Returns whether the caller has left without a value: it was told that the outcome is
    /// unknown, or it has gone.
    pub fn is_left(&self) -> bool {
        matches!(self.state.load(Ordering::Acquire), TIMED_OUT | GONE)
    }

    /// Notes that the caller waits for the outcome of an earlier request.
    pub fn join(&self, operation: OperationId) {
        // Only the first call counts: a command joins at most one other command.
        let _ = self.joined.set(operation);
    }

    /// Wakes the caller of a filled slot.
    pub fn wake(&self) {
        self.waker.wake();
    }

    /// Returns the value, once it is there.
    pub fn poll(&self, context: &mut Context<'_>) -> Poll<T> {
        self.waker.register(context.waker());
        if self.state.load(Ordering::Acquire) == FILLED
            && let Some(value) = self.take()
        {
            return Poll::Ready(value);
        }
        Poll::Pending
    }

    /// Leaves the slot because the wait is over. Returns the value if it came first.
    pub fn time_out(&self) -> Option<T> {
        self.leave(TIMED_OUT)
    }

    /// Leaves the slot because the caller has gone.
    pub fn abandon(&self) {
        drop(self.leave(GONE));
    }

    fn leave(&self, state: u8) -> Option<T> {
        match self
            .state
            .compare_exchange(WAITING, state, Ordering::AcqRel, Ordering::Acquire)
        {
            Err(FILLED) => self.take(),
            Ok(_) | Err(_) => None,
        }
    }

    fn take(&self) -> Option<T> {
        self.value
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// The reply to a submitted command; it comes at the latest when the wait is over. If the
/// confirmation is dropped, the command continues without a caller.
#[derive(Debug)]
pub struct Confirmation {
    operation_id: OperationId,
    slot: Arc<Slot<Reply>>,
    wait: Deadline,
}

impl Confirmation {
    pub(in crate::runtime) fn new(
        operation_id: OperationId,
        slot: Arc<Slot<Reply>>,
        wait: Duration,
    ) -> Self {
        Self {
            operation_id,
            slot,
            wait: Deadline::after(wait),
        }
    }

    /// Returns the id of the command's operation, by which the outcome can be looked up later.
    pub const fn operation_id(&self) -> OperationId {
        self.operation_id
    }
}

impl Future for Confirmation {
    type Output = Reply;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Reply> {
        if let Poll::Ready(reply) = self.slot.poll(context) {
            return Poll::Ready(reply);
        }
        if Pin::new(&mut self.wait).poll(context).is_ready() {
            return Poll::Ready(self.slot.time_out().unwrap_or_else(|| {
                Reply::TimedOut(*self.slot.joined.get().unwrap_or(&self.operation_id))
            }));
        }
        Poll::Pending
    }
}

impl Drop for Confirmation {
    fn drop(&mut self) {
        self.slot.abandon();
    }
}
