//! `florin` on a disk that a test holds up or breaks; otherwise the same.

use std::path::PathBuf;
use std::process::{ExitCode, Termination as _};
use std::sync::Arc;

use clap::Parser as _;
use florin_gateway::{Arguments, run_on};
use florin_storage::FileDisk;
use florin_tests::faulty::{FaultyDisk, SWITCHES};

fn main() -> ExitCode {
    let switches = std::env::var_os(SWITCHES)
        .map(PathBuf::from)
        .unwrap_or_default();
    let exit = run_on(Arguments::parse().task(), |settings| {
        let disk = FileDisk::open(&settings.server.data_dir)?;
        Ok(Arc::new(FaultyDisk::new(Arc::new(disk), switches.clone())))
    });
    exit.report()
}
