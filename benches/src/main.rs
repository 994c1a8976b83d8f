//! Florin's load benchmark: loads a node and a bare HTTP echo alternately on the machine at hand.
//!
//! Absolute rates mean little on a shared machine. The meaningful figure is the ratio to the echo
//! of the same round, which is measured seconds earlier with the same requests, connections and
//! generator.
#![allow(
    clippy::disallowed_methods,
    reason = "this crate measures time; it has no clock seam to take it from"
)]

mod cli;
mod compare;
mod cpu;
mod disk;
mod echo;
mod error;
#[cfg(test)]
mod fake;
mod http;
mod interrupt;
mod load;
mod machine;
mod memory;
mod node;
mod opening;
mod phases;
mod postgres;
mod process;
mod report;
mod requests;
mod results;
mod run;
mod scenario;
mod session;
mod watch;
mod work_dir;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Cli, Command};

/// The allocator of the node, so that the echo differs from it only by what it leaves out.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(options) => run::run(&options),
        Command::Compare(options) => compare::compare(&options),
        Command::Results(options) => results::write(&options).map(|()| true),
        Command::Echo(options) => echo::serve(options.port).map(|()| true),
        Command::PostgresService(options) => {
            postgres::serve(options.port, &options.database).map(|()| true)
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("florin-benches: {error}");
            ExitCode::FAILURE
        }
    }
}
