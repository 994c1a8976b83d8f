//! The rounds of each scenario and number of connections drawn together.

use serde::Serialize;

use super::maths::{self, Spread};
use super::measurement::Measurement;

#[derive(Debug, Serialize)]
pub struct Row {
    pub scenario: &'static str,
    pub connections: usize,
    pub rounds: usize,
    pub requests_per_second: Spread,
    /// Of the ratios of the single rounds, not of the rates' medians.
    pub ratio_to_echo: Option<Spread>,
    /// Medians of the rounds' percentiles.
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub server_cpu_us_per_request: f64,
    pub generator_cpu_us_per_request: f64,
    pub left_over_cpu_us_per_request: f64,
    /// The most of any round.
    pub other_cpu_cores_max: f64,
    pub stolen_cores_max: f64,
    /// Of all rounds.
    pub errors: u64,
}

#[derive(Debug, Serialize)]
pub struct HotToUniform {
    pub connections: usize,
    pub ratio: Spread,
}

/// One row for each scenario and number of connections, in the order they were measured in.
pub fn rows(measurements: &[Measurement]) -> Vec<Row> {
    let mut kinds: Vec<(usize, &str)> = Vec::new();
    for measurement in measurements {
        let kind = (measurement.connections, measurement.scenario);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
        .into_iter()
        .filter_map(|kind| {
            let rounds: Vec<_> = measurements
                .iter()
                .filter(|measurement| (measurement.connections, measurement.scenario) == kind)
                .collect();
            row(&rounds)
        })
        .collect()
}

fn row(rounds: &[&Measurement]) -> Option<Row> {
    let first = rounds.first()?;
    let spread =
        |value: fn(&Measurement) -> f64| Spread::of(rounds.iter().map(|round| value(round)));
    Some(Row {
        scenario: first.scenario,
        connections: first.connections,
        rounds: rounds.len(),
        requests_per_second: spread(|round| round.requests_per_second)?,
        ratio_to_echo: Spread::of(rounds.iter().filter_map(|round| round.ratio_to_echo)),
        p50_ms: spread(|round| round.latency_us.p50 as f64 / 1e3)?.median,
        p99_ms: spread(|round| round.latency_us.p99 as f64 / 1e3)?.median,
        server_cpu_us_per_request: spread(|round| round.server_cpu_us_per_request)?.median,
        generator_cpu_us_per_request: spread(|round| round.generator_cpu_us_per_request)?.median,
        left_over_cpu_us_per_request: spread(|round| round.left_over_cpu_us_per_request)?.median,
        other_cpu_cores_max: spread(|round| round.other_cpu_cores)?.max,
        stolen_cores_max: spread(|round| round.stolen_cores)?.max,
        errors: rounds.iter().map(|round| round.errors()).sum(),
    })
}

/// The hot scenario against the uniform one, for each number of connections that has both.
pub fn hot_to_uniform(measurements: &[Measurement]) -> Vec<HotToUniform> {
    let of = |scenario| move |found: &&Measurement| found.scenario == scenario;
    let mut connections: Vec<_> = measurements
        .iter()
        .map(|measurement| measurement.connections)
        .collect();
    connections.sort_unstable();
    connections.dedup();
    connections
        .into_iter()
        .filter_map(|connections| {
            let hot = measurements
                .iter()
                .filter(of("transfer-hot"))
                .filter(|hot| hot.connections == connections);
            let ratios = hot.filter_map(|hot| {
                let uniform = measurements
                    .iter()
                    .filter(of("transfer-uniform"))
                    .find(|uniform| uniform.pairs_with(hot))?;
                maths::ratio(hot.requests_per_second, uniform.requests_per_second)
            });
            Some(HotToUniform {
                connections,
                ratio: Spread::of(ratios)?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::measurement::tests::measured;
    use super::*;

    #[test]
    fn rounds_are_drawn_together_by_scenario_and_connections() {
        let mut measurements = vec![
            measured("echo", 1, 64, 100),
            measured("echo", 1, 256, 500),
            measured("echo", 2, 64, 300),
            measured("echo", 3, 64, 200),
        ];
        measurements[0].transport_errors = 2;
        let rows = rows(&measurements);
        assert_eq!(rows.len(), 2);
        assert_eq!(
            (rows[0].connections, rows[0].rounds, rows[0].errors),
            (64, 3, 2)
        );
        assert_eq!(rows[0].requests_per_second.median, 100.0);
        assert_eq!(rows[0].requests_per_second.max, 150.0);
        assert_eq!(rows[1].rounds, 1);
    }

    #[test]
    fn hot_is_compared_with_the_uniform_of_its_own_round() {
        let measurements = [
            measured("transfer-uniform", 1, 64, 100),
            measured("transfer-hot", 1, 64, 120),
            measured("transfer-uniform", 2, 64, 200),
            measured("transfer-hot", 2, 64, 200),
            measured("transfer-uniform", 1, 256, 100),
        ];
        let ratios = hot_to_uniform(&measurements);
        assert_eq!(ratios.len(), 1);
        assert_eq!(ratios[0].connections, 64);
        assert!((ratios[0].ratio.median - 1.1).abs() < 1e-9);
    }
}
