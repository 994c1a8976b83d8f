//! The report of a run: all measurements, their summary, and the faults.

mod drift;
mod html;
mod markdown;
mod maths;
mod measurement;
mod outcomes;
mod subject;
mod summary;
mod table;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub use self::html::page;
pub use self::markdown::results;
pub use self::maths::Spread;
pub use self::measurement::{DiskPerRecord, Measurement, Recorded};
pub use self::outcomes::{Ageing, Overload, Restart};
pub use self::subject::{Server, Subject};
pub use self::table::table;

use self::drift::Drift;
use self::summary::{Comparison, Row};
use crate::cli::RunOptions;
use crate::machine::Machine;
use crate::node::Verified;
use crate::postgres::PgBench;
use crate::scenario::Scenario;

/// The highest rate of a node in a closed loop: the median of the rounds, at the best number of
/// connections.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Maximum {
    pub per_second: f64,
    pub connections: usize,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// The start of the run, RFC 3339, UTC.
    pub date: String,
    /// The version of this benchmark.
    pub version: String,
    /// The command that repeats the measurement.
    pub command: String,
    pub machine: Machine,
    pub options: RunOptions,
    pub ageing: Option<Ageing>,
    pub summary: Vec<Row>,
    /// Rates, each as a share of another one of the same round.
    pub comparisons: Vec<Comparison>,
    pub measurements: Vec<Measurement>,
    pub postgres: Option<PostgresReport>,
    pub sustained: Option<Sustained>,
    pub overload: Option<Overload>,
    pub restart: Option<Restart>,
    pub verify: Option<Verified>,
    /// The faults that were found. The run succeeded if there is none.
    pub faults: Vec<String>,
}

/// The comparison with PostgreSQL. The results of the thin service are among the measurements.
#[derive(Debug, Serialize, Deserialize)]
pub struct PostgresReport {
    pub version: Option<String>,
    /// The reason why PostgreSQL was not measured, in one sentence.
    pub skipped: Option<String>,
    pub pgbench: Vec<PgBench>,
}

impl PostgresReport {
    pub fn of(version: &str) -> Self {
        Self {
            version: Some(version.to_owned()),
            skipped: None,
            pgbench: Vec::new(),
        }
    }

    pub fn skipped(why: &str) -> Self {
        Self {
            version: None,
            skipped: Some(why.to_owned()),
            pgbench: Vec::new(),
        }
    }
}

/// A load that lasts for minutes.
#[derive(Debug, Serialize, Deserialize)]
pub struct Sustained {
    pub measurement: Measurement,
    /// The drift; none if the load was cut short.
    pub drift: Option<Drift>,
}

impl Report {
    pub fn new(options: RunOptions, machine: Machine) -> Self {
        let now = OffsetDateTime::now_utc();
        let now = now.replace_nanosecond(0).unwrap_or(now);
        Self {
            date: now.format(&Rfc3339).unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command: options.command(),
            machine,
            options,
            ageing: None,
            summary: Vec::new(),
            comparisons: Vec::new(),
            measurements: Vec::new(),
            postgres: None,
            sustained: None,
            overload: None,
            restart: None,
            verify: None,
            faults: Vec::new(),
        }
    }

    /// Adds a measurement, with its ratio to the echo of the same round and connections.
    pub fn add(&mut self, mut measurement: Measurement) {
        if measurement.offered_per_second.is_none() {
            measurement.ratio_to_echo = self.echo_of(&measurement).and_then(|echo| {
                maths::ratio(measurement.requests_per_second, echo.requests_per_second)
            });
        }
        self.take_faults(&measurement);
        self.measurements.push(measurement);
    }

    fn echo_of(&self, measurement: &Measurement) -> Option<&Measurement> {
        summary::partner(&self.measurements, measurement, |subject| {
            subject.server == Server::Echo
        })
    }

    fn take_faults(&mut self, measurement: &Measurement) {
        self.faults.extend(measurement.faults());
        eprintln!("{}", table::progress(measurement));
    }

    pub fn add_pgbench(&mut self, found: PgBench) {
        eprintln!("{}", table::pgbench_progress(&found));
        if found.failed > 0 {
            self.faults.push(format!(
                "pgbench with {} clients, round {}: {} transactions failed",
                found.clients, found.round, found.failed
            ));
        }
        if let Some(postgres) = &mut self.postgres {
            postgres.pgbench.push(found);
        }
    }

    pub fn add_sustained(&mut self, measurement: Measurement) {
        self.take_faults(&measurement);
        self.sustained = Some(Sustained {
            drift: Drift::of(&measurement),
            measurement,
        });
    }

    pub fn add_overload(&mut self, overload: Overload) {
        self.take_faults(&overload.measurement);
        self.overload = Some(overload);
    }

    pub fn add_restart(&mut self, restart: Restart) {
        self.faults.extend(restart.fault());
        self.restart = Some(restart);
    }

    /// Returns the node's highest rate in `scenario` in a closed loop.
    pub fn maximum(&self, scenario: Scenario) -> Option<Maximum> {
        summary::rows(&self.measurements)
            .into_iter()
            .filter(|row| row.subject.server == Server::Florin && row.subject.scenario == scenario)
            .filter(|row| row.offered_per_second.is_none())
            .map(|row| Maximum {
                per_second: row.requests_per_second.median,
                connections: row.connections,
            })
            .max_by(|one, other| one.per_second.total_cmp(&other.per_second))
    }

    /// Adds the outcome of `florin verify`.
    pub fn verified(&mut self, verified: Verified) {
        if !verified.ok {
            self.faults.push(format!(
                "florin verify: {}:\n{}",
                verified.exit, verified.output
            ));
        }
        self.verify = Some(verified);
    }

    /// Computes the summary from the measurements.
    pub fn summarise(&mut self) {
        let pgbench = self.postgres.as_ref().map(|postgres| &postgres.pgbench[..]);
        self.summary = summary::rows(&self.measurements);
        self.comparisons = summary::comparisons(&self.measurements, pgbench.unwrap_or_default());
    }
}

#[cfg(test)]
pub mod tests {
    use super::measurement::tests::{echo, florin, measured};
    use super::*;
    use crate::cli::tests::options;
    use crate::watch::{Sample, Watched};

    /// Returns a report with one of everything.
    pub fn full() -> Report {
        let machine = Machine::read(std::path::Path::new("/"));
        let mut report = Report::new(options("--rounds 2 --with all"), machine);
        for round in 1..=2 {
            report.add(measured(echo(), round, 64, 4_000));
            for scenario in [Scenario::TransferUniform, Scenario::TransferHot] {
                report.add(measured(florin(scenario), round, 64, 2_000));
            }
            for subject in [echo(), florin(Scenario::TransferUniform)] {
                let mut paced = measured(subject, round, 1024, 1_000);
                paced.offered_per_second = Some(500.0);
                report.add(paced);
            }
        }
        report.postgres = Some(PostgresReport::of("15.1"));
        report.add(measured(
            Subject {
                server: Server::Postgres,
                scenario: Scenario::TransferUniform,
            },
            1,
            64,
            500,
        ));
        report.add_pgbench(PgBench {
            round: 1,
            clients: 16,
            transfers: 800,
            transfers_per_second: 400.0,
            latency_average_ms: 2.0,
            failed: 0,
        });
        let mut sustained = measured(florin(Scenario::TransferUniform), 1, 1024, 3_000);
        sustained.offered_per_second = Some(800.0);
        sustained.watched = Some(watched());
        report.add_sustained(sustained);
        let mut overload = measured(florin(Scenario::TransferUniform), 1, 9_000, 3_000);
        overload.offered_per_second = Some(3_000.0);
        overload.other_statuses.insert(503, 77);
        overload.with_retry_after = 77;
        overload.watched = Some(watched());
        report.add_overload(Overload {
            measurement: overload,
            goodput_to_maximum: 0.9,
            single_ms_before: 0.5,
            normal_after_ms: Some(120.0),
            rss_bytes_before: 1 << 28,
            rss_bytes_after: 1 << 29,
        });
        report.add_restart(Restart {
            records: 10_000,
            ready_ms: 812.0,
            answered: 50,
            unknown: 3,
            found: 51,
        });
        report.verified(Verified {
            ok: true,
            exit: "exit status: 0".to_owned(),
            seconds: 2.0,
            records: 10_000,
            records_per_second: 5_000.0,
            output: String::new(),
        });
        report.summarise();
        report
    }

    pub fn watched() -> Watched {
        let sample = |second: u32| Sample {
            at: second.into(),
            rss_bytes: (1 << 28) + (u64::from(second) << 20),
            view_lag_records: Some(second.into()),
        };
        Watched {
            samples: (0..6).map(sample).collect(),
            live_ms: vec![0.5, 0.7, 9.0],
            live_failed: 0,
        }
    }

    #[test]
    fn the_maximum_is_of_the_closed_loop_alone() {
        let report = full();
        let maximum = Maximum {
            per_second: 1_000.0,
            connections: 64,
        };
        assert_eq!(report.maximum(Scenario::TransferUniform), Some(maximum));
        assert_eq!(report.maximum(Scenario::Mixed), None);
        assert_eq!(report.faults, Vec::<String>::new());
    }

    #[test]
    fn a_report_is_read_back_as_it_was_written() {
        let written = serde_json::to_string(&full()).unwrap();
        let read: Report = serde_json::from_str(&written).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), written);
    }
}
