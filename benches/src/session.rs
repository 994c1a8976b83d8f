//! The two servers of a run, and the measurements on them, one at a time.

use std::env;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::cli::RunOptions;
use crate::disk::DiskUse;
use crate::error::BenchError;
use crate::load::{self, Pace, Plan};
use crate::node::{Node, Verified};
use crate::opening::{Holders, open};
use crate::process::{Process, free_address};
use crate::report::{DiskPerRecord, Measurement, Recorded, Server, Subject};
use crate::requests::AccountId;
use crate::scenario::Scenario;
use crate::watch::Watch;
use crate::work_dir::WorkDir;
use crate::{http, interrupt};

const ECHO_READY_LIMIT: Duration = Duration::from_secs(10);

/// The requests per second that one thread of the generator easily sends.
const PER_THREAD: f64 = 25_000.0;

/// The size and length of a load.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// The largest number of requests in flight.
    pub connections: usize,
    pub pace: Pace,
    pub measured: Duration,
    /// Whether the server is watched during the load.
    pub watched: bool,
}

impl Load {
    /// Creates a load that sends as fast as the answers come.
    pub fn closed(connections: u16, measured: Duration) -> Self {
        Self {
            connections: connections.into(),
            pace: Pace::Closed,
            measured,
            watched: false,
        }
    }

    /// Returns the number of threads that send the load, at most `most`. A fixed rate uses only as
    /// many as it needs: each thread wakes for its own share of the due requests, and takes that
    /// time from the server.
    fn threads(&self, most: u16) -> u16 {
        match self.pace {
            Pace::Closed => most,
            Pace::Open { per_second, .. } => {
                ((per_second / PER_THREAD).ceil() as u16).clamp(1, most)
            }
        }
    }
}

/// A load that has ended, and the data needed to check its effects.
pub struct Loaded {
    pub measurement: Measurement,
    disk_before: DiskUse,
    recorded: u64,
    unknown: u64,
}

pub struct Session<'a> {
    pub options: &'a RunOptions,
    pub node: Node,
    pub accounts: Arc<[AccountId]>,
    /// Wallets with limits, as many as accounts; none if no scenario needs them.
    wallets: Arc<[AccountId]>,
    echo: Process,
    echo_address: SocketAddr,
}

impl<'a> Session<'a> {
    /// Starts both servers and opens the accounts.
    pub fn start(
        options: &'a RunOptions,
        executable: &Path,
        work_dir: &WorkDir,
    ) -> Result<Self, BenchError> {
        let (echo, echo_address) = start_echo(work_dir)?;
        let node = Node::start(executable, work_dir.data(), work_dir.path())?;
        let opened =
            |holders, count| open(node.address(), node.pid(), holders, count, options.threads);
        let accounts = opened(Holders::Accounts, options.accounts)?;
        let wallets = if options.scenarios.contains(&Scenario::WalletLimits) {
            opened(Holders::Wallets, options.accounts)?
        } else {
            Vec::new()
        };
        node.quiet();
        Ok(Self {
            options,
            node,
            accounts: accounts.into(),
            wallets: wallets.into(),
            echo,
            echo_address,
        })
    }

    /// Returns the accounts or wallets between which a scenario moves money.
    pub fn holders(&self, scenario: Scenario) -> &Arc<[AccountId]> {
        match scenario {
            Scenario::WalletLimits => &self.wallets,
            _ => &self.accounts,
        }
    }

    /// Measures the echo with the requests of the uniform scenario.
    pub fn measure_echo(&self, round: u32, load: &Load) -> Result<Measurement, BenchError> {
        let subject = Subject {
            server: Server::Echo,
            scenario: Scenario::TransferUniform,
        };
        let threads = load.threads(self.options.threads);
        let scripts = subject
            .scenario
            .scripts(self.echo_address, &self.accounts, threads, None);
        let plan = self.plan(self.echo_address, self.echo.pid(), load);
        let driven = load::drive(&plan, scripts)?;
        Ok(Measurement::of(subject, round, &plan, &driven))
    }

    /// Measures the node. The inner result is an error if the node's records can't be read.
    pub fn measure_node(
        &self,
        scenario: Scenario,
        round: u32,
        load: &Load,
    ) -> Result<(Measurement, Result<(), BenchError>), BenchError> {
        let loaded = self.load_node(scenario, round, load)?;
        Ok(self.settle(loaded, 0))
    }

    /// Loads the node without checking the effects yet.
    pub fn load_node(
        &self,
        scenario: Scenario,
        round: u32,
        load: &Load,
    ) -> Result<Loaded, BenchError> {
        let (address, pid) = (self.node.address(), self.node.pid());
        let subject = Subject {
            server: Server::Florin,
            scenario,
        };
        let before = self.node.trial_balance(0)?.as_of_sequence;
        let disk_before = DiskUse::read(self.node.data_dir(), pid);
        let threads = load.threads(self.options.threads);
        let scripts = scenario.scripts(address, self.holders(scenario), threads, None);
        let plan = self.plan(address, pid, load);
        let mut watch = load.watched.then(|| Watch::new(address, pid));
        let driven = load::drive_watched(&plan, scripts, &mut |into| {
            if let Some(watch) = &mut watch {
                watch.look(into);
            }
        })?;
        let mut measurement = Measurement::of(subject, round, &plan, &driven);
        measurement.watched = watch.map(Watch::finish);
        measurement.journal_before = Some(before);
        Ok(Loaded {
            measurement,
            disk_before,
            recorded: driven.tally.recorded,
            unknown: driven.tally.maybe_recorded * scenario.records_max(),
        })
    }

    /// Waits until the work that a load left over is done, and compares the node's records with its
    /// answers. `more` is the number of changes made since the load.
    pub fn settle(&self, loaded: Loaded, more: u64) -> (Measurement, Result<(), BenchError>) {
        let mut measurement = loaded.measurement;
        measurement.left_over(self.node.quiet());
        let disk = DiskUse::read(self.node.data_dir(), self.node.pid());
        let answered = loaded.recorded + more;
        measurement.disk = disk_per_record(loaded.disk_before, disk, answered);
        let checked = self.check_journal(&mut measurement, answered, loaded.unknown);
        (measurement, checked)
    }

    /// Compares the number of records since the measurement began with the number of answers.
    fn check_journal(
        &self,
        measurement: &mut Measurement,
        answered: u64,
        unknown: u64,
    ) -> Result<(), BenchError> {
        let before = measurement.journal_before.unwrap_or_default();
        let balance = self.node.trial_balance(before + answered)?;
        measurement.recorded = Some(Recorded {
            answered,
            unknown,
            records: balance.as_of_sequence.saturating_sub(before),
            unbalanced_currency: balance.unbalanced().map(str::to_owned),
        });
        Ok(())
    }

    /// Stops both servers, the node first, and verifies the node's journal. Returns the faults of
    /// the stop and the result of the verification.
    pub fn finish(mut self) -> (Vec<String>, Result<Verified, BenchError>) {
        let records = self.node.trial_balance(0);
        let mut faults: Vec<_> = self.node.stop().into_iter().collect();
        faults.extend(self.echo.stop(false));
        let verified = records.and_then(|balance| self.node.verify(balance.as_of_sequence));
        (faults, verified)
    }

    /// Creates the plan of a load on the server at `address`.
    pub fn plan(&self, address: SocketAddr, server: u32, load: &Load) -> Plan {
        Plan {
            address,
            server,
            backing: None,
            connections: load.connections,
            pace: load.pace,
            warmup: self.options.warmup(),
            measured: load.measured,
        }
    }
}

/// Returns an error if a signal has asked for the end.
pub fn stop_if_interrupted() -> Result<(), BenchError> {
    if interrupt::requested() {
        Err(BenchError::Interrupted)
    } else {
        Ok(())
    }
}

fn disk_per_record(before: DiskUse, after: DiskUse, records: u64) -> Option<DiskPerRecord> {
    let spread = |bytes: f64| (records > 0).then(|| bytes / records as f64);
    Some(DiskPerRecord {
        held: spread(after.allocated as f64 - before.allocated as f64)?,
        written: spread(after.written.saturating_sub(before.written) as f64)?,
    })
}

fn start_echo(work_dir: &WorkDir) -> Result<(Process, SocketAddr), BenchError> {
    let own = env::current_exe().map_err(BenchError::io("find the own executable"))?;
    let address = free_address()?;
    let mut command = Command::new(own);
    command.args(["echo", "--port", &address.port().to_string()]);
    let mut echo = Process::start("the echo", command, work_dir.path().join("echo.log"))?;
    echo.wait_ready(ECHO_READY_LIMIT, || {
        // The echo has no such route, but any answer means that it serves.
        http::get(address, "/health/ready")
            .map(drop)
            .map_err(|error| error.to_string())
    })?;
    Ok((echo, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_rate_takes_no_more_threads_than_it_needs() {
        let at = |per_second| Load {
            pace: Pace::Open {
                per_second,
                patience: Duration::ZERO,
            },
            ..Load::closed(64, Duration::ZERO)
        };
        assert_eq!(Load::closed(64, Duration::ZERO).threads(4), 4);
        let threads = |per_second| at(per_second).threads(4);
        assert_eq!([1.0, 25_000.0, 25_001.0, 1e9].map(threads), [1, 1, 2, 4]);
    }
}
