//! The deterministic simulator: the whole core runs in one thread, in virtual time, on a simulated
//! disk. Everything that happens follows from one number, the seed.
//!
//! Simulated clients send commands and reads concurrently (`operations/`), while a keeper kills and
//! restarts the node and injects faults into disk, clock and views (`faults.rs`). A judge replays
//! the journal through a model that shares no rule with the core (`model/`, `judge.rs`), compares
//! everything that was shown with it (`observed.rs`), and checks the invariants of every journal
//! (`invariants.rs`).
#![allow(
    missing_docs,
    reason = "the fields of a simulation's notes say what they are"
)]

mod book;
mod claims;
mod client;
mod clock;
pub mod crew;
mod draws;
mod faults;
mod finale;
mod history;
mod holds;
mod intruder;
mod invariants;
mod judge;
mod model;
mod movements;
mod names;
mod observed;
mod operations;
mod settings;
mod trace;
mod verdict;
mod world;

use std::rc::Rc;

use florin_actors::runtime::Unavailable;

use self::world::World;

const OUTCOME_UNKNOWN: Unavailable = Unavailable::OutcomeUnknown;

/// The report of a run without a broken promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// A hash of every step. Equal seeds have equal hashes.
    pub hash: u64,
    pub steps: u64,
    pub lives: u32,
    pub requests: usize,
    pub records: u64,
    /// The number of answers and reads that were compared with the model.
    pub checked: u64,
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what}\nthe last steps:\n{steps}\nseed {seed}; replay: cargo run -p florin-tests --bin florin-sim -- --seed {seed} --trace"
)]
pub struct Failure {
    pub seed: u64,
    pub what: String,
    pub steps: String,
}

/// Runs a seed. With `print`, every step is written to the standard output.
///
/// # Errors
/// Returns the first broken promise.
pub fn run(seed: u64, print: bool) -> Result<Report, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        tokio::task::LocalSet::new().block_on(&runtime, play(seed, print))
    }));
    ran.unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let what = format!("a panic: {}", text.unwrap_or_default());
        let steps = String::new();
        Err(Failure { seed, what, steps })
    })
}

/// Runs a seed.
///
/// # Panics
/// Panics if a promise is broken, with the seed and the command that replays it.
pub fn check(seed: u64) -> Report {
    match run(seed, false) {
        Ok(report) => report,
        Err(failure) => panic!("{failure}"),
    }
}

async fn play(seed: u64, print: bool) -> Result<Report, Failure> {
    let world = World::new(seed, print);
    world.live(None);
    let clients = world.settings.clients;
    world.working.set(clients);
    let mut tasks: Vec<_> = (0..clients)
        .map(|number| tokio::task::spawn_local(client::Client::work(Rc::clone(&world), number)))
        .collect();
    tasks.push(tokio::task::spawn_local(faults::keep(Rc::clone(&world))));
    for task in tasks {
        if let Err(panic) = task.await {
            std::panic::resume_unwind(panic.into_panic());
        }
    }
    if world.violation().is_none() {
        finale::finish(&world).await;
    }
    let trace = world.trace.borrow();
    if let Some(what) = world.violation() {
        let steps = trace.last();
        return Err(Failure { seed, what, steps });
    }
    let judge = world.judge.borrow();
    Ok(Report {
        hash: trace.hash(),
        steps: trace.steps(),
        lives: world.life.get().number,
        requests: world.history.borrow().asked.len(),
        records: judge.sequence(),
        checked: judge.checked,
    })
}
