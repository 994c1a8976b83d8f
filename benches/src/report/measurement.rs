//! One measurement: one scenario on one server, with one number of connections, in one round.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::maths;
use super::subject::Subject;
use crate::load::{Driven, Pace, Plan, Second};
use crate::node::LeftOver;
use crate::watch::Watched;

/// The quantiles of the curve. They are spaced so that each further nine is one step of the axis.
const CURVE: [f64; 16] = [
    0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 0.9975, 0.999, 0.9995, 0.9999, 0.99995,
    0.99999, 0.999_999,
];

#[derive(Debug, Serialize, Deserialize)]
pub struct Measurement {
    pub round: u32,
    #[serde(flatten)]
    pub subject: Subject,
    /// The largest number of requests in flight.
    pub connections: usize,
    /// The fixed rate; none in a closed loop.
    pub offered_per_second: Option<f64>,
    /// The length of the measured window in seconds, without the warm-up.
    pub seconds: f64,
    /// Whether the load was meant to exceed what the server can do.
    pub overload: bool,
    /// Answers in the window.
    pub answered: u64,
    pub requests_per_second: f64,
    /// The rate as a share of the echo's in the same round with the same connections; none at a
    /// fixed rate.
    pub ratio_to_echo: Option<f64>,
    /// The times from when a request was due (in a closed loop: written) to its reply.
    pub latency_us: Latency,
    /// The times from a request's write to its reply.
    pub service_us: Latency,
    /// The times from a refused request's write to its reply.
    pub refusal_us: Latency,
    /// The latency at each quantile of the curve.
    pub curve_us: Vec<(f64, u64)>,
    pub series: Vec<Second>,
    pub server_cpu_us_per_request: f64,
    /// The CPU time of all threads of the generator.
    pub generator_cpu_us_per_request: f64,
    /// The cores that other processes and the machine's host used while measuring.
    pub other_cpu_cores: f64,
    pub stolen_cores: f64,
    /// The work that the server still did after the load: its duration, and its CPU time per
    /// request.
    pub left_over_ms: f64,
    pub left_over_cpu_us_per_request: f64,
    /// The time from the end of the window to the last answer.
    pub drained_ms: f64,
    /// The disk use per record, if it was measured.
    pub disk: Option<DiskPerRecord>,
    pub watched: Option<Watched>,
    /// The sequence of the journal's last record before the load.
    pub journal_before: Option<u64>,
    pub recorded: Option<Recorded>,
    pub other_statuses: BTreeMap<u16, u64>,
    pub with_retry_after: u64,
    pub transport_errors: u64,
    pub unanswered: u64,
    /// Requests that were due and never sent, because every connection was busy.
    pub unsent: u64,
    pub first_refusal: Option<String>,
    pub first_error: Option<String>,
    /// All answers, including those of the warm-up.
    pub answered_in_all: u64,
}

/// Percentiles of a latency in microseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Latency {
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
}

impl Latency {
    fn of(histogram: &Histogram<u64>) -> Self {
        Self {
            p50: histogram.value_at_quantile(0.5),
            p90: histogram.value_at_quantile(0.9),
            p99: histogram.value_at_quantile(0.99),
            p999: histogram.value_at_quantile(0.999),
            max: histogram.max(),
        }
    }
}

/// The disk use per record of a load, in bytes, including the work that the server did after the
/// load.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct DiskPerRecord {
    /// The growth of the data folder; negative if it shrank.
    pub held: f64,
    /// The bytes that the process caused to be written.
    pub written: f64,
}

/// The journal's side of a load. Every answered change must be exactly one record.
#[derive(Debug, Serialize, Deserialize)]
pub struct Recorded {
    /// The records that the answers of the whole load stand for, including the warm-up.
    pub answered: u64,
    /// Requests whose outcome is unknown: each may be a record.
    pub unknown: u64,
    pub records: u64,
    /// A currency whose debits and credits differ.
    pub unbalanced_currency: Option<String>,
}

impl Recorded {
    fn fits(&self) -> bool {
        (self.answered..=self.answered + self.unknown).contains(&self.records)
    }
}

impl Measurement {
    pub fn of<S>(subject: Subject, round: u32, plan: &Plan, driven: &Driven<S>) -> Self {
        let tally = &driven.tally;
        // A signal, or the loss of all connections, ends the window early.
        let seconds = driven.window.min(plan.measured).as_secs_f64();
        let answered = tally.answered_in_window;
        let rate = maths::ratio(answered as f64, seconds).unwrap_or_default();
        // The clocks were read over a slightly longer time than the window, so the figure is
        // computed from rates.
        let cpu_us_per_request = |used: Duration| {
            maths::ratio(used.as_secs_f64() * 1e6, driven.window.as_secs_f64())
                .and_then(|us_per_second| maths::ratio(us_per_second, rate))
                .unwrap_or_default()
        };
        let cores = |used: Duration| {
            maths::ratio(used.as_secs_f64(), driven.window.as_secs_f64()).unwrap_or_default()
        };
        Self {
            round,
            subject,
            connections: plan.connections,
            offered_per_second: match plan.pace {
                Pace::Closed => None,
                Pace::Open { per_second, .. } => Some(per_second),
            },
            seconds,
            overload: false,
            answered,
            requests_per_second: rate,
            ratio_to_echo: None,
            latency_us: Latency::of(&tally.latency),
            service_us: Latency::of(&tally.service),
            refusal_us: Latency::of(&tally.refusal),
            curve_us: curve(&tally.latency),
            // The series has whole seconds only; the window's length is below 2^53.
            series: tally.series.seconds(seconds.round() as usize),
            server_cpu_us_per_request: cpu_us_per_request(driven.server_cpu),
            generator_cpu_us_per_request: cpu_us_per_request(driven.generator_cpu),
            other_cpu_cores: cores(driven.other_cpu),
            stolen_cores: cores(driven.stolen_cpu),
            left_over_ms: 0.0,
            left_over_cpu_us_per_request: 0.0,
            drained_ms: driven.drained.as_secs_f64() * 1e3,
            disk: None,
            watched: None,
            journal_before: None,
            recorded: None,
            other_statuses: tally.other_statuses.clone(),
            with_retry_after: tally.with_retry_after,
            transport_errors: tally.transport_errors,
            unanswered: tally.unanswered,
            unsent: tally.unsent,
            first_refusal: tally.first_refusal.clone(),
            first_error: tally.first_error.clone(),
            answered_in_all: tally.answered,
        }
    }

    /// Adds the work that the server still did after the load.
    pub fn left_over(&mut self, left_over: LeftOver) {
        self.left_over_ms = left_over.time.as_secs_f64() * 1e3;
        self.left_over_cpu_us_per_request = maths::ratio(
            left_over.cpu.as_secs_f64() * 1e6,
            self.answered_in_all as f64,
        )
        .unwrap_or_default();
    }

    /// Returns whether both measurements have the same round, number of connections and rate, so
    /// that they may be compared.
    pub fn pairs_with(&self, other: &Self) -> bool {
        (self.round, self.connections, self.offered_per_second)
            == (other.round, other.connections, other.offered_per_second)
    }

    /// Returns the number of answers with an unexpected status.
    pub fn refused(&self) -> u64 {
        self.other_statuses.values().sum()
    }

    pub fn errors(&self) -> u64 {
        self.refused() + self.transport_errors + self.unanswered
    }

    /// Returns the number of errors that make the run fail. At a fixed rate a server may answer
    /// that it is overloaded; during an overload it may close connections too.
    fn wrong(&self) -> u64 {
        if self.offered_per_second.is_none() {
            return self.errors();
        }
        let statuses = [429, 503].iter();
        let shed: u64 = statuses
            .filter_map(|status| self.other_statuses.get(status))
            .sum();
        let closed = if self.overload {
            self.transport_errors
        } else {
            0
        };
        self.errors() - shed - closed
    }

    /// Returns descriptions of what is wrong with the measurement.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |what: String| {
            faults.push(format!(
                "{} at {} connections, round {}: {what}",
                self.subject.name(),
                self.connections,
                self.round
            ));
        };
        if self.wrong() > 0 {
            let first = self.first_error.as_ref().or(self.first_refusal.as_ref());
            let first = first.map_or("unknown", String::as_str);
            fault(format!("{} errors; the first: {first}", self.wrong()));
        }
        if self.answered == 0 {
            fault("nothing was answered".to_owned());
        }
        if let Some(recorded) = &self.recorded {
            if !recorded.fits() {
                let unknown = match recorded.unknown {
                    0 => String::new(),
                    unknown => format!(" and {unknown} of unknown outcome"),
                };
                fault(format!(
                    "{} records answered for{unknown}, but {} in the journal",
                    recorded.answered, recorded.records
                ));
            }
            if let Some(currency) = &recorded.unbalanced_currency {
                fault(format!("debits and credits differ in {currency}"));
            }
        }
        faults
    }
}

/// Returns the latency at each quantile that has at least one answer above it.
fn curve(latency: &Histogram<u64>) -> Vec<(f64, u64)> {
    let answers = latency.len() as f64;
    let known = CURVE
        .iter()
        .filter(|&&quantile| (1.0 - quantile) * answers >= 1.0);
    known
        .map(|&quantile| (quantile, latency.value_at_quantile(quantile)))
        .collect()
}

#[cfg(test)]
pub mod tests {
    use super::super::subject::Server;
    use super::*;
    use crate::load::{Tally, Timing};
    use crate::scenario::Scenario;

    pub fn echo() -> Subject {
        Subject {
            server: Server::Echo,
            scenario: Scenario::TransferUniform,
        }
    }

    pub fn florin(scenario: Scenario) -> Subject {
        Subject {
            server: Server::Florin,
            scenario,
        }
    }

    /// Returns a measurement with `in_window` answers in a window of 2 s, each after 500 µs.
    pub fn measured(
        subject: Subject,
        round: u32,
        connections: usize,
        in_window: u64,
    ) -> Measurement {
        let mut tally = Tally::new();
        let took = |second: Option<usize>| Timing {
            latency: Duration::from_micros(500),
            service: Duration::from_micros(400),
            measured: second.is_some(),
            second,
        };
        tally.answer(&took(None), 1);
        for answer in 0..in_window {
            tally.answer(&took(Some(usize::from(answer > in_window / 2))), 1);
        }
        let plan = Plan {
            address: "127.0.0.1:1".parse().unwrap(),
            server: 1,
            backing: None,
            connections,
            pace: Pace::Closed,
            warmup: Duration::ZERO,
            measured: Duration::from_secs(2),
        };
        let driven: Driven<()> = Driven {
            tally,
            scripts: Vec::new(),
            window: Duration::from_secs(4),
            server_cpu: Duration::from_millis(8),
            generator_cpu: Duration::from_millis(4),
            other_cpu: Duration::from_secs(2),
            stolen_cpu: Duration::ZERO,
            drained: Duration::from_millis(3),
        };
        Measurement::of(subject, round, &plan, &driven)
    }

    #[test]
    fn rates_are_of_the_window_and_cpu_of_the_time_between_its_readings() {
        let mut measurement = measured(echo(), 1, 64, 1_000);
        assert_eq!(measurement.requests_per_second, 500.0);
        // This is 2 ms of CPU per second over 500 requests per second.
        assert!((measurement.server_cpu_us_per_request - 4.0).abs() < 1e-9);
        assert!((measurement.generator_cpu_us_per_request - 2.0).abs() < 1e-9);
        assert!((measurement.other_cpu_cores - 0.5).abs() < 1e-9);
        assert_eq!(
            (measurement.latency_us.p50, measurement.service_us.p50),
            (500, 400)
        );
        assert_eq!(measurement.series.len(), 2);
        // A thousand answers resolve a quantile of 0.999, and none above it.
        assert_eq!(measurement.curve_us.last(), Some(&(0.999, 500)));
        measurement.left_over(LeftOver {
            time: Duration::from_millis(30),
            cpu: Duration::from_micros(1_001),
        });
        assert!((measurement.left_over_cpu_us_per_request - 1.0).abs() < 1e-9);
        assert_eq!(measurement.faults(), Vec::<String>::new());
    }

    #[test]
    fn a_record_too_few_is_a_fault_and_an_unknown_outcome_is_none() {
        let mut measurement = measured(florin(Scenario::TransferHot), 2, 64, 10);
        let recorded = |unknown, records| {
            Some(Recorded {
                answered: 11,
                unknown,
                records,
                unbalanced_currency: None,
            })
        };
        for (unknown, records) in [(0, 11), (2, 11), (2, 13)] {
            measurement.recorded = recorded(unknown, records);
            assert!(measurement.faults().is_empty());
        }
        measurement.recorded = recorded(2, 14);
        assert_eq!(measurement.faults().len(), 1);
        measurement.recorded = recorded(0, 10);
        assert_eq!(
            measurement.faults(),
            [
                "transfer-hot at 64 connections, round 2: 11 records answered for, but 10 in the journal"
            ]
        );
    }

    #[test]
    fn being_told_that_it_is_too_much_is_wrong_only_in_a_closed_loop() {
        let mut measurement = measured(florin(Scenario::Mixed), 1, 64, 10);
        measurement.other_statuses.insert(503, 4);
        assert!(measurement.faults()[0].contains("4 errors"));
        measurement.offered_per_second = Some(100.0);
        assert!(measurement.faults().is_empty());
        measurement.other_statuses.insert(500, 1);
        assert!(measurement.faults()[0].contains("1 errors"));
        measurement.transport_errors = 3;
        assert!(measurement.faults()[0].contains("4 errors"));
        measurement.overload = true;
        assert!(measurement.faults()[0].contains("1 errors"));
    }

    #[test]
    fn a_load_without_an_answer_is_a_fault() {
        assert!(measured(echo(), 1, 64, 0).faults()[0].contains("nothing was answered"));
    }
}
