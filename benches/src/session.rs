//! The two servers of a run and what is measured on them, one at a time.

use std::env;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::cli::RunOptions;
use crate::error::BenchError;
use crate::load::{self, Plan};
use crate::node::{Node, Verified};
use crate::opening::open_accounts;
use crate::process::{Process, free_address};
use crate::report::{Measurement, Recorded};
use crate::scenario::Scenario;
use crate::transfers::AccountId;
use crate::work_dir::WorkDir;
use crate::{http, interrupt};

const ECHO_READY_LIMIT: Duration = Duration::from_secs(10);
const AGEING_CONNECTIONS: usize = 256;
const AGEING_LIMIT: Duration = Duration::from_secs(6 * 3600);

pub struct Session<'a> {
    options: &'a RunOptions,
    echo: Process,
    echo_address: SocketAddr,
    node: Node,
    accounts: Arc<[AccountId]>,
}

impl<'a> Session<'a> {
    /// Starts both servers and opens the accounts.
    pub fn start(
        options: &'a RunOptions,
        executable: &std::path::Path,
        work_dir: &WorkDir,
    ) -> Result<Self, BenchError> {
        let (echo, echo_address) = start_echo(work_dir)?;
        let node = Node::start(executable, work_dir.data(), work_dir.path())?;
        let accounts = open_accounts(
            node.address(),
            node.pid(),
            options.accounts,
            options.threads,
        )?;
        node.quiet();
        Ok(Self {
            options,
            echo,
            echo_address,
            node,
            accounts: accounts.into(),
        })
    }

    /// Makes the journal older by `--aged` transfers.
    pub fn age(&self) -> Result<(), BenchError> {
        let threads = u64::from(self.options.threads);
        let each = self.options.aged.div_ceil(threads);
        if each == 0 {
            return Ok(());
        }
        let plan = Plan {
            connections: AGEING_CONNECTIONS,
            warmup: Duration::ZERO,
            measured: AGEING_LIMIT,
            ..self.plan(self.node.address(), self.node.pid(), 0)
        };
        let scripts = Scenario::TransferUniform.scripts(
            self.node.address(),
            &self.accounts,
            self.options.threads,
            Some(each),
        );
        let tally = load::drive(&plan, scripts)?.tally;
        self.node.quiet();
        if interrupt::requested() {
            return Err(BenchError::Interrupted);
        }
        if tally.errors() > 0 || tally.answered < self.options.aged {
            return Err(BenchError::Opening(format!(
                "ageing: {} of {} transfers went well; first error: {}",
                tally.answered,
                each * threads,
                tally.first_error.as_deref().unwrap_or("none")
            )));
        }
        Ok(())
    }

    /// Measures the echo, with the requests of the uniform scenario.
    pub fn measure_echo(&self, round: u32, connections: u16) -> Result<Measurement, BenchError> {
        let scripts = Scenario::TransferUniform.scripts(
            self.echo_address,
            &self.accounts,
            self.options.threads,
            None,
        );
        let plan = self.plan(self.echo_address, self.echo.pid(), connections);
        let driven = load::drive(&plan, scripts)?;
        Ok(Measurement::of("echo", round, &plan, &driven))
    }

    /// Measures the node. What it recorded is compared by `check_journal`.
    pub fn measure_node(
        &self,
        scenario: Scenario,
        round: u32,
        connections: u16,
    ) -> Result<Measurement, BenchError> {
        let before = self.node.trial_balance(0)?.as_of_sequence;
        let scripts = scenario.scripts(
            self.node.address(),
            &self.accounts,
            self.options.threads,
            None,
        );
        let plan = self.plan(self.node.address(), self.node.pid(), connections);
        let driven = load::drive(&plan, scripts)?;
        let mut measurement = Measurement::of(scenario.name(), round, &plan, &driven);
        measurement.left_over(self.node.quiet());
        measurement.journal_before = Some(before);
        Ok(measurement)
    }

    /// Compares what the node recorded since the measurement began with what it answered.
    pub fn check_journal(&self, measurement: &mut Measurement) -> Result<(), BenchError> {
        let answered = measurement.answered_in_all;
        let before = measurement.journal_before.unwrap_or_default();
        let balance = self.node.trial_balance(before + answered)?;
        measurement.recorded = Some(Recorded {
            answered,
            records: balance.as_of_sequence.saturating_sub(before),
            unbalanced_currency: balance.unbalanced().map(str::to_owned),
        });
        Ok(())
    }

    /// Ends both servers, the node first, and verifies what it left. Gives what was wrong with it.
    pub fn finish(mut self) -> (Vec<String>, Result<Verified, BenchError>) {
        let mut faults: Vec<_> = self.node.stop().into_iter().collect();
        faults.extend(self.echo.stop(false));
        (faults, self.node.verify())
    }

    fn plan(&self, address: SocketAddr, server: u32, connections: u16) -> Plan {
        Plan {
            address,
            server,
            connections: connections.into(),
            warmup: self.options.warmup(),
            measured: self.options.measured(),
        }
    }
}

fn start_echo(work_dir: &WorkDir) -> Result<(Process, SocketAddr), BenchError> {
    let own = env::current_exe().map_err(BenchError::io("find the own executable"))?;
    let address = free_address()?;
    let mut command = Command::new(own);
    command.args(["echo", "--port", &address.port().to_string()]);
    let mut echo = Process::start("the echo", command, work_dir.path().join("echo.log"))?;
    echo.wait_ready(ECHO_READY_LIMIT, || {
        // Its only route is another one; any answer means that it serves.
        http::get(address, "/health/ready")
            .map(drop)
            .map_err(|error| error.to_string())
    })?;
    Ok((echo, address))
}
