//! What a connection is doing, and since when: slow heads and idle connections are ended. Handlers
//! bound their own time. hyper has a timer for heads, but makes it anew for each request and takes
//! idling for a slow head.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

use super::Bounds;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// A head is being read.
    Head,
    /// A request is being handled.
    Handling,
    /// Before the first request, or between two.
    Idle,
}

/// Watches over one connection; belongs to its lane.
#[derive(Debug)]
pub struct Vigil {
    doing: Cell<Doing>,
    since: Cell<Instant>,
    moved: Cell<bool>,
    unread: Cell<bool>,
}

impl Vigil {
    /// A connection that was just accepted.
    pub fn new() -> Self {
        Self {
            doing: Cell::new(Doing::Idle),
            since: Cell::new(Instant::now()),
            moved: Cell::new(false),
            unread: Cell::new(false),
        }
    }

    /// How often to look.
    pub fn interval(bounds: &Bounds) -> Duration {
        (bounds.head_read.min(bounds.idle) / 4).max(Duration::from_millis(100))
    }

    /// Bytes came in.
    pub fn received(&self) {
        if self.doing.get() == Doing::Idle {
            self.turn(Doing::Head);
        }
    }

    /// Bytes went out: an answer that is read slowly is not an idle connection.
    pub fn sent(&self) {
        self.moved.set(true);
    }

    /// A request's head is whole.
    pub fn began(&self) {
        self.doing.set(Doing::Handling);
        self.unread.set(false);
    }

    /// Its answer is ready; `unread`: a part of its body may still come.
    pub fn answered(&self, unread: bool) {
        self.unread.set(unread);
        self.turn(Doing::Idle);
    }

    /// Whether a part of the last request's body may still come.
    pub fn is_unread(&self) -> bool {
        self.unread.get()
    }

    /// Whether it is past its bound.
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
        vigil.answered(false);
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
        vigil.answered(false);
        vigil.sent();
        assert!(!after(75, &vigil).await);
        assert!(after(75, &vigil).await);
    }
}
