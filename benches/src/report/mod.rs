//! What a run found: every measurement as it was, their summary, and what was wrong.

mod maths;
mod measurement;
mod summary;
mod table;

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub use measurement::{Measurement, Recorded};
pub use table::table;

use self::summary::{HotToUniform, Row};
use crate::cli::RunOptions;
use crate::machine::Machine;
use crate::node::Verified;

#[derive(Debug, Serialize)]
pub struct Report {
    /// When it was begun, RFC 3339, UTC.
    pub date: String,
    /// The version of this benchmark.
    pub version: &'static str,
    pub machine: Machine,
    pub options: RunOptions,
    pub summary: Vec<Row>,
    /// The hot scenario's rate as a share of the uniform one's, same round, same connections.
    pub hot_to_uniform: Vec<HotToUniform>,
    pub measurements: Vec<Measurement>,
    pub verify: Option<Verified>,
    /// What was wrong; the run succeeded when there is none.
    pub faults: Vec<String>,
}

impl Report {
    pub fn new(options: RunOptions, machine: Machine) -> Self {
        Self {
            date: OffsetDateTime::now_utc()
                .format(&Rfc3339)
                .unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION"),
            machine,
            options,
            summary: Vec::new(),
            hot_to_uniform: Vec::new(),
            measurements: Vec::new(),
            verify: None,
            faults: Vec::new(),
        }
    }

    /// Takes a measurement, with its ratio to the echo of its round and its connections.
    pub fn add(&mut self, mut measurement: Measurement) {
        measurement.ratio_to_echo = self
            .measurements
            .iter()
            .find(|other| other.scenario == "echo" && other.pairs_with(&measurement))
            .and_then(|echo| {
                maths::ratio(measurement.requests_per_second, echo.requests_per_second)
            });
        self.faults.extend(measurement.faults());
        eprintln!("{}", table::progress(&measurement));
        self.measurements.push(measurement);
    }

    /// Takes the outcome of `florin verify`.
    pub fn verified(&mut self, verified: Verified) {
        if !verified.ok {
            self.faults.push(format!(
                "florin verify: {}:\n{}",
                verified.exit, verified.output
            ));
        }
        self.verify = Some(verified);
    }

    /// Fills in the summary from the measurements.
    pub fn summarise(&mut self) {
        self.summary = summary::rows(&self.measurements);
        self.hot_to_uniform = summary::hot_to_uniform(&self.measurements);
    }
}
