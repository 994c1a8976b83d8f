//! One scenario, one number of connections, one round.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::maths;
use crate::load::{Driven, Plan};
use crate::node::LeftOver;

#[derive(Debug, Serialize)]
pub struct Measurement {
    pub round: u32,
    pub scenario: &'static str,
    pub connections: usize,
    /// The measured window, without warm-up.
    pub seconds: f64,
    /// Answers in the window.
    pub answered: u64,
    pub requests_per_second: f64,
    /// To the echo of the same round and connections.
    pub ratio_to_echo: Option<f64>,
    pub latency_us: Latency,
    pub server_cpu_us_per_request: f64,
    /// The generator's own, all its threads.
    pub generator_cpu_us_per_request: f64,
    /// Cores kept busy by other processes, and taken by the machine's host, while measuring.
    pub other_cpu_cores: f64,
    pub stolen_cores: f64,
    /// Work that the load left to be done after it: how long, and its CPU spread over the requests.
    pub left_over_ms: f64,
    pub left_over_cpu_us_per_request: f64,
    /// The number of the journal's last record before the load.
    pub journal_before: Option<u64>,
    pub recorded: Option<Recorded>,
    pub other_statuses: BTreeMap<u16, u64>,
    pub transport_errors: u64,
    pub unanswered: u64,
    pub first_error: Option<String>,
    /// All answers, warm-up included.
    pub answered_in_all: u64,
}

/// Microseconds from a request's write to its reply.
#[derive(Debug, Serialize)]
pub struct Latency {
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
}

/// The journal's side of a load. Every answered transfer is one record, no more and no less.
#[derive(Debug, Serialize)]
pub struct Recorded {
    /// Answers of the whole load, warm-up included.
    pub answered: u64,
    pub records: u64,
    /// A currency whose debits and credits differ.
    pub unbalanced_currency: Option<String>,
}

impl Measurement {
    pub fn of<S>(scenario: &'static str, round: u32, plan: &Plan, driven: &Driven<S>) -> Self {
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
        let latency = |quantile| tally.latency.value_at_quantile(quantile);
        Self {
            round,
            scenario,
            connections: plan.connections,
            seconds,
            answered,
            requests_per_second: rate,
            ratio_to_echo: None,
            latency_us: Latency {
                p50: latency(0.5),
                p90: latency(0.9),
                p99: latency(0.99),
                p999: latency(0.999),
                max: tally.latency.max(),
            },
            server_cpu_us_per_request: cpu_us_per_request(driven.server_cpu),
            generator_cpu_us_per_request: cpu_us_per_request(driven.generator_cpu),
            other_cpu_cores: cores(driven.other_cpu),
            stolen_cores: cores(driven.stolen_cpu),
            left_over_ms: 0.0,
            left_over_cpu_us_per_request: 0.0,
            journal_before: None,
            recorded: None,
            other_statuses: tally.other_statuses.clone(),
            transport_errors: tally.transport_errors,
            unanswered: tally.unanswered,
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

    /// Whether both are of one round and one number of connections, and so may be compared.
    pub fn pairs_with(&self, other: &Self) -> bool {
        self.round == other.round && self.connections == other.connections
    }

    pub fn errors(&self) -> u64 {
        self.other_statuses.values().sum::<u64>() + self.transport_errors + self.unanswered
    }

    /// What is wrong with it, in words.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |what: String| {
            faults.push(format!(
                "{} at {} connections, round {}: {what}",
                self.scenario, self.connections, self.round
            ));
        };
        if self.errors() > 0 {
            let first = self.first_error.as_deref().unwrap_or("unknown");
            fault(format!("{} errors; the first: {first}", self.errors()));
        }
        if self.answered == 0 {
            fault("nothing was answered".to_owned());
        }
        if let Some(recorded) = &self.recorded {
            if recorded.records != recorded.answered {
                fault(format!(
                    "{} requests answered, but {} records in the journal",
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

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::load::Tally;

    pub fn measured(
        scenario: &'static str,
        round: u32,
        connections: usize,
        in_window: u64,
    ) -> Measurement {
        let mut tally = Tally::new();
        tally.answer(Duration::from_micros(1), false);
        for _ in 0..in_window {
            tally.answer(Duration::from_micros(500), true);
        }
        let plan = Plan {
            address: "127.0.0.1:1".parse().unwrap(),
            server: 1,
            connections,
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
        };
        Measurement::of(scenario, round, &plan, &driven)
    }

    #[test]
    fn rates_are_of_the_window_and_cpu_of_the_time_between_its_readings() {
        let mut measurement = measured("echo", 1, 64, 1_000);
        assert_eq!(measurement.requests_per_second, 500.0);
        // 2 ms of CPU a second over 500 requests a second.
        assert!((measurement.server_cpu_us_per_request - 4.0).abs() < 1e-9);
        assert!((measurement.generator_cpu_us_per_request - 2.0).abs() < 1e-9);
        assert!((measurement.other_cpu_cores - 0.5).abs() < 1e-9);
        assert_eq!(measurement.latency_us.p50, 500);
        measurement.left_over(LeftOver {
            time: Duration::from_millis(30),
            cpu: Duration::from_micros(1_001),
        });
        assert!((measurement.left_over_cpu_us_per_request - 1.0).abs() < 1e-9);
        assert_eq!(measurement.faults(), Vec::<String>::new());
    }

    #[test]
    fn a_record_too_few_is_a_fault() {
        let mut measurement = measured("transfer-hot", 2, 64, 10);
        let recorded = |records| {
            Some(Recorded {
                answered: 11,
                records,
                unbalanced_currency: None,
            })
        };
        measurement.recorded = recorded(11);
        assert!(measurement.faults().is_empty());
        measurement.recorded = recorded(10);
        assert_eq!(
            measurement.faults(),
            [
                "transfer-hot at 64 connections, round 2: 11 requests answered, but 10 records in the journal"
            ]
        );
    }

    #[test]
    fn a_load_without_an_answer_is_a_fault() {
        assert!(measured("echo", 1, 64, 0).faults()[0].contains("nothing was answered"));
    }
}
