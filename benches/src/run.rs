//! One run: the servers up, every round of every scenario, the servers down, the report. A run that
//! fails half-way still reports what it measured.

use std::fs;

use crate::cli::RunOptions;
use crate::error::BenchError;
use crate::machine::Machine;
use crate::report::{self, Report};
use crate::session::Session;
use crate::work_dir::WorkDir;
use crate::{interrupt, node};

/// Runs it all and prints the report. True when nothing was wrong.
pub fn run(options: &RunOptions) -> Result<bool, BenchError> {
    interrupt::listen()?;
    let executable = node::locate(options.florin.as_deref())?;
    let mut work_dir = WorkDir::create(options.data_dir.as_deref())?;
    let mut report = Report::new(options.clone(), Machine::read(work_dir.data()));
    if let Some(file) = &options.json {
        // Now rather than after the last round, should it not be writable.
        write_json(file, &report)?;
    }
    for warning in report.machine.warnings() {
        eprintln!("warning: {warning}");
    }
    eprintln!("opening {} accounts", options.accounts);
    let session = Session::start(options, &executable, &work_dir)?;
    if let Err(error) = measure(options, &session, &mut report) {
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
    if !report.faults.is_empty() {
        work_dir.keep();
        eprintln!("the children's output is in {}", work_dir.path().display());
    }
    Ok(report.faults.is_empty())
}

/// Interleaves what is measured, so that a drift of the machine hits all of it alike.
fn measure(
    options: &RunOptions,
    session: &Session<'_>,
    report: &mut Report,
) -> Result<(), BenchError> {
    if options.aged > 0 {
        eprintln!("ageing the journal by {} transfers", options.aged);
        session.age()?;
    }
    for round in 1..=options.rounds {
        for &connections in &options.connections {
            report.add(session.measure_echo(round, connections)?);
            stop_if_interrupted()?;
            for &scenario in &options.scenarios {
                let mut measurement = session.measure_node(scenario, round, connections)?;
                let checked = session.check_journal(&mut measurement);
                report.add(measurement);
                checked?;
                stop_if_interrupted()?;
            }
        }
    }
    Ok(())
}

fn stop_if_interrupted() -> Result<(), BenchError> {
    if interrupt::requested() {
        Err(BenchError::Interrupted)
    } else {
        Ok(())
    }
}

fn write_json(file: &std::path::Path, report: &Report) -> Result<(), BenchError> {
    let what = || file.display().to_string();
    let mut json = serde_json::to_vec_pretty(report)
        .map_err(std::io::Error::from)
        .map_err(BenchError::io(what()))?;
    json.push(b'\n');
    fs::write(file, json).map_err(BenchError::io(what()))
}
