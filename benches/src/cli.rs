//! The command line. Every option has a default that fits two cores and a few minutes.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use serde::Serialize;

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
    /// Serve the one-route echo that `run` compares with, on loopback, until SIGTERM.
    Echo(EchoOptions),
}

#[derive(Debug, Args)]
pub struct EchoOptions {
    /// Port on 127.0.0.1.
    #[arg(long)]
    pub port: u16,
}

#[derive(Debug, Clone, Args, Serialize)]
pub struct RunOptions {
    /// Accounts to open, each with one deposit.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(2..=10_000_000))]
    pub accounts: u32,
    /// Numbers of connections to measure with.
    #[arg(long, value_delimiter = ',', default_values_t = [64, 256], value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub connections: Vec<u16>,
    /// Rounds; each measures the echo and every scenario once for each number of connections.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(3..=1000))]
    pub rounds: u32,
    /// Measured seconds of each scenario.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
    /// Seconds of load before measuring starts.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=600))]
    pub warmup: u64,
    /// Threads that make the load.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: u16,
    /// What to measure the node with.
    #[arg(long = "scenario", value_enum, value_delimiter = ',', default_values_t = [Scenario::TransferUniform, Scenario::TransferHot])]
    pub scenarios: Vec<Scenario>,
    /// Transfers to make before the first round, so that the journal is not young.
    #[arg(long, default_value_t = 0)]
    pub aged: u64,
    /// Write everything measured to this file, as JSON.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// The node's executable; by default `florin` beside this one.
    #[arg(long)]
    pub florin: Option<PathBuf>,
    /// The node's data directory, kept afterwards; by default a new one under the build's target directory, removed when all went well.
    #[arg(long)]
    pub data_dir: Option<PathBuf>,
}

impl RunOptions {
    /// How long one scenario is measured.
    pub fn measured(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// How long load is on before that.
    pub fn warmup(&self) -> Duration {
        Duration::from_secs(self.warmup)
    }
}
