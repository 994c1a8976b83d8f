//! A load second by second: the number of answers in each second, and their latencies.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// The longest latency that is recorded, in microseconds. A longer one counts as this.
pub const LATENCY_US_MAX: u64 = 60_000_000;
/// Two significant digits: an error of at most 1 %, and 20 KB per second and thread.
const DIGITS: u8 = 2;

/// The counts of one second.
#[derive(Debug)]
struct Bucket {
    refused: u64,
    latency: Histogram<u64>,
}

impl Bucket {
    #[allow(
        clippy::expect_used,
        reason = "the bounds are constants that a test pins"
    )]
    fn new() -> Self {
        Self {
            refused: 0,
            latency: Histogram::new_with_bounds(1, LATENCY_US_MAX, DIGITS)
                .expect("1 to a minute with two digits are valid bounds"),
        }
    }
}

/// The seconds of the measured window. An answer belongs to the second in which it arrived.
#[derive(Debug, Default)]
pub struct Series {
    seconds: Vec<Bucket>,
}

/// One second of a load, as it is reported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Second {
    /// Answers with the expected status.
    pub answered: u64,
    /// Answers with another status.
    pub refused: u64,
    /// Latencies of the answers with the expected status; zero if there were none.
    pub p50_us: u64,
    pub p99_us: u64,
    pub max_us: u64,
}

impl Series {
    pub fn answered(&mut self, second: usize, latency_us: u64) {
        self.at(second).latency.saturating_record(latency_us);
    }

    pub fn refused(&mut self, second: usize) {
        self.at(second).refused += 1;
    }

    fn at(&mut self, second: usize) -> &mut Bucket {
        if self.seconds.len() <= second {
            self.seconds.resize_with(second + 1, Bucket::new);
        }
        &mut self.seconds[second]
    }

    /// Adds another thread's counts.
    pub fn add(&mut self, other: Self) {
        for (second, bucket) in other.seconds.into_iter().enumerate() {
            let own = self.at(second);
            own.refused += bucket.refused;
            // Both histograms have the same bounds, so this can't fail.
            let _ = own.latency.add(&bucket.latency);
        }
    }

    /// Returns the first `whole` seconds. A second without answers is all zeros.
    pub fn seconds(&self, whole: usize) -> Vec<Second> {
        let empty = Bucket::new();
        (0..whole)
            .map(|second| {
                let bucket = self.seconds.get(second).unwrap_or(&empty);
                Second {
                    answered: bucket.latency.len(),
                    refused: bucket.refused,
                    p50_us: bucket.latency.value_at_quantile(0.5),
                    p99_us: bucket.latency.value_at_quantile(0.99),
                    max_us: bucket.latency.max(),
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_its_own_counts_and_a_stalled_one_is_zero() {
        let mut series = Series::default();
        for latency in 1..=100 {
            series.answered(0, latency);
        }
        series.answered(2, 5_000);
        series.refused(2);
        let mut other = Series::default();
        other.answered(2, 7_000);
        series.add(other);
        let seconds = series.seconds(4);
        let counts: Vec<_> = seconds.iter().map(|s| (s.answered, s.refused)).collect();
        assert_eq!(counts, [(100, 0), (0, 0), (2, 1), (0, 0)]);
        assert!((49..=51).contains(&seconds[0].p50_us));
        assert_eq!((seconds[1].p99_us, seconds[1].max_us), (0, 0));
        assert!((6_900..=7_100).contains(&seconds[2].max_us));
    }
}
