//! The fault run: random traffic with random ends of Florin and of the brokers. At the end each
//! event must be published once, in order, and the journal must be sound. The caller sets its
//! duration.

use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use rustix::process::Signal;

use crate::broker::{Broker, Names};
use crate::executable;
use crate::poll;
use crate::server::Server;
use crate::traffic::{Published, Traffic, a_moment, drained, published_once};

/// The counts of faults in a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// Number of times that Florin was killed.
    pub florin_killed: u32,
    /// Number of times that Florin was stopped cleanly and started again.
    pub florin_stopped: u32,
    /// Number of times that a broker was killed.
    pub broker_killed: u32,
    /// Number of times that a broker was paused for a while.
    pub broker_silent: u32,
}

/// The parameters of a run.
#[derive(Debug, Clone, Copy)]
pub struct FaultRun {
    /// The duration of the run.
    pub time: Duration,
    /// The pause between two requests of a client.
    pub rest: Duration,
    /// The seed that chooses requests and faults, though not their exact moments.
    pub seed: u64,
    /// The number of brokers, each with a replica of everything. If there are several, one at a
    /// time is down, and the events must be published without it.
    pub brokers: u32,
}

/// Performs the run.
///
/// # Panics
/// Panics if an event is missing, doubled or out of order, if money appeared from nowhere, or if
/// something doesn't come back.
#[track_caller]
pub fn run(run: FaultRun) -> (Faults, u64, Published) {
    let FaultRun {
        time,
        rest,
        seed,
        brokers,
    } = run;
    let (broker, names) = (Broker::with(brokers, &[]), Names::new("fault-run"));
    let mut variables = names.variables(&broker);
    variables.extend(Server::variables(&[
        ("kafka.transaction_events_max", "300"),
        ("kafka.transaction_timeout_ms", "4000"),
        ("kafka.replication", &brokers.to_string()),
    ]));
    let mut server = Server::of(executable::florin(), variables);
    let traffic = Traffic::new(&server, seed).resting(rest);
    let mut random = SmallRng::seed_from_u64(seed);
    let mut faults = Faults::default();
    let end = Instant::now() + time;
    drained(&server);
    while Instant::now() < end {
        match random.random_range(0..10) {
            0..5 => {
                let kill = server.signaller();
                traffic.during(server.client(), || {
                    a_moment(&mut random, 10, 4_000);
                    kill(Signal::KILL);
                });
                server.ended();
                server.start_again();
                faults.florin_killed += 1;
            }
            5 => {
                traffic.during(server.client(), || a_moment(&mut random, 500, 2_000));
                server.restart();
                faults.florin_stopped += 1;
            }
            6..9 => {
                let id = random.random_range(1..=brokers);
                traffic.during(server.client(), || {
                    a_moment(&mut random, 100, 2_000);
                    broker.kill(id);
                    a_moment(&mut random, 10, 3_000);
                });
                if brokers > 1 {
                    drained(&server);
                }
                traffic.during(server.client(), || {
                    broker.start(id);
                    a_moment(&mut random, 100, 3_000);
                });
                faults.broker_killed += 1;
            }
            _ => {
                let id = random.random_range(1..=brokers);
                traffic.during(server.client(), || {
                    a_moment(&mut random, 100, 1_000);
                    broker.pause(id);
                    a_moment(&mut random, 10, 8_000);
                });
                if brokers > 1 {
                    drained(&server);
                }
                traffic.during(server.client(), || broker.resume(id));
                faults.broker_silent += 1;
            }
        }
        // Sometimes the run waits until everything is published, so that an error shows early.
        if random.random_range(0..4) == 0 {
            // The restart of a killed broker takes longer than anything else.
            poll::eventually("Florin answers", || {
                server.get("/health").ok().as_object().map(|_| ())
            });
            drained(&server);
        }
    }
    let published = published_once(&mut server, &broker, &names);
    (faults, traffic.answered(), published)
}
