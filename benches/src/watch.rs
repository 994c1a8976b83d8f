//! Watches a server under load: its memory, how far its views are behind, and the latency of its
//! liveness check.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::{http, memory};

const VIEW_LAG: &str = "florin_view_lag_records";

/// The values at one moment of the measured window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Seconds since the start of the window.
    pub at: f64,
    pub rss_bytes: u64,
    /// The records that the views are behind the journal; none if the server didn't report it.
    pub view_lag_records: Option<u64>,
}

/// The observations during a load.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Watched {
    /// The samples, about one per second.
    pub samples: Vec<Sample>,
    /// The latency of `GET /health/live` in milliseconds, each on a new connection.
    pub live_ms: Vec<f64>,
    /// The number of liveness checks without a 200.
    pub live_failed: u64,
}

/// Watches one server.
pub struct Watch {
    address: SocketAddr,
    pid: u32,
    next_sample: Duration,
    watched: Watched,
}

impl Watch {
    pub fn new(address: SocketAddr, pid: u32) -> Self {
        Self {
            address,
            pid,
            next_sample: Duration::ZERO,
            watched: Watched::default(),
        }
    }

    /// Makes one observation at time `into` of the window: the liveness check each time, the rest
    /// once per second.
    pub fn look(&mut self, into: Duration) {
        let asked = Instant::now();
        match http::get(self.address, "/health/live") {
            Ok(answer) if answer.status == 200 => {
                let took = asked.elapsed().as_secs_f64() * 1e3;
                self.watched.live_ms.push(took);
            }
            _ => self.watched.live_failed += 1,
        }
        if into < self.next_sample {
            return;
        }
        self.next_sample += Duration::from_secs(1);
        self.watched.samples.push(Sample {
            at: into.as_secs_f64(),
            rss_bytes: memory::resident(self.pid).unwrap_or_default(),
            view_lag_records: self.view_lag(),
        });
    }

    fn view_lag(&self) -> Option<u64> {
        let answer = http::get(self.address, "/metrics").ok()?;
        parse_lag(&answer.text())
    }

    pub fn finish(self) -> Watched {
        self.watched
    }
}

/// Returns the largest lag of any view.
fn parse_lag(metrics: &str) -> Option<u64> {
    metrics
        .lines()
        .filter_map(|line| {
            let rest = line.strip_prefix(VIEW_LAG)?;
            let value: f64 = rest.rsplit(' ').next()?.parse().ok()?;
            // The value is a count of records, so the cast is exact.
            Some(value.max(0.0) as u64)
        })
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Fake;

    #[test]
    fn the_lag_is_that_of_the_slowest_view() {
        let metrics = "# HELP florin_view_lag_records Records.\n# TYPE florin_view_lag_records gauge\nflorin_view_lag_records{view=\"a\"} 7\nflorin_view_lag_records{view=\"b\"} 31\nflorin_view_lag_seconds 99\n";
        assert_eq!(parse_lag(metrics), Some(31));
        assert_eq!(parse_lag("florin_view_lag_records 12.0\n"), Some(12));
        assert_eq!(parse_lag("x 1\n"), None);
    }

    #[test]
    fn it_asks_each_time_and_samples_once_a_second() {
        let fake = Fake::start();
        let mut watch = Watch::new(fake.address(), std::process::id());
        for tenth in 0..25 {
            watch.look(Duration::from_millis(tenth * 100));
        }
        let watched = watch.finish();
        assert_eq!((watched.live_ms.len(), watched.live_failed), (25, 0));
        let at: Vec<_> = watched.samples.iter().map(|sample| sample.at).collect();
        assert_eq!(at, [0.0, 1.0, 2.0]);
        assert!(watched.samples.iter().all(|sample| sample.rss_bytes > 0));
    }
}
