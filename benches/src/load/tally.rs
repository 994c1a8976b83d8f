//! The counts of one thread, and their sum over all threads.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::reply::Reply;
use super::series::{LATENCY_US_MAX, Series};

/// Three significant digits: an error of at most 0.1 %.
const LATENCY_DIGITS: u8 = 3;
/// How many bytes of an unexpected reply's body are kept, to show what went wrong.
const SAMPLE_BYTES_MAX: usize = 400;

/// The times of one reply.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// The time from when the request was due (in a closed loop: sent) to its reply.
    pub latency: Duration,
    /// The time from the request's write to its reply.
    pub service: Duration,
    /// Whether these times count: the request was due (in a closed loop: answered) in the measured
    /// window.
    pub measured: bool,
    /// The second of the measured window in which the reply arrived, or `None` if it arrived
    /// outside the window.
    pub second: Option<usize>,
}

/// The counts of one load. The measured window lies inside the load, after the warm-up.
#[derive(Debug)]
pub struct Tally {
    /// Answers with the expected status, including those during warm-up and after the window.
    pub answered: u64,
    /// The number of these answers that arrived in the measured window.
    pub answered_in_window: u64,
    /// The records in the journal that these answers stand for.
    pub recorded: u64,
    /// Requests whose outcome is unknown: each may have created a record.
    pub maybe_recorded: u64,
    /// Microseconds from when a request was due to its reply.
    pub latency: Histogram<u64>,
    /// Microseconds from a request's write to its reply.
    pub service: Histogram<u64>,
    /// Microseconds from a request's write to a reply with another status.
    pub refusal: Histogram<u64>,
    /// Answers with another status, by status.
    pub other_statuses: BTreeMap<u16, u64>,
    /// Answers with another status that had a `Retry-After`.
    pub with_retry_after: u64,
    /// Connections that were refused, broke, or sent something that is not a reply.
    pub transport_errors: u64,
    /// Requests that were still unanswered when the generator gave up.
    pub unanswered: u64,
    /// Requests that were due at a fixed rate while all connections were busy, and were never sent.
    pub unsent: u64,
    /// The first answer with another status, as text.
    pub first_refusal: Option<String>,
    /// The first other error.
    pub first_error: Option<String>,
    pub series: Series,
}

impl Tally {
    pub fn new() -> Self {
        Self {
            answered: 0,
            answered_in_window: 0,
            recorded: 0,
            maybe_recorded: 0,
            latency: histogram(),
            service: histogram(),
            refusal: histogram(),
            other_statuses: BTreeMap::new(),
            with_retry_after: 0,
            transport_errors: 0,
            unanswered: 0,
            unsent: 0,
            first_refusal: None,
            first_error: None,
            series: Series::default(),
        }
    }

    /// Counts an answer with the expected status, which stands for `records` records.
    pub fn answer(&mut self, timing: &Timing, records: u64) {
        self.answered += 1;
        self.recorded += records;
        if timing.measured {
            self.latency.saturating_record(micros(timing.latency));
            self.service.saturating_record(micros(timing.service));
        }
        if let Some(second) = timing.second {
            self.answered_in_window += 1;
            self.series.answered(second, micros(timing.latency));
        }
    }

    /// Counts an answer with another status.
    pub fn other_status(&mut self, timing: &Timing, reply: &Reply<'_>) {
        *self.other_statuses.entry(reply.status).or_default() += 1;
        self.with_retry_after += u64::from(reply.retry_after);
        self.maybe_recorded += u64::from(outcome_unknown(reply));
        if timing.measured {
            self.refusal.saturating_record(micros(timing.service));
        }
        if let Some(second) = timing.second {
            self.series.refused(second);
        }
        self.first_refusal.get_or_insert_with(|| {
            let sample = &reply.body[..reply.body.len().min(SAMPLE_BYTES_MAX)];
            format!("{}: {}", reply.status, String::from_utf8_lossy(sample))
        });
    }

    /// Counts a broken connection. `in_flight` tells whether it had a request in flight.
    pub fn transport_error(&mut self, what: impl ToString, in_flight: bool) {
        self.transport_errors += 1;
        self.maybe_recorded += u64::from(in_flight);
        self.first_error.get_or_insert_with(|| what.to_string());
    }

    pub fn unanswered(&mut self, requests: u64) {
        if requests > 0 {
            self.unanswered += requests;
            self.maybe_recorded += requests;
            self.first_error
                .get_or_insert_with(|| format!("{requests} requests were never answered"));
        }
    }

    /// Returns the first error or refusal, as text.
    pub fn first_wrong(&self) -> &str {
        let first = self.first_error.as_ref().or(self.first_refusal.as_ref());
        first.map_or("none", String::as_str)
    }

    /// Returns the number of answers with an unexpected status.
    pub fn refused(&self) -> u64 {
        self.other_statuses.values().sum()
    }

    /// Returns the number of requests that were sent and did not get the expected status.
    pub fn errors(&self) -> u64 {
        self.refused() + self.transport_errors + self.unanswered
    }

    /// Adds another thread's counts.
    pub fn add(&mut self, other: Self) {
        self.answered += other.answered;
        self.answered_in_window += other.answered_in_window;
        self.recorded += other.recorded;
        self.maybe_recorded += other.maybe_recorded;
        // The histograms have the same bounds, so this can't fail.
        let _ = self.latency.add(&other.latency);
        let _ = self.service.add(&other.service);
        let _ = self.refusal.add(&other.refusal);
        for (status, count) in other.other_statuses {
            *self.other_statuses.entry(status).or_default() += count;
        }
        self.with_retry_after += other.with_retry_after;
        self.transport_errors += other.transport_errors;
        self.unanswered += other.unanswered;
        self.unsent += other.unsent;
        self.first_refusal = self.first_refusal.take().or(other.first_refusal);
        self.first_error = self.first_error.take().or(other.first_error);
        self.series.add(other.series);
    }
}

#[allow(
    clippy::expect_used,
    reason = "the bounds are constants that a test pins"
)]
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_US_MAX, LATENCY_DIGITS)
        .expect("1 to a minute with three digits are valid bounds")
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Returns whether it is unknown if a refused request created a record. Malformed, unknown and
/// overloaded requests create none. A refusal by a business rule is recorded with its key.
fn outcome_unknown(reply: &Reply<'_>) -> bool {
    match reply.status {
        400..=408 | 413 | 415 | 429 => false,
        503 => memchr::memmem::find(reply.body, b"outcome_unknown").is_some(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(latency_us: u64, second: Option<usize>) -> Timing {
        Timing {
            latency: Duration::from_micros(latency_us),
            service: Duration::from_micros(latency_us / 2),
            measured: second.is_some(),
            second,
        }
    }

    fn refusal(status: u16, body: &[u8]) -> Reply<'_> {
        Reply {
            status,
            body,
            closes: false,
            retry_after: status == 503,
        }
    }

    #[test]
    fn threads_add_up_and_only_the_window_is_measured() {
        let mut sum = Tally::new();
        sum.answer(&timing(100, None), 1);
        let mut other = Tally::new();
        other.answer(&timing(300, Some(0)), 2);
        other.answer(&timing(3_600_000_000, Some(1)), 0);
        other.other_status(&timing(40, Some(1)), &refusal(503, b"overloaded"));
        other.transport_error("reset", true);
        sum.add(other);
        assert_eq!((sum.answered, sum.answered_in_window), (3, 2));
        assert_eq!((sum.recorded, sum.maybe_recorded), (3, 1));
        assert_eq!(sum.latency.len(), 2);
        assert_eq!(sum.service.min(), 150);
        assert!(sum.latency.max() >= LATENCY_US_MAX);
        assert_eq!((sum.refusal.max(), sum.with_retry_after), (20, 1));
        assert_eq!(sum.errors(), 2);
        assert_eq!(sum.first_refusal.as_deref(), Some("503: overloaded"));
        assert_eq!(sum.first_wrong(), "reset");
        let seconds = sum.series.seconds(2);
        assert_eq!((seconds[1].answered, seconds[1].refused), (1, 1));
    }

    #[test]
    fn only_a_refusal_that_may_have_a_record_leaves_it_open() {
        let unknown = |status, body: &'static [u8]| outcome_unknown(&refusal(status, body));
        assert!(unknown(503, br#"{"code":"outcome_unknown"}"#));
        assert!(!unknown(503, br#"{"code":"overloaded"}"#));
        assert!(unknown(504, b""));
        assert!(unknown(422, br#"{"code":"insufficient_funds"}"#));
        assert!(!unknown(404, b""));
    }
}
