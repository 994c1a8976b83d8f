//! Detects drift during a long load, by comparing its first third with its last.

use serde::{Deserialize, Serialize};

use super::maths::{self, Spread};
use super::measurement::Measurement;
use crate::load::Second;

/// A third of a load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Third {
    pub requests_per_second: f64,
    /// The medians over the third's seconds.
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// The latency of the slowest answer.
    pub max_ms: f64,
    /// The median over the third's samples; zero if there are none.
    pub rss_mib: f64,
    /// The maximum of the third's samples.
    pub view_lag_records: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    pub first: Third,
    pub last: Third,
    /// The rate of the last third as a share of the first one's.
    pub throughput: f64,
}

impl Drift {
    /// Returns the drift of a load, or `None` if it is shorter than three seconds.
    pub fn of(measurement: &Measurement) -> Option<Self> {
        let length = measurement.series.len() / 3;
        let end = measurement.series.len();
        let first = third(measurement, 0, length)?;
        let last = third(measurement, end - length, end)?;
        Some(Self {
            throughput: maths::ratio(last.requests_per_second, first.requests_per_second)?,
            first,
            last,
        })
    }
}

/// Returns the figures of the seconds from `from` to before `to`.
fn third(measurement: &Measurement, from: usize, to: usize) -> Option<Third> {
    let seconds = &measurement.series[from..to];
    let ms = |value: fn(&Second) -> u64| {
        let values = seconds.iter().map(|second| value(second) as f64 / 1e3);
        Spread::of(values)
    };
    let samples = measurement
        .watched
        .iter()
        .flat_map(|watched| &watched.samples);
    let inside: Vec<_> = samples
        .filter(|sample| (from as f64..to as f64).contains(&sample.at))
        .collect();
    let rss = inside
        .iter()
        .map(|sample| sample.rss_bytes as f64 / f64::from(1 << 20));
    let answered: u64 = seconds.iter().map(|second| second.answered).sum();
    Some(Third {
        requests_per_second: maths::ratio(answered as f64, seconds.len() as f64)?,
        p50_ms: ms(|second| second.p50_us)?.median,
        p99_ms: ms(|second| second.p99_us)?.median,
        max_ms: ms(|second| second.max_us)?.max,
        rss_mib: Spread::of(rss).map_or(0.0, |rss| rss.median),
        view_lag_records: inside
            .iter()
            .filter_map(|sample| sample.view_lag_records)
            .max()
            .unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::measurement::tests::{florin, measured};
    use super::super::tests::watched;
    use super::*;
    use crate::scenario::Scenario;

    #[test]
    fn the_last_third_is_held_against_the_first() {
        let mut measurement = measured(florin(Scenario::TransferUniform), 1, 64, 10);
        let second = |answered, p99_us| Second {
            answered,
            refused: 0,
            p50_us: 1_000,
            p99_us,
            max_us: p99_us * 2,
        };
        measurement.series = vec![
            second(100, 2_000),
            second(100, 4_000),
            second(7, 1),
            second(7, 1),
            second(90, 8_000),
            second(60, 9_000),
        ];
        measurement.watched = Some(watched());
        let drift = Drift::of(&measurement).unwrap();
        assert_eq!(drift.throughput, 0.75);
        assert_eq!((drift.first.p99_ms, drift.last.p99_ms), (3.0, 8.5));
        assert_eq!(drift.last.max_ms, 18.0);
        assert_eq!((drift.first.rss_mib, drift.last.rss_mib), (256.5, 260.5));
        assert_eq!(drift.last.view_lag_records, 5);
        measurement.series.truncate(2);
        assert_eq!(Drift::of(&measurement), None);
    }
}
