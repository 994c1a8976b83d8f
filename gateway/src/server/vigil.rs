//! The vigil of a connection: it tracks what the connection is doing and since when, so that slow
//! heads and idle connections are ended. Handlers bound their own time. hyper has a timer for
//! heads, but creates it anew for each request, and counts idle time as a slow head.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

use super::Bounds;
use super::gate::Answered;

/// The most answers without a body that may wait for a client that doesn't read them.
const BARE_MAX: u32 = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// A request's head is being read.
    Head,
    /// A request is being handled.
    Handling,
    /// The connection waits for its first or its next request.
    Idle,
}

/// The state that is tracked for one connection. It stays on the connection's lane.
#[derive(Debug)]
pub struct Vigil {
    doing: Cell<Doing>,
    since: Cell<Instant>,
    moved: Cell<bool>,
    unread: Cell<bool>,
    /// The number of answers without a body since everything was last written.
    bare: Cell<u32>,
}

impl Vigil {
    /// Creates the vigil of a connection that was just accepted.
    pub fn new() -> Self {
        Self {
            doing: Cell::new(Doing::Idle),
            since: Cell::new(Instant::now()),
            moved: Cell::new(false),
            unread: Cell::new(false),
            bare: Cell::new(0),
        }
    }

    /// Returns the interval at which the connection is checked.
    pub fn interval(bounds: &Bounds) -> Duration {
        (bounds.head_read.min(bounds.idle) / 4).max(Duration::from_millis(100))
    }

    /// Notes that bytes were received.
    pub fn received(&self) {
        if self.doing.get() == Doing::Idle {
            self.turn(Doing::Head);
        }
    }

    /// Notes that bytes were sent. A connection whose answer is read slowly is not idle.
    pub fn sent(&self) {
        self.moved.set(true);
    }

    /// Notes that a request's head is complete.
    pub fn began(&self) {
        self.doing.set(Doing::Handling);
        self.unread.set(false);
    }

    /// Notes that the answer to the request is ready.
    pub fn answered(&self, answered: &Answered) {
        self.unread.set(answered.unread);
        if answered.is_bare {
            self.bare.set(self.bare.get().saturating_add(1));
        }
        self.turn(Doing::Idle);
    }

    /// Notes that everything that was to be sent was written.
    pub fn flushed(&self) {
        self.bare.set(0);
    }

    /// Returns whether too many answers without a body wait. hyper itself bounds only answers with
    /// a body.
    pub fn is_crowded(&self) -> bool {
        self.bare.get() >= BARE_MAX
    }

    /// Returns whether a part of the last request's body may still arrive.
    pub fn is_unread(&self) -> bool {
        self.unread.get()
    }

    /// Returns whether the connection has exceeded its time.
    pub fn is_over(&self, bounds: &Bounds) -> bool {
        if self.doing.get() == Doing::Idle && self.moved.replace(false) {
            self.since.set(Instant::now());
        }
        match self.doing.get() {
            Doing::Head => self.since.get().elapsed() >= bounds.head_read,
            Doing::Handling => false,
            Doing::Idle => self.since.get().elapsed() >= bounds.idle,
        }
    }

    fn turn(&self, doing: Doing) {
        self.doing.set(doing);
        self.since.set(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        connections_max: 1,
        head_read: Duration::from_secs(10),
        idle: Duration::from_secs(75),
        drained_bytes_max: 0,
        lanes: 0,
    };

    fn plain() -> Answered {
        Answered {
            response: warp::reply::Response::default(),
            unread: false,
            is_bare: false,
            talk: None,
        }
    }

    async fn after(seconds: u64, vigil: &Vigil) -> bool {
        tokio::time::advance(Duration::from_secs(seconds)).await;
        vigil.is_over(&BOUNDS)
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_head_ends_a_connection_and_idling_only_later() {
        let vigil = Vigil::new();
        assert!(!after(74, &vigil).await);
        vigil.received();
        assert!(!after(9, &vigil).await);
        vigil.began();
        assert!(!after(1_000, &vigil).await);
        vigil.answered(&plain());
        assert!(!after(74, &vigil).await);
        vigil.received();
        vigil.received();
        assert!(!after(9, &vigil).await);
        assert!(after(1, &vigil).await);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_still_being_read_is_not_idle() {
        let vigil = Vigil::new();
        vigil.began();
        vigil.answered(&plain());
        vigil.sent();
        assert!(!after(75, &vigil).await);
        assert!(after(75, &vigil).await);
    }
}
