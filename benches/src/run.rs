//! One run: starts the servers, measures every scenario in every round, stops the servers, and
//! writes the report. A run that fails half-way still reports what it measured.

use std::fs;

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::cli::RunOptions;
use crate::error::BenchError;
use crate::machine::Machine;
use crate::report::{self, Report};
use crate::session::Session;
use crate::work_dir::WorkDir;
use crate::{interrupt, node, phases};

/// Performs a run and prints the report. Returns true if there was no fault.
pub fn run(options: &RunOptions) -> Result<bool, BenchError> {
    interrupt::listen()?;
    raise_descriptor_limit();
    let executable = node::locate(options.florin.as_deref())?;
    let mut work_dir = WorkDir::create(options.data_dir.as_deref())?;
    let mut report = Report::new(options.clone(), Machine::read(work_dir.data()));
    if let Some(file) = &options.json {
        // The file is written now, so that an error shows before the rounds rather than after them.
        write_json(file, &report)?;
    }
    for warning in report.machine.warnings() {
        eprintln!("warning: {warning}");
    }
    eprintln!("opening {} accounts", options.accounts);
    let mut session = Session::start(options, &executable, &work_dir)?;
    if let Err(error) = phases::run(&mut session, work_dir.path(), &mut report) {
        report.faults.push(error.to_string());
    }
    eprintln!("verifying");
    let (faults, verified) = session.finish();
    report.faults.extend(faults);
    match verified {
        Ok(verified) => report.verified(verified),
        Err(error) => report.faults.push(error.to_string()),
    }
    report.summarise();
    println!("{}", report::table(&report));
    if let Some(file) = &options.json {
        write_json(file, &report)?;
    }
    if let Some(file) = &options.html {
        fs::write(file, report::page(&report))
            .map_err(BenchError::io(file.display().to_string()))?;
    }
    if !report.faults.is_empty() {
        work_dir.keep();
        eprintln!("the children's output is in {}", work_dir.path().display());
    }
    Ok(report.faults.is_empty())
}

/// Raises the limit of open connections to the maximum that the system allows, because an overload
/// has thousands. The servers inherit it.
pub fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // If the limit can't be raised, connecting reports the error.
    let _ = setrlimit(Resource::Nofile, limit);
}

fn write_json(file: &std::path::Path, report: &Report) -> Result<(), BenchError> {
    let what = || file.display().to_string();
    let mut json = serde_json::to_vec_pretty(report)
        .map_err(std::io::Error::from)
        .map_err(BenchError::io(what()))?;
    json.push(b'\n');
    fs::write(file, json).map_err(BenchError::io(what()))
}
