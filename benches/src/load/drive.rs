//! Runs one load: opens the connections, runs the threads, and reads the CPU clocks at both ends of
//! the measured window.

use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::pace::{Pace, Share};
use super::script::Script;
use super::tally::Tally;
use super::worker::{Schedule, Worker};
use crate::cpu::MachineTimes;
use crate::error::BenchError;
use crate::{cpu, interrupt};

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// The number of connections that are opened before a pause: a server can't accept thousands at the
/// same moment.
const CONNECT_BURST: usize = 256;
const CONNECT_PAUSE: Duration = Duration::from_millis(10);
/// The longest wait for requests in flight at the end: more than the node's own 5 s for a
/// confirmation.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);
/// The interval at which the waiting thread checks for a signal.
const LOOK: Duration = Duration::from_millis(100);

/// The target, size and length of a load.
#[derive(Debug, Clone)]
pub struct Plan {
    pub address: SocketAddr,
    /// The process behind the address, whose CPU time is measured.
    pub server: u32,
    /// A process whose children also work for the server: a database.
    pub backing: Option<u32>,
    /// The largest number of requests in flight.
    pub connections: usize,
    pub pace: Pace,
    pub warmup: Duration,
    /// The measured time after the warm-up. A load ends earlier if its scripts do.
    pub measured: Duration,
}

/// The result of a load.
#[derive(Debug)]
pub struct Driven<S> {
    pub tally: Tally,
    /// The scripts, with the data that they collected from the answers.
    pub scripts: Vec<S>,
    /// The real length of the window, between the two readings of the CPU clocks.
    pub window: Duration,
    /// The CPU time that the server used in that window; zero if the server was gone.
    pub server_cpu: Duration,
    /// The CPU time that this process used in the window.
    pub generator_cpu: Duration,
    /// The CPU time that all other processes used in the window. They disturbed the measurement.
    pub other_cpu: Duration,
    /// The CPU time that the machine's host took in the window.
    pub stolen_cpu: Duration,
    /// The time from the end of the window to the last answer.
    pub drained: Duration,
}

/// Runs one thread per script, distributes the connections among them, and waits for all threads.
pub fn drive<S: Script>(plan: &Plan, scripts: Vec<S>) -> Result<Driven<S>, BenchError> {
    drive_watched(plan, scripts, &mut |_| {})
}

/// Does the same as [`drive`], and calls `watch` about every 100 ms of the measured window, with
/// the time since its start.
pub fn drive_watched<S: Script>(
    plan: &Plan,
    scripts: Vec<S>,
    watch: &mut dyn FnMut(Duration),
) -> Result<Driven<S>, BenchError> {
    let mut shares = Vec::with_capacity(scripts.len());
    for thread in 0..scripts.len() {
        let share = (plan.connections + thread) / scripts.len();
        shares.push(connect(plan.address, share)?);
    }
    let started = Instant::now();
    let measured_from = started + plan.warmup;
    let measured_to = measured_from + plan.measured;
    let schedule = Schedule {
        pace: plan.pace,
        started,
        measured_from,
        measured_to,
        give_up_at: measured_to + DRAIN_LIMIT,
    };
    let mut workers = Vec::with_capacity(scripts.len());
    let of = scripts.len();
    for (thread, (sockets, script)) in shares.into_iter().zip(scripts).enumerate() {
        let share = Share { thread, of };
        workers.push(Worker::new(sockets, script, schedule, share)?);
    }
    thread::scope(|scope| {
        let threads: Vec<_> = workers
            .into_iter()
            .map(|worker| scope.spawn(|| worker.run()))
            .collect();
        let busy = || threads.iter().any(|thread| !thread.is_finished());
        wait_until(measured_from, &busy, &mut || {});
        let before = Reading::take(plan);
        wait_until(measured_to, &busy, &mut || watch(measured_from.elapsed()));
        let after = Reading::take(plan);

        let server_cpu = after.server.saturating_sub(before.server);
        let generator_cpu = after.generator.saturating_sub(before.generator);

        let mut tally = Tally::new();
        let mut scripts = Vec::new();
        for thread in threads {
            let (part, script) = match thread.join() {
                Ok(result) => result?,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            tally.add(part);
            scripts.push(script);
        }
        Ok(Driven {
            tally,
            scripts,
            window: after.at - before.at,
            server_cpu,
            generator_cpu,
            other_cpu: after
                .machine
                .busy
                .saturating_sub(before.machine.busy + server_cpu + generator_cpu),
            stolen_cpu: after.machine.stolen.saturating_sub(before.machine.stolen),
            drained: measured_to.elapsed(),
        })
    })
}

fn connect(address: SocketAddr, connections: usize) -> Result<Vec<TcpStream>, BenchError> {
    let open = || {
        let socket = TcpStream::connect_timeout(&address, CONNECT_LIMIT)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    let mut sockets = Vec::with_capacity(connections);
    while sockets.len() < connections {
        sockets.push(open().map_err(BenchError::io(format!("connect to {address}")))?);
        if sockets.len().is_multiple_of(CONNECT_BURST) {
            thread::sleep(CONNECT_PAUSE);
        }
    }
    Ok(sockets)
}

/// Sleeps until `then`, or until the load has ended or a signal has arrived.
fn wait_until(then: Instant, busy: &dyn Fn() -> bool, meanwhile: &mut dyn FnMut()) {
    while busy() && !interrupt::requested() {
        let left = then.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        meanwhile();
        let left = then.saturating_duration_since(Instant::now());
        thread::sleep(left.min(LOOK));
    }
}

/// The clocks at one moment.
struct Reading {
    at: Instant,
    server: Duration,
    generator: Duration,
    machine: MachineTimes,
}

impl Reading {
    fn take(plan: &Plan) -> Self {
        let backing = plan.backing.map(cpu::used_by_family).unwrap_or_default();
        Self {
            at: Instant::now(),
            server: cpu::used_by(plan.server).unwrap_or_default() + backing,
            generator: cpu::used_by(std::process::id()).unwrap_or_default(),
            machine: cpu::of_machine(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Fake;
    use crate::requests::{AccountId, Requests};
    use crate::scenario::Scenario;

    fn plan(fake: &Fake, measured: Duration) -> Plan {
        Plan {
            address: fake.address(),
            server: std::process::id(),
            backing: None,
            connections: 7,
            pace: Pace::Closed,
            warmup: Duration::from_millis(50),
            measured,
        }
    }

    fn scripts(fake: &Fake, limit: Option<u64>) -> Vec<Requests> {
        let accounts: std::sync::Arc<[AccountId]> = (b'a'..b'k').map(|id| [id; 36]).collect();
        Scenario::TransferUniform.scripts(fake.address(), &accounts, 2, limit)
    }

    #[test]
    fn everything_answered_is_recorded_and_nothing_is_left_in_flight() {
        let fake = Fake::start();
        let plan = plan(&fake, Duration::from_millis(200));
        let tally = drive(&plan, scripts(&fake, None)).unwrap().tally;
        assert_eq!((tally.errors(), tally.first_error), (0, None));
        assert_eq!(tally.answered, fake.records());
        assert!(tally.answered > tally.answered_in_window);
        assert_eq!(tally.latency.len(), tally.answered_in_window);
    }

    #[test]
    fn a_load_ends_with_its_scripts() {
        let fake = Fake::start();
        let plan = plan(&fake, Duration::from_secs(60));
        let driven = drive(&plan, scripts(&fake, Some(100))).unwrap();
        assert_eq!(driven.tally.answered, 200);
        assert_eq!(fake.records(), 200);
        assert!(driven.window < Duration::from_secs(30));
    }

    #[test]
    fn refusals_are_counted_apart_and_not_as_answers() {
        let fake = Fake::refusing_every(5);
        let plan = plan(&fake, Duration::from_secs(60));
        let tally = drive(&plan, scripts(&fake, Some(100))).unwrap().tally;
        assert_eq!(tally.other_statuses.get(&503), Some(&40));
        assert_eq!(tally.answered, fake.records());
        assert_eq!(tally.first_wrong(), "503: overloaded");
    }

    #[test]
    fn a_server_that_hangs_up_is_a_transport_error_on_each_connection() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || listener.incoming().flatten().for_each(drop));
        let fake = Fake::start();
        let plan = Plan {
            address,
            ..plan(&fake, Duration::from_secs(60))
        };
        let tally = drive(&plan, scripts(&fake, None)).unwrap().tally;
        assert_eq!((tally.answered, tally.transport_errors), (0, 7));
    }

    #[test]
    fn at_a_set_rate_a_stall_is_felt_by_every_request_due_during_it() {
        const STALL: Duration = Duration::from_millis(300);
        let fake = Fake::stalling(100, STALL);
        let plan = Plan {
            connections: 2,
            warmup: Duration::ZERO,
            pace: Pace::Open {
                per_second: 1_000.0,
                patience: Duration::from_secs(5),
            },
            ..plan(&fake, Duration::from_millis(600))
        };
        let tally = drive(&plan, scripts(&fake, None)).unwrap().tally;
        assert_eq!((tally.errors(), tally.unsent), (0, 0));
        // No request was omitted: the schedule continued while the server was stalled.
        assert_eq!(tally.latency.len(), 600);
        assert_eq!(fake.records(), 600);
        let slow = |histogram: &hdrhistogram::Histogram<u64>| {
            histogram.len() - histogram.count_between(0, 149_999)
        };
        // The requests that were due in the first half of the stall waited for at least half of it.
        // Measured from their write, only two did.
        assert!(slow(&tally.latency) >= 140, "{}", slow(&tally.latency));
        assert!(slow(&tally.service) < 140, "{}", slow(&tally.service));
    }

    #[test]
    fn what_a_full_server_leaves_unsent_is_counted_and_nothing_is_lost() {
        let fake = Fake::stalling(10, Duration::from_millis(300));
        let plan = Plan {
            connections: 2,
            warmup: Duration::ZERO,
            pace: Pace::Open {
                per_second: 1_000.0,
                patience: Duration::from_millis(20),
            },
            ..plan(&fake, Duration::from_millis(400))
        };
        let tally = drive(&plan, scripts(&fake, None)).unwrap().tally;
        assert_eq!(tally.answered + tally.unsent, 400);
        assert!(tally.unsent >= 200, "{}", tally.unsent);
        assert_eq!(tally.answered, fake.records());
    }
}
