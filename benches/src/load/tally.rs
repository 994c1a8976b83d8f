//! What one thread counted, and the sum over threads.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

/// Latencies are recorded up to here; a longer one counts as this.
const LATENCY_US_MAX: u64 = 60_000_000;
/// Three digits: an error of at most 0.1 %.
const LATENCY_DIGITS: u8 = 3;
/// How much of a wrong reply's body is kept, to show what went wrong.
const SAMPLE_BYTES_MAX: usize = 400;

/// Counts of one load. The measured window lies inside it, after the warm-up.
#[derive(Debug)]
pub struct Tally {
    /// Answers with the expected status, warm-up and the end's stragglers included.
    pub answered: u64,
    /// Those of them that came within the measured window.
    pub answered_in_window: u64,
    /// Microseconds from the request's write to its reply, of those in the window.
    pub latency: Histogram<u64>,
    /// Answers with another status, by status.
    pub other_statuses: BTreeMap<u16, u64>,
    /// Connections that were refused, broke or sent what is no reply.
    pub transport_errors: u64,
    /// Requests still unanswered when the generator gave up.
    pub unanswered: u64,
    /// The first thing that went wrong, in words.
    pub first_error: Option<String>,
}

impl Tally {
    #[allow(
        clippy::expect_used,
        reason = "the bounds are constants that a test pins"
    )]
    pub fn new() -> Self {
        Self {
            answered: 0,
            answered_in_window: 0,
            latency: Histogram::new_with_bounds(1, LATENCY_US_MAX, LATENCY_DIGITS)
                .expect("1 to a minute with three digits are valid bounds"),
            other_statuses: BTreeMap::new(),
            transport_errors: 0,
            unanswered: 0,
            first_error: None,
        }
    }

    pub fn answer(&mut self, latency: Duration, in_window: bool) {
        self.answered += 1;
        if in_window {
            self.answered_in_window += 1;
            let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
            self.latency.saturating_record(micros);
        }
    }

    pub fn other_status(&mut self, status: u16, body: &[u8]) {
        *self.other_statuses.entry(status).or_default() += 1;
        let sample = &body[..body.len().min(SAMPLE_BYTES_MAX)];
        self.note(|| format!("{status}: {}", String::from_utf8_lossy(sample)));
    }

    pub fn transport_error(&mut self, what: impl ToString) {
        self.transport_errors += 1;
        self.note(|| what.to_string());
    }

    pub fn unanswered(&mut self, requests: u64) {
        if requests > 0 {
            self.unanswered += requests;
            self.note(|| format!("{requests} requests were never answered"));
        }
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        if self.first_error.is_none() {
            self.first_error = Some(what());
        }
    }

    /// Everything that was not an answer with the expected status.
    pub fn errors(&self) -> u64 {
        self.other_statuses.values().sum::<u64>() + self.transport_errors + self.unanswered
    }

    /// Adds another thread's counts.
    pub fn add(&mut self, other: Self) {
        self.answered += other.answered;
        self.answered_in_window += other.answered_in_window;
        // Both have the same bounds, so this can't fail.
        let _ = self.latency.add(&other.latency);
        for (status, count) in other.other_statuses {
            *self.other_statuses.entry(status).or_default() += count;
        }
        self.transport_errors += other.transport_errors;
        self.unanswered += other.unanswered;
        self.first_error = self.first_error.take().or(other.first_error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_add_up_and_only_the_window_is_measured() {
        let mut sum = Tally::new();
        sum.answer(Duration::from_micros(100), false);
        let mut other = Tally::new();
        other.answer(Duration::from_micros(300), true);
        other.answer(Duration::from_secs(3600), true);
        other.other_status(503, b"overloaded");
        other.transport_error("reset");
        sum.add(other);
        assert_eq!((sum.answered, sum.answered_in_window), (3, 2));
        assert_eq!(sum.latency.len(), 2);
        assert!(sum.latency.max() >= LATENCY_US_MAX);
        assert_eq!(sum.errors(), 2);
        assert_eq!(sum.first_error.as_deref(), Some("503: overloaded"));
    }
}
