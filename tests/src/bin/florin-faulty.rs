//! `florin` with a disk that a test can block or break, entities that a test can make fail, and a
//! clock that a test can set. Otherwise it is the same.

use std::path::PathBuf;
use std::process::{ExitCode, Termination as _};
use std::sync::Arc;

use clap::Parser as _;
use florin_config::Settings;
use florin_gateway::{Arguments, Seams, run_on};
use florin_storage::{Disk, FileDisk};
use florin_tests::faulty::{FaultyClock, FaultyDisk, FaultyEntities, FaultyThreads, SWITCHES};

fn main() -> ExitCode {
    let switches = std::env::var_os(SWITCHES)
        .map(PathBuf::from)
        .unwrap_or_default();
    let seams = Seams {
        clock: Arc::new(FaultyClock::new(switches.clone())),
        intercept: Arc::new(FaultyEntities::new(switches.clone())),
        threads: Arc::new(FaultyThreads::new(switches.clone())),
    };
    let disk = |settings: &Settings| -> Result<Arc<dyn Disk>, florin_storage::Error> {
        let disk = FileDisk::open(&settings.server.data_dir)?;
        Ok(Arc::new(FaultyDisk::new(Arc::new(disk), switches.clone())))
    };
    run_on(Arguments::parse().task(), disk, seams).report()
}
