//! The times at which requests are due. In a closed loop each connection sends again once it is
//! answered. At a fixed rate the times are set beforehand, and a slow server does not move them:
//! the latency of a delayed request counts from the time it was due.

use std::time::{Duration, Instant};

/// The way in which the requests of a load follow each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// As fast as the answers come, with one request in flight per connection.
    Closed,
    /// A fixed rate over all threads.
    Open {
        /// The number of requests that are due each second; above zero.
        per_second: f64,
        /// How late a request may be sent if every connection is busy. After that it is counted as
        /// not sent.
        patience: Duration,
    },
}

/// The share of one thread in a schedule: it takes every `of`th request.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    pub thread: usize,
    pub of: usize,
}

/// One thread's part of the schedule.
#[derive(Debug)]
pub struct Timetable {
    pace: Pace,
    share: Share,
    started: Instant,
    ends: Instant,
    /// The number of this thread's next request, at a fixed rate.
    next: u64,
    /// Requests that were due and could not be sent in time.
    unsent: u64,
}

impl Timetable {
    /// Creates a timetable of requests that are due from `started` until before `ends`.
    pub fn new(pace: Pace, share: Share, started: Instant, ends: Instant) -> Self {
        Self {
            pace,
            share,
            started,
            ends,
            next: 0,
            unsent: 0,
        }
    }

    /// Takes the oldest request that is due at `now`, and returns when it was due.
    pub fn take(&mut self, now: Instant) -> Option<Instant> {
        let Pace::Open { patience, .. } = self.pace else {
            return (now < self.ends).then_some(now);
        };
        loop {
            let due = self.next_at()?;
            if due > now {
                return None;
            }
            self.next += 1;
            if now <= due + patience {
                return Some(due);
            }
            self.unsent += 1;
        }
    }

    /// Returns when the next request is due at a fixed rate, or `None` if there are no more.
    pub fn next_at(&self) -> Option<Instant> {
        let Pace::Open { per_second, .. } = self.pace else {
            return None;
        };
        // The conversion is exact below 2^53 requests.
        let number = self.next as f64 * self.share.of as f64 + self.share.thread as f64;
        let due = self.started + Duration::from_secs_f64(number / per_second);
        (due < self.ends).then_some(due)
    }

    /// Returns whether no request is due at `now` or later.
    pub fn over(&self, now: Instant) -> bool {
        match self.pace {
            Pace::Closed => now >= self.ends,
            Pace::Open { .. } => self.next_at().is_none(),
        }
    }

    /// Returns whether latency is measured from the time at which a request was due.
    pub fn is_open(&self) -> bool {
        matches!(self.pace, Pace::Open { .. })
    }

    /// Ends the schedule now, if it would end later.
    pub fn end(&mut self, now: Instant) {
        self.ends = self.ends.min(now);
    }

    /// Returns the number of requests that were never sent, including all that are still due.
    pub fn into_unsent(mut self) -> u64 {
        while self.next_at().is_some() {
            self.next += 1;
            self.unsent += 1;
        }
        self.unsent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const ONE: Share = Share { thread: 0, of: 1 };

    fn open(per_second: f64, patience: Duration) -> Pace {
        Pace::Open {
            per_second,
            patience,
        }
    }

    /// Simulates a server with its own clock: it handles one request at a time in 1 ms each, but
    /// takes `stall` for the `stalled`th. Returns the latencies from the due times, and the number
    /// of unsent requests.
    fn serve(pace: Pace, stalled: usize, stall: Duration) -> (Vec<Duration>, u64) {
        let started = Instant::now();
        let mut table = Timetable::new(pace, ONE, started, started + 2_000 * MS);
        let (mut now, mut latencies) = (started, Vec::new());
        while !table.over(now) {
            if let Some(due) = table.take(now) {
                let slow = latencies.len() == stalled;
                now += if slow { stall } else { MS };
                latencies.push(now - due);
            } else if let Some(next) = table.next_at() {
                now = next;
            }
        }
        (latencies, table.into_unsent())
    }

    #[test]
    fn a_stall_is_in_the_latency_of_every_request_that_was_due_during_it() {
        // At 500 requests per second one is due every 2 ms. A stall of 400 ms makes 200 requests
        // late, and each later one catches up 1 ms: the last of 400 waits 1 ms.
        let (latencies, unsent) = serve(open(500.0, 1_000 * MS), 100, 400 * MS);
        assert_eq!((latencies.len(), unsent), (1_000, 0));
        let late = latencies.iter().filter(|&&latency| latency > MS).count();
        assert!((398..=400).contains(&late), "{late}");
        let over_half = latencies.iter().filter(|&&latency| latency > 200 * MS);
        assert!((198..=202).contains(&over_half.count()));
        // The closed loop sees the same stall only once: this is the coordinated omission.
        let (closed, _) = serve(Pace::Closed, 100, 400 * MS);
        assert_eq!(closed.iter().filter(|&&latency| latency > MS).count(), 1);
    }

    #[test]
    fn what_could_not_be_sent_in_time_is_counted() {
        let (latencies, unsent) = serve(open(500.0, 100 * MS), 100, 400 * MS);
        assert_eq!(latencies.len() as u64 + unsent, 1_000);
        assert!((148..=152).contains(&unsent), "{unsent}");
    }

    #[test]
    fn threads_share_one_even_schedule() {
        let started = Instant::now();
        let table = |thread| {
            let share = Share { thread, of: 3 };
            Timetable::new(
                open(1_000.0, Duration::ZERO),
                share,
                started,
                started + 30 * MS,
            )
        };
        let mut due = Vec::new();
        for thread in 0..3 {
            let mut table = table(thread);
            while let Some(next) = table.next_at() {
                due.extend(table.take(next));
            }
        }
        due.sort();
        let expected: Vec<_> = (0..30).map(|number| started + number * MS).collect();
        assert_eq!(due, expected);
    }

    #[test]
    fn nothing_is_due_early_or_after_the_end() {
        let started = Instant::now();
        let mut table = Timetable::new(open(100.0, MS), ONE, started, started + 30 * MS);
        assert_eq!(table.take(started), Some(started));
        assert_eq!(table.take(started + 9 * MS), None);
        assert_eq!(table.take(started + 10 * MS), Some(started + 10 * MS));
        table.end(started + 15 * MS);
        assert!(table.over(started + 15 * MS));
        assert_eq!(table.take(started + 25 * MS), None);
        assert_eq!(table.into_unsent(), 0);
    }
}
