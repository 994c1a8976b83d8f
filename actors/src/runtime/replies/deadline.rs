//! Deadlines: they end a wait in time without a timer per wait. Each thread that serves connections
//! keeps all its deadlines in one table, and one task of that thread sweeps the table. Nearly all
//! deadlines are left early; setting and leaving one costs an entry in a vector.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, Sleep};

/// The time by which a deadline may pass late, so that deadlines close together share a sweep.
pub const SLACK: Duration = Duration::from_millis(5);

thread_local! {
    static TABLE: RefCell<Table> = RefCell::new(Table::new());
}

/// The deadlines of one thread.
struct Table {
    /// The number of sweeps running on this thread; without one, a deadline has a timer of its own.
    sweeps: usize,
    entries: Vec<Entry>,
    free: Vec<usize>,
    next_ticket: u64,
    /// The time at which the next sweep is due.
    planned: Option<Instant>,
    earlier: Rc<Notify>,
}

struct Entry {
    /// The ticket of the entry's deadline; 0 if the entry is free.
    ticket: u64,
    at: Instant,
    passed: bool,
    waker: Option<Waker>,
}

impl Table {
    fn new() -> Self {
        // Tickets differ between threads, so that a deadline dropped on another thread never
        // matches an entry there.
        static THREADS: AtomicU64 = AtomicU64::new(0);
        let thread = THREADS.fetch_add(1, Ordering::Relaxed);
        Self {
            sweeps: 0,
            entries: Vec::new(),
            free: Vec::new(),
            next_ticket: (thread << 40) + 1,
            planned: None,
            earlier: Rc::new(Notify::new()),
        }
    }

    fn enter(&mut self, at: Instant, waker: &Waker) -> Place {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let entry = Entry {
            ticket,
            at,
            passed: false,
            waker: Some(waker.clone()),
        };
        let index = match self.free.pop() {
            Some(index) => {
                self.entries[index] = entry;
                index
            }
            None => {
                self.entries.push(entry);
                self.entries.len() - 1
            }
        };
        if self.planned.is_none_or(|planned| at < planned) {
            self.earlier.notify_one();
        }
        Place { index, ticket }
    }

    fn entry(&mut self, place: &Place) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(place.index);
        entry.filter(|entry| entry.ticket == place.ticket)
    }

    fn leave(&mut self, place: &Place) {
        if let Some(entry) = self.entry(place) {
            entry.ticket = 0;
            entry.waker = None;
            self.free.push(place.index);
        }
        if self.free.len() == self.entries.len() {
            // An emptied table starts again from its first entry, so that its layout depends only
            // on the deadlines set afterwards.
            self.entries.clear();
            self.free.clear();
        }
    }

    /// Marks the deadlines at or before `now` as passed, returns their wakers, and plans the next
    /// sweep.
    fn sweep(&mut self, now: Instant) -> Vec<Waker> {
        let mut woken = Vec::new();
        let mut earliest: Option<Instant> = None;
        for entry in self.entries.iter_mut().filter(|entry| entry.ticket != 0) {
            if entry.passed {
                continue;
            }
            if entry.at <= now {
                entry.passed = true;
                woken.extend(entry.waker.take());
            } else {
                earliest = Some(earliest.map_or(entry.at, |known| known.min(entry.at)));
            }
        }
        self.planned = earliest.map(|at| at.max(now + SLACK));
        woken
    }
}

/// The place of a deadline in its thread's table.
#[derive(Debug)]
struct Place {
    index: usize,
    ticket: u64,
}

/// A future that ends at a certain time. It must be polled on one thread only.
#[derive(Debug)]
pub struct Deadline {
    at: Instant,
    place: Option<Place>,
    alone: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    /// Creates a deadline that passes after `wait`, at most [`SLACK`] late on a thread that sweeps.
    pub fn after(wait: Duration) -> Self {
        Self {
            at: Instant::now() + wait,
            place: None,
            alone: None,
        }
    }
}

impl Future for Deadline {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if let Some(sleep) = &mut this.alone {
            return sleep.as_mut().poll(context);
        }
        let kept = TABLE.with(|table| {
            let mut table = table.borrow_mut();
            if let Some(place) = &this.place
                && let Some(entry) = table.entry(place)
            {
                if entry.passed {
                    return Some(Poll::Ready(()));
                }
                let waker = entry.waker.get_or_insert_with(|| context.waker().clone());
                waker.clone_from(context.waker());
            }
            if table.sweeps == 0 {
                if let Some(place) = this.place.take() {
                    table.leave(&place);
                }
                return None;
            }
            if this.place.is_none() {
                this.place = Some(table.enter(this.at, context.waker()));
            }
            Some(Poll::Pending)
        });
        match kept {
            Some(state) => state,
            None => {
                let sleep = Box::pin(tokio::time::sleep_until(this.at));
                this.alone.insert(sleep).as_mut().poll(context)
            }
        }
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            // A thread that is ending has no table any more, so there is no entry to leave.
            let _ = TABLE.try_with(|table| table.borrow_mut().leave(&place));
        }
    }
}

/// Returns the output of `work`, or `None` if `work` takes longer than `limit`.
pub async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let mut deadline = Deadline::after(limit);
    poll_fn(|context| {
        if let Poll::Ready(value) = work.as_mut().poll(context) {
            return Poll::Ready(Some(value));
        }
        Pin::new(&mut deadline).poll(context).map(|()| None)
    })
    .await
}

/// A guard for a running sweep of a thread. When the last one ends, the waiting deadlines continue
/// with timers.
struct Sweeping;

impl Sweeping {
    fn begin() -> Self {
        TABLE.with(|table| table.borrow_mut().sweeps += 1);
        Self
    }
}

impl Drop for Sweeping {
    fn drop(&mut self) {
        let left = TABLE.try_with(|table| {
            let mut table = table.borrow_mut();
            table.sweeps -= 1;
            if table.sweeps > 0 {
                return Vec::new();
            }
            table.planned = None;
            table.earlier = Rc::default();
            let entries = table.entries.iter_mut();
            entries.filter_map(|entry| entry.waker.take()).collect()
        });
        left.unwrap_or_default().into_iter().for_each(Waker::wake);
    }
}

/// Sweeps this thread's deadlines, forever.
pub(in crate::runtime) async fn sweep() {
    let _sweeping = Sweeping::begin();
    loop {
        let (planned, earlier) = TABLE.with(|table| {
            let table = table.borrow();
            (table.planned, Rc::clone(&table.earlier))
        });
        match planned {
            None => earlier.notified().await,
            Some(at) => {
                // The wait ends at the planned sweep, or when an earlier deadline changes the plan.
                let _ = tokio::time::timeout_at(at, earlier.notified()).await;
            }
        }
        let woken = TABLE.with(|table| table.borrow_mut().sweep(Instant::now()));
        woken.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::{LocalSet, spawn_local};

    fn kept() -> usize {
        TABLE.with(|table| {
            let table = table.borrow();
            table.entries.len() - table.free.len()
        })
    }

    async fn waited(wait: Duration) -> Duration {
        let began = Instant::now();
        Deadline::after(wait).await;
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn deadlines_pass_in_their_own_time_whatever_order_they_were_set_in() {
        let swept = async {
            let sweep = spawn_local(sweep());
            let waits = [5_000, 20, 300, 21, 5_001].map(Duration::from_millis);
            let waiting: Vec<_> = waits.map(|wait| spawn_local(waited(wait))).into();
            for (wait, waiting) in waits.into_iter().zip(waiting) {
                let waited = waiting.await.unwrap();
                assert!(waited >= wait && waited <= wait + 2 * SLACK, "{waited:?}");
            }
            assert_eq!(kept(), 0);
            sweep.abort();
        };
        LocalSet::new().run_until(swept).await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_ends_in_time_leaves_nothing_behind() {
        let swept = async {
            let sweep = spawn_local(sweep());
            tokio::task::yield_now().await;
            let limit = Duration::from_secs(5);
            let in_time = within(limit, tokio::time::sleep(Duration::from_secs(4))).await;
            assert_eq!(in_time, Some(()));
            assert_eq!(within(limit, std::future::pending::<()>()).await, None);
            assert_eq!(kept(), 0);
            sweep.abort();
        };
        LocalSet::new().run_until(swept).await;
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_sweep_a_deadline_has_its_own_timer() {
        let wait = Duration::from_millis(70);
        assert_eq!(waited(wait).await, wait);
        let left_alone = async {
            let sweep = spawn_local(sweep());
            tokio::task::yield_now().await;
            let waiting = spawn_local(waited(wait));
            tokio::task::yield_now().await;
            assert_eq!(kept(), 1);
            sweep.abort();
            assert_eq!(waiting.await.unwrap(), wait);
            assert_eq!(kept(), 0);
        };
        LocalSet::new().run_until(left_alone).await;
    }
}
