//! Loads at a set rate: beside the echo at half of the maximum, and for minutes near it.

use std::time::Duration;

use crate::error::BenchError;
use crate::load::Pace;
use crate::report::{Maximum, Report};
use crate::session::{Load, Session, stop_if_interrupted};

/// Requests in flight at most where the rate is the user's: far more than a server that keeps up ever
/// has.
pub const CONNECTIONS: usize = 1024;
/// How late a request may be sent; a caller would have given up about then.
const PATIENCE: Duration = Duration::from_secs(5);

/// A load at `per_second` over so many connections, measured for `measured`.
pub fn at_rate(per_second: f64, connections: usize, measured: Duration) -> Load {
    Load {
        connections,
        pace: Pace::Open {
            per_second,
            patience: PATIENCE,
        },
        measured,
        watched: false,
    }
}

/// The first scenario and the echo in turn, both at half of the scenario's `maximum` and over the
/// connections that it was reached with.
pub fn half_rate(
    session: &Session<'_>,
    report: &mut Report,
    maximum: Maximum,
) -> Result<(), BenchError> {
    let options = session.options;
    let rate = (maximum.per_second / 2.0).floor().max(1.0);
    let load = at_rate(rate, maximum.connections, options.measured());
    for round in 1..=options.rounds {
        report.add(session.measure_echo(round, &load)?);
        stop_if_interrupted()?;
        let (measurement, checked) =
            session.measure_node(options.first_scenario(), round, &load)?;
        report.add(measurement);
        checked?;
        stop_if_interrupted()?;
    }
    Ok(())
}

/// The first scenario for as long as asked, at the share of its `maximum` that was asked for and over
/// the connections that it was reached with.
pub fn sustained(
    session: &Session<'_>,
    report: &mut Report,
    maximum: Maximum,
) -> Result<(), BenchError> {
    let options = session.options;
    let rate = maximum.per_second * f64::from(options.sustained_percent) / 100.0;
    let load = Load {
        watched: true,
        ..at_rate(
            rate.floor().max(1.0),
            maximum.connections,
            Duration::from_secs(options.sustained_seconds),
        )
    };
    eprintln!("sustaining {rate:.0}/s for {} s", options.sustained_seconds);
    let (measurement, checked) = session.measure_node(options.first_scenario(), 1, &load)?;
    report.add_sustained(measurement);
    checked
}
