//! The command line. Every option has a default that fits a machine with two cores and a run of a
//! few minutes.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::scenario::Scenario;

/// Load benchmark of a Florin node, against a bare HTTP echo.
#[derive(Debug, Parser)]
#[command(name = "florin-benches", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a node and an echo, load them in turn, report their ratio.
    Run(RunOptions),
    /// Load several executables of a node in turn, a short slice each, and compare them pairwise.
    Compare(CompareOptions),
    /// Write RESULTS.md from the JSON files that runs have written.
    Results(ResultsOptions),
    /// Serve the one-route echo that `run` compares with, on loopback, until SIGTERM.
    Echo(EchoOptions),
    /// Serve transfers from a PostgreSQL database, on loopback, until SIGTERM: the thin service
    /// that `run --with postgres` compares with.
    PostgresService(ServiceOptions),
}

#[derive(Debug, Args)]
pub struct CompareOptions {
    /// The executables; the others are compared with the first one.
    #[arg(long, value_delimiter = ',', required = true)]
    pub florin: Vec<PathBuf>,
    /// Accounts to open on each node, each with one deposit.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(2..=10_000_000))]
    pub accounts: u32,
    /// Number of connections.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub connections: u16,
    /// Requests per second that are due, over as many connections as needed. Without it, requests
    /// are sent as fast as the answers come.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub rate: Option<u32>,
    /// The scenario to load them with.
    #[arg(long, value_enum, default_value_t = Scenario::TransferUniform)]
    pub scenario: Scenario,
    /// Number of slices; each measures the echo and every executable once.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub slices: u32,
    /// Measured seconds of each slice and executable.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub seconds: u64,
    /// Transfers to make on each node before the first slice.
    #[arg(long, default_value_t = 100_000)]
    pub aged: u64,
}

impl CompareOptions {
    /// Returns the options of the run with which an executable is measured.
    pub fn run(&self, florin: PathBuf) -> RunOptions {
        RunOptions {
            accounts: self.accounts,
            connections: vec![self.connections],
            rounds: self.slices,
            seconds: self.seconds,
            warmup: 0,
            threads: 2,
            scenarios: vec![self.scenario],
            rates: Vec::new(),
            extras: Vec::new(),
            sustained_seconds: 0,
            sustained_percent: 0,
            overload_seconds: 0,
            aged: self.aged,
            json: None,
            html: None,
            florin: Some(florin),
            data_dir: None,
        }
    }
}

#[derive(Debug, Args)]
pub struct EchoOptions {
    /// Port on 127.0.0.1.
    #[arg(long)]
    pub port: u16,
}

#[derive(Debug, Args)]
pub struct ServiceOptions {
    /// Port on 127.0.0.1.
    #[arg(long)]
    pub port: u16,
    /// Address of the database, as `host=… port=… user=… dbname=…`.
    #[arg(long)]
    pub database: String,
}

#[derive(Debug, Args)]
pub struct ResultsOptions {
    /// Files that `run --json` wrote; each becomes a section, in this order.
    #[arg(long, value_delimiter = ',', required = true)]
    pub from: Vec<PathBuf>,
    /// The file to write.
    #[arg(long, default_value = "benches/RESULTS.md")]
    pub to: PathBuf,
}

/// The extra measurements of a run, in addition to its rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Extra {
    /// The first scenario and the echo, both at half of the scenario's maximum rate.
    HalfRate,
    /// The first scenario for minutes at a share of its maximum, to detect drift.
    Sustained,
    /// The first scenario at three times its maximum: what is refused, how, and how the node
    /// recovers.
    Overload,
    /// SIGKILL under load: the time until the node is ready again.
    Restart,
    /// The same transfers on PostgreSQL, behind a thin HTTP service and under pgbench.
    Postgres,
    /// All of these.
    All,
}

#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub struct RunOptions {
    /// Accounts to open, each with one deposit.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(2..=10_000_000))]
    pub accounts: u32,
    /// Numbers of connections to measure with.
    #[arg(long, value_delimiter = ',', default_values_t = [64, 256], value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub connections: Vec<u16>,
    /// Number of rounds; each measures the echo and every scenario once for each number of
    /// connections.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// Measured seconds of each scenario.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
    /// Seconds of load before measuring starts.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=600))]
    pub warmup: u64,
    /// Threads that generate the load; at a fixed rate only as many as needed are used.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: u16,
    /// The scenarios to measure the node with.
    #[arg(long = "scenario", value_enum, value_delimiter = ',', default_values_t = [Scenario::TransferUniform, Scenario::TransferHot])]
    pub scenarios: Vec<Scenario>,
    /// Also measure every scenario and the echo at these rates, in requests per second. Latency
    /// then counts from when a request was due, not from when it could be sent.
    #[arg(long = "rate", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub rates: Vec<u32>,
    /// Extra measurements in addition to the rounds.
    #[arg(long = "with", value_enum, value_delimiter = ',')]
    pub extras: Vec<Extra>,
    /// Length of the sustained load, in seconds.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(3..=86_400))]
    pub sustained_seconds: u64,
    /// Rate of the sustained load, in percent of the maximum that the rounds found.
    #[arg(long, default_value_t = 80, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub sustained_percent: u32,
    /// Length of the overload, in seconds.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub overload_seconds: u64,
    /// Transfers to make before the first round, so that the journal is not new.
    #[arg(long, default_value_t = 0)]
    pub aged: u64,
    /// Write all measurements to this file, as JSON.
    #[arg(long)]
    #[serde(skip)]
    pub json: Option<PathBuf>,
    /// Write the report with its charts to this file, as one page that needs no network.
    #[arg(long)]
    #[serde(skip)]
    pub html: Option<PathBuf>,
    /// The node's executable; by default `florin` next to this one.
    #[arg(long)]
    #[serde(skip)]
    pub florin: Option<PathBuf>,
    /// The node's data directory, which is kept; by default a new one under the build's target
    /// directory, which is removed if the run had no fault.
    #[arg(long)]
    #[serde(skip)]
    pub data_dir: Option<PathBuf>,
}

impl RunOptions {
    /// Returns how long each scenario is measured.
    pub fn measured(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// Returns how long the load runs before it is measured.
    pub fn warmup(&self) -> Duration {
        Duration::from_secs(self.warmup)
    }

    /// Returns whether `extra` was requested.
    pub fn with(&self, extra: Extra) -> bool {
        self.extras.contains(&extra) || self.extras.contains(&Extra::All)
    }

    /// Returns the scenario for the parts that measure only one.
    pub fn first_scenario(&self) -> Scenario {
        let first = self.scenarios.first().copied();
        first.unwrap_or(Scenario::TransferUniform)
    }

    /// Returns the command that repeats the measurement. It names no file of this machine.
    pub fn command(&self) -> String {
        let scenarios = self.scenarios.iter().map(|scenario| scenario.name());
        let mut command = format!(
            "cargo run --release -p florin-benches -- run --accounts {} --connections {} --rounds {} --seconds {} --warmup {} --threads {} --scenario {}",
            self.accounts,
            list(self.connections.iter().map(ToString::to_string)),
            self.rounds,
            self.seconds,
            self.warmup,
            self.threads,
            list(scenarios.map(str::to_owned)),
        );
        let mut option = |name: &str, value: String| {
            command.push_str(&format!(" --{name} {value}"));
        };
        if !self.rates.is_empty() {
            option("rate", list(self.rates.iter().map(ToString::to_string)));
        }
        if !self.extras.is_empty() {
            let names = self.extras.iter().filter_map(Extra::to_possible_value);
            option("with", list(names.map(|name| name.get_name().to_owned())));
        }
        if self.with(Extra::Sustained) {
            option("sustained-seconds", self.sustained_seconds.to_string());
            option("sustained-percent", self.sustained_percent.to_string());
        }
        if self.with(Extra::Overload) {
            option("overload-seconds", self.overload_seconds.to_string());
        }
        if self.aged > 0 {
            option("aged", self.aged.to_string());
        }
        command
    }
}

fn list(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn options(arguments: &str) -> RunOptions {
        let words = ["florin-benches", "run"].into_iter();
        let cli = Cli::parse_from(words.chain(arguments.split_ascii_whitespace()));
        match cli.command {
            Command::Run(options) => options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_command_of_a_run_is_read_back_as_the_same_run() {
        let given = "--accounts 7 --scenario mixed,transfer-zipf --rate 5,9 --with sustained,half-rate --sustained-seconds 9 --aged 4 --json /somewhere/x";
        let command = options(given).command();
        assert!(!command.contains("somewhere"), "{command}");
        let (_, arguments) = command.split_once("-- run ").unwrap();
        assert_eq!(options(arguments).command(), command);
        assert!(command.contains("--with sustained,half-rate --sustained-seconds 9"));
    }

    #[test]
    fn all_extras_are_one_word() {
        assert!(options("--with all").with(Extra::Restart));
        assert!(!options("").with(Extra::Restart));
    }
}
