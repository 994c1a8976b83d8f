//! The parts of a run in their order: ageing, the rounds, and the extras that the user asked for.

mod ageing;
mod overload;
mod paced;
mod restart;
mod rounds;

use std::path::Path;

pub use self::ageing::age;
pub use self::paced::{CONNECTIONS, at_rate};
use crate::cli::Extra;
use crate::error::BenchError;
use crate::report::Report;
use crate::session::{Session, stop_if_interrupted};

/// Runs all parts. If one fails, the report has what was measured before.
pub fn run(
    session: &mut Session<'_>,
    work_dir: &Path,
    report: &mut Report,
) -> Result<(), BenchError> {
    let options = session.options;
    if options.aged > 0 {
        report.ageing = Some(ageing::age(session)?);
    }
    rounds::run(session, work_dir, report)?;
    let first = options.first_scenario();
    let Some(maximum) = report.maximum(first) else {
        return Ok(());
    };
    if options.with(Extra::HalfRate) {
        paced::half_rate(session, report, maximum)?;
    }
    if options.with(Extra::Sustained) {
        paced::sustained(session, report, maximum)?;
        stop_if_interrupted()?;
    }
    if options.with(Extra::Overload) {
        overload::run(session, report, maximum)?;
        stop_if_interrupted()?;
    }
    if options.with(Extra::Restart) {
        report.add_restart(restart::run(session)?);
    }
    Ok(())
}
