//! The rounds: each measures everything once, so that a drift of the machine affects all of it
//! equally.

use std::path::Path;

use super::paced;
use crate::cli::Extra;
use crate::error::BenchError;
use crate::postgres::Baseline;
use crate::report::{PostgresReport, Report};
use crate::session::{Load, Session, stop_if_interrupted};

pub fn run(session: &Session<'_>, work_dir: &Path, report: &mut Report) -> Result<(), BenchError> {
    let options = session.options;
    let mut postgres = prepare_postgres(session, work_dir, report)?;
    for round in 1..=options.rounds {
        for &connections in &options.connections {
            round_of(
                session,
                round,
                &Load::closed(connections, options.measured()),
                report,
            )?;
        }
        for &rate in &options.rates {
            let load = paced::at_rate(f64::from(rate), paced::CONNECTIONS, options.measured());
            round_of(session, round, &load, report)?;
        }
        if let Some(baseline) = &mut postgres {
            baseline.measure(session, round, report)?;
            stop_if_interrupted()?;
        }
    }
    Ok(())
}

/// Measures the echo and every scenario with the same load.
fn round_of(
    session: &Session<'_>,
    round: u32,
    load: &Load,
    report: &mut Report,
) -> Result<(), BenchError> {
    report.add(session.measure_echo(round, load)?);
    stop_if_interrupted()?;
    for &scenario in &session.options.scenarios {
        let (measurement, checked) = session.measure_node(scenario, round, load)?;
        report.add(measurement);
        checked?;
        stop_if_interrupted()?;
    }
    Ok(())
}

fn prepare_postgres(
    session: &Session<'_>,
    work_dir: &Path,
    report: &mut Report,
) -> Result<Option<Baseline>, BenchError> {
    if !session.options.with(Extra::Postgres) {
        return Ok(None);
    }
    let prepared = Baseline::prepare(session.options.accounts, work_dir)?;
    report.postgres = Some(match &prepared {
        Ok(baseline) => PostgresReport::of(baseline.version()),
        Err(why) => PostgresReport::skipped(why),
    });
    Ok(prepared.ok())
}
