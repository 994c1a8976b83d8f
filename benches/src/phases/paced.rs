//! Loads at a fixed rate: next to the echo at half of the maximum, and for minutes near the
//! maximum.

use std::time::Duration;

use crate::error::BenchError;
use crate::load::Pace;
use crate::report::{Maximum, Report};
use crate::session::{Load, Session, stop_if_interrupted};

/// The largest number of requests in flight if the user sets the rate: far more than a server that
/// keeps up ever has.
pub const CONNECTIONS: usize = 1024;
/// How late a request may be sent; a caller would give up about then.
const PATIENCE: Duration = Duration::from_secs(5);

/// Creates a load at `per_second` over this many connections, measured for `measured`.
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

/// Measures the first scenario and the echo alternately, both at half of the scenario's `maximum`
/// and with the number of connections at which the maximum was reached.
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

/// Measures the first scenario for the time and at the share of its `maximum` that the user set,
/// with the number of connections at which the maximum was reached.
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
