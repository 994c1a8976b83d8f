//! What one thread counted, and the sum over threads.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::reply::Reply;
use super::series::Series;

/// Latencies are recorded up to here; a longer one counts as this.
pub const LATENCY_US_MAX: u64 = 60_000_000;
/// Three digits: an error of at most 0.1 %.
const LATENCY_DIGITS: u8 = 3;
/// How much of a wrong reply's body is kept, to show what went wrong.
const SAMPLE_BYTES_MAX: usize = 400;

/// How long one reply took.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// From when the request was due (in a closed loop: sent) to its reply.
    pub latency: Duration,
    /// From its write to its reply.
    pub service: Duration,
    /// Whether these count: it was due (in a closed loop: answered) in the measured window.
    pub measured: bool,
    /// The second of the measured window in which the reply came, if it came within it.
    pub second: Option<usize>,
}

/// Counts of one load. The measured window lies inside it, after the warm-up.
#[derive(Debug)]
pub struct Tally {
    /// Answers with the expected status, warm-up and the end's stragglers included.
    pub answered: u64,
    /// Those of them that came within the measured window.
    pub answered_in_window: u64,
    /// The records in the journal that the answers stand for.
    pub recorded: u64,
    /// Requests that may have made records or not: their outcome is not known here.
    pub maybe_recorded: u64,
    /// Microseconds from when a request was due to its reply.
    pub latency: Histogram<u64>,
    /// Microseconds from its write.
    pub service: Histogram<u64>,
    /// The same of answers with another status.
    pub refusal: Histogram<u64>,
    /// Answers with another status, by status.
    pub other_statuses: BTreeMap<u16, u64>,
    /// Those of them that said when to come again.
    pub with_retry_after: u64,
    /// Connections that were refused, broke or sent what is no reply.
    pub transport_errors: u64,
    /// Requests still unanswered when the generator gave up.
    pub unanswered: u64,
    /// Requests that were due at a set rate while all connections were busy, and never sent.
    pub unsent: u64,
    /// The first answer with another status, in words.
    pub first_refusal: Option<String>,
    /// The first other thing that went wrong.
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

    /// An answer with the expected status, which stands for so many records.
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

    /// An answer with another status.
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

    /// A connection broke; `in_flight` when it had a request.
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

    /// What went wrong first, in words.
    pub fn first_wrong(&self) -> &str {
        let first = self.first_error.as_ref().or(self.first_refusal.as_ref());
        first.map_or("none", String::as_str)
    }

    /// Answers with a status that was not the expected one.
    pub fn refused(&self) -> u64 {
        self.other_statuses.values().sum()
    }

    /// Everything that was sent and not answered with the expected status.
    pub fn errors(&self) -> u64 {
        self.refused() + self.transport_errors + self.unanswered
    }

    /// Adds another thread's counts.
    pub fn add(&mut self, other: Self) {
        self.answered += other.answered;
        self.answered_in_window += other.answered_in_window;
        self.recorded += other.recorded;
        self.maybe_recorded += other.maybe_recorded;
        // They have the same bounds, so this can't fail.
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

/// Whether a refusal leaves open if there is a record. Malformed, unknown and overloaded requests
/// leave none; a rule that refuses is recorded with its key.
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
