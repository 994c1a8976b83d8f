//! The summary: the rounds of each subject, number of connections and rate combined into one row.

use serde::{Deserialize, Serialize};

use super::maths::{self, Spread};
use super::measurement::Measurement;
use super::subject::{Server, Subject};
use crate::postgres::PgBench;
use crate::scenario::Scenario;

#[derive(Debug, Serialize, Deserialize)]
pub struct Row {
    #[serde(flatten)]
    pub subject: Subject,
    pub connections: usize,
    /// The fixed rate; none in a closed loop.
    pub offered_per_second: Option<f64>,
    pub rounds: usize,
    pub requests_per_second: Spread,
    /// The spread of the single rounds' ratios, not the ratio of the medians.
    pub ratio_to_echo: Option<Spread>,
    /// The medians of the rounds' percentiles.
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    /// The p99 as a multiple of the echo's in the same round.
    pub p99_to_echo: Option<Spread>,
    pub server_cpu_us_per_request: f64,
    pub generator_cpu_us_per_request: f64,
    pub left_over_cpu_us_per_request: f64,
    /// Bytes per record: the growth of the data folder, and the bytes that were written.
    pub disk_held: Option<Spread>,
    pub disk_written: Option<Spread>,
    /// The maximum of all rounds.
    pub other_cpu_cores_max: f64,
    pub stolen_cores_max: f64,
    /// The sums over all rounds: answers with another status, all errors (including these answers),
    /// and requests that were due and not sent.
    pub refused: u64,
    pub errors: u64,
    pub unsent: u64,
}

/// A rate as a share of another one, from the same rounds.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    pub what: String,
    pub to: String,
    pub at: String,
    pub ratio: Spread,
}

/// Returns the measurement of a subject that satisfies `like` with which `measurement` may be
/// compared.
pub fn partner<'a>(
    measurements: &'a [Measurement],
    measurement: &Measurement,
    like: impl Fn(Subject) -> bool,
) -> Option<&'a Measurement> {
    measurements
        .iter()
        .find(|other| like(other.subject) && other.pairs_with(measurement))
}

/// Returns one row for each subject, number of connections and rate, in the order of measurement.
pub fn rows(measurements: &[Measurement]) -> Vec<Row> {
    let kind = |of: &Measurement| (of.connections, of.offered_per_second, of.subject);
    let mut kinds = Vec::new();
    for measurement in measurements {
        if !kinds.contains(&kind(measurement)) {
            kinds.push(kind(measurement));
        }
    }
    let rounds = kinds.into_iter().map(|wanted| {
        let of_kind = measurements.iter().filter(|one| kind(one) == wanted);
        of_kind.collect::<Vec<_>>()
    });
    rounds
        .filter_map(|rounds| row(measurements, &rounds))
        .collect()
}

fn row(all: &[Measurement], rounds: &[&Measurement]) -> Option<Row> {
    let first = rounds.first()?;
    let spread =
        |value: fn(&Measurement) -> f64| Spread::of(rounds.iter().map(|round| value(round)));
    let disk = rounds.iter().filter_map(|round| round.disk);
    let p99_to_echo = rounds.iter().filter_map(|round| {
        let echo = partner(all, round, |subject| subject.server == Server::Echo)?;
        maths::ratio(round.latency_us.p99 as f64, echo.latency_us.p99 as f64)
    });
    Some(Row {
        subject: first.subject,
        connections: first.connections,
        offered_per_second: first.offered_per_second,
        rounds: rounds.len(),
        requests_per_second: spread(|round| round.requests_per_second)?,
        ratio_to_echo: Spread::of(rounds.iter().filter_map(|round| round.ratio_to_echo)),
        p50_ms: spread(|round| round.latency_us.p50 as f64 / 1e3)?.median,
        p99_ms: spread(|round| round.latency_us.p99 as f64 / 1e3)?.median,
        p999_ms: spread(|round| round.latency_us.p999 as f64 / 1e3)?.median,
        p99_to_echo: Spread::of(p99_to_echo),
        server_cpu_us_per_request: spread(|round| round.server_cpu_us_per_request)?.median,
        generator_cpu_us_per_request: spread(|round| round.generator_cpu_us_per_request)?.median,
        left_over_cpu_us_per_request: spread(|round| round.left_over_cpu_us_per_request)?.median,
        disk_held: Spread::of(disk.clone().map(|disk| disk.held)),
        disk_written: Spread::of(disk.map(|disk| disk.written)),
        other_cpu_cores_max: spread(|round| round.other_cpu_cores)?.max,
        stolen_cores_max: spread(|round| round.stolen_cores)?.max,
        refused: rounds.iter().map(|round| round.refused()).sum(),
        errors: rounds.iter().map(|round| round.errors()).sum(),
        unsent: rounds.iter().map(|round| round.unsent).sum(),
    })
}

/// Compares the node's scenarios with its uniform one, and the node with PostgreSQL.
pub fn comparisons(measurements: &[Measurement], pgbench: &[PgBench]) -> Vec<Comparison> {
    let uniform = Subject {
        server: Server::Florin,
        scenario: Scenario::TransferUniform,
    };
    let mut found = Vec::new();
    for row in rows(measurements) {
        if row.offered_per_second.is_some() {
            continue;
        }
        let to = match row.subject.server {
            Server::Florin => Subject {
                server: Server::Postgres,
                ..row.subject
            },
            Server::Echo | Server::Postgres => continue,
        };
        let is_other = row.subject != uniform;
        for to in is_other.then_some(uniform).into_iter().chain([to]) {
            found.extend(compare(measurements, &row, to));
        }
    }
    let mut clients: Vec<_> = pgbench.iter().map(|one| one.clients).collect();
    clients.sort_unstable();
    clients.dedup();
    found.extend(
        clients
            .into_iter()
            .filter_map(|clients| to_pgbench(measurements, pgbench, uniform, clients)),
    );
    found
}

/// Compares the rounds of `row` with those of the subject `to`.
fn compare(measurements: &[Measurement], row: &Row, to: Subject) -> Option<Comparison> {
    let rounds = measurements.iter().filter(|one| {
        one.subject == row.subject
            && one.connections == row.connections
            && one.offered_per_second.is_none()
    });
    let ratios = rounds.filter_map(|one| {
        let other = partner(measurements, one, |subject| subject == to)?;
        maths::ratio(one.requests_per_second, other.requests_per_second)
    });
    Some(Comparison {
        what: row.subject.name(),
        to: to.name(),
        at: format!("{} connections", row.connections),
        ratio: Spread::of(ratios)?,
    })
}

/// Compares the node's best rate of each round with pgbench's.
fn to_pgbench(
    measurements: &[Measurement],
    pgbench: &[PgBench],
    subject: Subject,
    clients: u16,
) -> Option<Comparison> {
    let ratios = pgbench
        .iter()
        .filter(|one| one.clients == clients)
        .filter_map(|one| {
            let best = measurements
                .iter()
                .filter(|other| other.subject == subject && other.round == one.round)
                .filter(|other| other.offered_per_second.is_none())
                .map(|other| other.requests_per_second)
                .max_by(f64::total_cmp)?;
            maths::ratio(best, one.transfers_per_second)
        });
    Some(Comparison {
        what: format!("{} (its best)", subject.name()),
        to: "pgbench".to_owned(),
        at: format!("{clients} clients"),
        ratio: Spread::of(ratios)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::measurement::tests::{echo, florin, measured};
    use super::*;

    #[test]
    fn rounds_are_drawn_together_by_subject_and_connections() {
        let mut measurements = vec![
            measured(echo(), 1, 64, 100),
            measured(echo(), 1, 256, 500),
            measured(echo(), 2, 64, 300),
            measured(echo(), 3, 64, 200),
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
    fn a_set_rate_is_a_row_of_its_own_beside_the_echo_at_that_rate() {
        let paced = |subject, answers: u64, p99| {
            let mut measurement = measured(subject, 1, 64, answers);
            measurement.offered_per_second = Some(50.0);
            measurement.latency_us.p99 = p99;
            measurement
        };
        let node = florin(Scenario::Mixed);
        let measurements = [
            measured(echo(), 1, 64, 900),
            paced(echo(), 100, 200),
            paced(node, 100, 500),
        ];
        let rows = rows(&measurements);
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[2].p99_to_echo.unwrap().median, 2.5);
    }

    #[test]
    fn hot_is_compared_with_the_uniform_of_its_own_round() {
        let (uniform, hot) = (
            florin(Scenario::TransferUniform),
            florin(Scenario::TransferHot),
        );
        let measurements = [
            measured(uniform, 1, 64, 100),
            measured(hot, 1, 64, 120),
            measured(uniform, 2, 64, 200),
            measured(hot, 2, 64, 200),
            measured(uniform, 1, 256, 100),
        ];
        let found = comparisons(&measurements, &[]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].at, "64 connections");
        assert!((found[0].ratio.median - 1.1).abs() < 1e-9);
    }

    #[test]
    fn the_node_is_compared_with_the_service_and_with_pgbench_of_its_round() {
        let uniform = florin(Scenario::TransferUniform);
        let service = Subject {
            server: Server::Postgres,
            ..uniform
        };
        let measurements = [
            measured(uniform, 1, 64, 200),
            measured(uniform, 1, 256, 400),
            measured(service, 1, 64, 100),
        ];
        let bench = PgBench {
            round: 1,
            clients: 16,
            transfers: 100,
            transfers_per_second: 50.0,
            latency_average_ms: 1.0,
            failed: 0,
        };
        let found = comparisons(&measurements, &[bench]);
        let ratios: Vec<_> = found
            .iter()
            .map(|one| (one.to.as_str(), one.at.as_str(), one.ratio.median))
            .collect();
        assert_eq!(
            ratios,
            [
                ("pg transfer-uniform", "64 connections", 2.0),
                ("pgbench", "16 clients", 4.0)
            ]
        );
    }
}
