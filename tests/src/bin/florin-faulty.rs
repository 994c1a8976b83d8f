//! `florin` on a disk that a test holds up or breaks, with entities that a test makes fail;
//! otherwise the same.

use std::path::PathBuf;
use std::process::{ExitCode, Termination as _};
use std::sync::Arc;

use clap::Parser as _;
use florin_config::Settings;
use florin_gateway::{Arguments, run_on};
use florin_storage::{Disk, FileDisk};
use florin_tests::faulty::{FaultyDisk, FaultyEntities, SWITCHES};

fn main() -> ExitCode {
    let switches = std::env::var_os(SWITCHES)
        .map(PathBuf::from)
        .unwrap_or_default();
    let entities = switches.clone();
    let disk = |settings: &Settings| -> Result<Arc<dyn Disk>, florin_storage::Error> {
        let disk = FileDisk::open(&settings.server.data_dir)?;
        Ok(Arc::new(FaultyDisk::new(Arc::new(disk), switches.clone())))
    };
    let exit = run_on(
        Arguments::parse().task(),
        disk,
        Arc::new(FaultyEntities::new(entities)),
    );
    exit.report()
}
