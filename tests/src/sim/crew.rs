//! Runs many seeds on every core. A seed that doesn't end, for example because an actor spins, is
//! found by the machine's own clock, because nothing inside the simulation could find it.

use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::{Failure, Report, run};

/// The longest time of one seed.
const SEED_MAX: Duration = Duration::from_secs(120);
/// The interval between two checks of that limit.
const LOOK: Duration = Duration::from_millis(50);

/// The totals over all seeds.
#[derive(Debug, Default)]
pub struct Totals {
    pub seeds: u64,
    pub requests: u64,
    pub lives: u64,
    pub checked: u64,
    pub broken: Vec<Failure>,
}

impl AddAssign<Report> for Totals {
    fn add_assign(&mut self, report: Report) {
        self.requests += report.requests as u64;
        self.lives += u64::from(report.lives);
        self.checked += report.checked;
    }
}

/// Runs the seeds from `first` on, as long as `goes_on` returns true for the next seed and the
/// totals so far.
pub fn run_many(first: u64, goes_on: impl Fn(u64, &Totals) -> bool + Sync) -> Totals {
    let next = AtomicU64::new(first);
    let totals = Mutex::new(Totals::default());
    let crew = thread::available_parallelism().map_or(1, usize::from);
    let working = AtomicUsize::new(crew);
    let at_work: Vec<Mutex<Option<(u64, Instant)>>> = (0..crew).map(|_| Mutex::new(None)).collect();
    thread::scope(|scope| {
        for place in &at_work {
            let worker = || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if !goes_on(seed, &lock(&totals)) {
                        break;
                    }
                    *lock(place) = Some((seed, Instant::now()));
                    let ran = run(seed, false);
                    *lock(place) = None;
                    let mut totals = lock(&totals);
                    totals.seeds += 1;
                    match ran {
                        Ok(report) => *totals += report,
                        Err(failure) => totals.broken.push(failure),
                    }
                }
                working.fetch_sub(1, Ordering::Release);
            };
            scope.spawn(worker);
        }
        scope.spawn(|| {
            while working.load(Ordering::Acquire) > 0 {
                thread::park_timeout(LOOK);
                for place in &at_work {
                    if let Some((seed, since)) = *lock(place)
                        && since.elapsed() > SEED_MAX
                    {
                        eprintln!(
                            "seed {seed} doesn't end within {SEED_MAX:?}; replay it with its trace"
                        );
                        std::process::exit(3);
                    }
                }
            }
        });
    });
    totals.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
