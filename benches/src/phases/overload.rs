//! An overload of three times the node's maximum: how much it still does, how it refuses the rest,
//! whether its liveness check still answers, and how soon it is normal again.

use std::time::{Duration, Instant};

use crate::error::BenchError;
use crate::load::{Pace, Script as _};
use crate::report::{Maximum, Overload, Report};
use crate::requests::{Choice, Mix, Requests};
use crate::session::{Load, Session};
use crate::{http, interrupt, memory};

const TIMES: f64 = 3.0;
/// The number of connections: more than the commands that a node admits at once (8,192 by default),
/// and fewer than the connections that it serves (10,000), so that liveness checks still get one.
const CONNECTIONS: usize = 9_000;
/// A request that finds all connections busy for this long is not sent.
const PATIENCE: Duration = Duration::from_millis(100);
/// The number of consecutive single transfers that must be fast before a node counts as normal.
const NORMAL_IN_A_ROW: usize = 10;
/// How much slower than before the load a single transfer may be, and the time that is always fast
/// enough.
const NORMAL_TIMES: f64 = 3.0;
const NORMAL_TIME: Duration = Duration::from_millis(5);
/// The longest wait for the node to be normal again.
const NORMAL_LIMIT: Duration = Duration::from_secs(60);

pub fn run(session: &Session<'_>, report: &mut Report, maximum: Maximum) -> Result<(), BenchError> {
    let options = session.options;
    let load = Load {
        connections: CONNECTIONS,
        pace: Pace::Open {
            per_second: (maximum.per_second * TIMES).floor().max(1.0),
            patience: PATIENCE,
        },
        measured: Duration::from_secs(options.overload_seconds),
        watched: true,
    };
    eprintln!("overloading with {:.0}/s", maximum.per_second * TIMES);
    let mut singles = Singles::new(session);
    let single_before = singles.usual()?;
    let rss_bytes_before = resident(session);
    let loaded = session.load_node(options.first_scenario(), 1, &load)?;
    let drained = Duration::from_secs_f64(loaded.measurement.drained_ms / 1e3);
    let normal_after = singles.until_normal(single_before)?;
    let rss_bytes_after = resident(session);
    let (mut measurement, checked) = session.settle(loaded, singles.recorded);
    measurement.overload = true;
    report.add_overload(Overload {
        goodput_to_maximum: measurement.requests_per_second / maximum.per_second,
        measurement,
        single_ms_before: single_before.as_secs_f64() * 1e3,
        normal_after_ms: normal_after.map(|after| (drained + after).as_secs_f64() * 1e3),
        rss_bytes_before,
        rss_bytes_after,
    });
    checked
}

fn resident(session: &Session<'_>) -> u64 {
    memory::resident(session.node.pid()).unwrap_or_default()
}

/// Single transfers, one at a time, each on a new connection.
struct Singles<'a> {
    session: &'a Session<'a>,
    requests: Requests,
    /// The transfers answered since `usual`.
    recorded: u64,
}

impl<'a> Singles<'a> {
    fn new(session: &'a Session<'_>) -> Self {
        let (address, accounts) = (session.node.address(), session.accounts.clone());
        let choice = Choice::uniform(accounts.len());
        Self {
            session,
            requests: Requests::new(address, accounts, choice, Mix::default(), None),
            recorded: 0,
        }
    }

    /// Makes one transfer and returns its time, if it succeeded.
    fn one(&mut self) -> Result<Option<Duration>, BenchError> {
        let address = self.session.node.address();
        let Some(request) = self.requests.next(0) else {
            return Ok(None);
        };
        let asked = Instant::now();
        let answer = http::exchange(address, "POST /transfers", request)?;
        let took = asked.elapsed();
        self.recorded += u64::from(answer.status == 200);
        Ok((answer.status == 200).then_some(took))
    }

    /// Returns the median time of ten transfers.
    fn usual(&mut self) -> Result<Duration, BenchError> {
        let mut times = Vec::new();
        for _ in 0..NORMAL_IN_A_ROW {
            times.extend(self.one()?);
        }
        times.sort();
        self.recorded = 0;
        Ok(times.get(times.len() / 2).copied().unwrap_or_default())
    }

    /// Returns the time until transfers are about as fast as `usual` again.
    fn until_normal(&mut self, usual: Duration) -> Result<Option<Duration>, BenchError> {
        let quick = usual.mul_f64(NORMAL_TIMES).max(NORMAL_TIME);
        let started = Instant::now();
        let mut in_a_row = 0;
        let mut since = started;
        while started.elapsed() < NORMAL_LIMIT && !interrupt::requested() {
            let asked = Instant::now();
            match self.one()? {
                Some(took) if took <= quick => {
                    if in_a_row == 0 {
                        since = asked;
                    }
                    in_a_row += 1;
                }
                _ => in_a_row = 0,
            }
            if in_a_row == NORMAL_IN_A_ROW {
                return Ok(Some(since - started));
            }
        }
        Ok(None)
    }
}
