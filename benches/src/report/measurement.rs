//! One scenario at one server, one number of connections, one round.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::maths;
use super::subject::Subject;
use crate::load::{Driven, Pace, Plan, Second};
use crate::node::LeftOver;
use crate::watch::Watched;

/// The quantiles of the curve: a step of the axis each time the rest is a tenth.
const CURVE: [f64; 16] = [
    0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 0.9975, 0.999, 0.9995, 0.9999, 0.99995,
    0.99999, 0.999_999,
];

#[derive(Debug, Serialize, Deserialize)]
pub struct Measurement {
    pub round: u32,
    #[serde(flatten)]
    pub subject: Subject,
    /// Requests in flight at most.
    pub connections: usize,
    /// The set rate; none in a closed loop.
    pub offered_per_second: Option<f64>,
    /// The measured window, without warm-up.
    pub seconds: f64,
    /// Whether it was meant to be more than the server can do.
    pub overload: bool,
    /// Answers in the window.
    pub answered: u64,
    pub requests_per_second: f64,
    /// To the echo of the same round and connections; none at a set rate.
    pub ratio_to_echo: Option<f64>,
    /// From when a request was due (in a closed loop: written) to its reply.
    pub latency_us: Latency,
    /// From its write to its reply.
    pub service_us: Latency,
    /// The same of refusals.
    pub refusal_us: Latency,
    /// The latency at each quantile of a curve.
    pub curve_us: Vec<(f64, u64)>,
    pub series: Vec<Second>,
    pub server_cpu_us_per_request: f64,
    /// The generator's own, all its threads.
    pub generator_cpu_us_per_request: f64,
    /// Cores kept busy by other processes, and taken by the machine's host, while measuring.
    pub other_cpu_cores: f64,
    pub stolen_cores: f64,
    /// Work that the load left to be done after it: how long, and its CPU spread over the requests.
    pub left_over_ms: f64,
    pub left_over_cpu_us_per_request: f64,
    /// From the window's end to the last answer.
    pub drained_ms: f64,
    /// Of a record, when the server was asked for it.
    pub disk: Option<DiskPerRecord>,
    pub watched: Option<Watched>,
    /// The number of the journal's last record before the load.
    pub journal_before: Option<u64>,
    pub recorded: Option<Recorded>,
    pub other_statuses: BTreeMap<u16, u64>,
    pub with_retry_after: u64,
    pub transport_errors: u64,
    pub unanswered: u64,
    /// Requests that were due and never sent, for every connection was busy.
    pub unsent: u64,
    pub first_refusal: Option<String>,
    pub first_error: Option<String>,
    /// All answers, warm-up included.
    pub answered_in_all: u64,
}

/// Microseconds.
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

/// Bytes, spread over the records of a load, what was left over by it included.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct DiskPerRecord {
    /// By which the data folder grew; below zero when it shrank.
    pub held: f64,
    /// That the process caused to be written.
    pub written: f64,
}

/// The journal's side of a load. Every answered change is one record, no more and no less.
#[derive(Debug, Serialize, Deserialize)]
pub struct Recorded {
    /// Answers of the whole load that each are a record, warm-up included.
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
        // The window is cut short by a signal, or when every connection broke.
        let seconds = driven.window.min(plan.measured).as_secs_f64();
        let answered = tally.answered_in_window;
        let rate = maths::ratio(answered as f64, seconds).unwrap_or_default();
        // The clocks were read around a slightly longer time than the window, so by rates.
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
            // Whole seconds of the window; its length is below 2^53.
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

    /// Takes what the server still did after the load.
    pub fn left_over(&mut self, left_over: LeftOver) {
        self.left_over_ms = left_over.time.as_secs_f64() * 1e3;
        self.left_over_cpu_us_per_request = maths::ratio(
            left_over.cpu.as_secs_f64() * 1e6,
            self.answered_in_all as f64,
        )
        .unwrap_or_default();
    }

    /// Whether both are of one round, one number of connections and one rate, and so may be
    /// compared.
    pub fn pairs_with(&self, other: &Self) -> bool {
        (self.round, self.connections, self.offered_per_second)
            == (other.round, other.connections, other.offered_per_second)
    }

    /// Answers that were not the expected ones.
    pub fn refused(&self) -> u64 {
        self.other_statuses.values().sum()
    }

    pub fn errors(&self) -> u64 {
        self.refused() + self.transport_errors + self.unanswered
    }

    /// Errors that make the run a failed one. At a set rate a server may say that it is too much;
    /// at an overload it may close connections too.
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

    /// What is wrong with it, in words.
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

/// The latency at each of the quantiles that the count of answers can tell apart.
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

    /// `in_window` answers in a window of 2 s, each after 500 µs.
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
        // 2 ms of CPU a second over 500 requests a second.
        assert!((measurement.server_cpu_us_per_request - 4.0).abs() < 1e-9);
        assert!((measurement.generator_cpu_us_per_request - 2.0).abs() < 1e-9);
        assert!((measurement.other_cpu_cores - 0.5).abs() < 1e-9);
        assert_eq!(
            (measurement.latency_us.p50, measurement.service_us.p50),
            (500, 400)
        );
        assert_eq!(measurement.series.len(), 2);
        // A thousand answers tell a thousandth, and no less.
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
