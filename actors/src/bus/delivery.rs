//! The delivery policy: it decides what happens to a message that its consumer could not handle.
//! Both buses ask it for every decision, so that a failure has the same consequence on both. It
//! does no I/O and knows no bus.
//!
//! A consumer names the reason of a failure; [`Reason::rule`] is the table of what follows from it:
//!
//! - The message itself is at fault: it becomes a dead letter at once, because each further attempt
//!   would fail in the same way.
//! - A state of this process is at fault that passes without the message: the message is tried
//!   again without end. A dead letter would only move the work to an operator.
//! - The reason may pass, but nobody can say whether it does: the message is tried again up to the
//!   maximum number of attempts, and becomes a dead letter then, so that the messages behind it do
//!   not wait for ever. A panic of the consumer belongs here. It may be caused by the message, which
//!   then panics every time, or by data that another message changes, in which case a later attempt
//!   succeeds. A dead letter at once would give up the second case, and attempts without end would
//!   stop a partition for ever in the first.

use std::time::Duration;

/// The maximum backoff before a dead letter that could not be written is written again.
const DEAD_LETTER_BACKOFF_MAX: Duration = Duration::from_secs(15);

/// The reason why a consumer could not handle a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The message is not valid.
    Malformed,
    /// The message is an event of a version that is unknown here.
    UnknownVersion,
    /// The effect of the message would be larger than the limit.
    TooLarge,
    /// An entity that the message needs is out of service until an operator resumes it.
    Quarantined,
    /// The journal is damaged at a place that would have to be read.
    JournalDamaged,
    /// The consumer did not finish in time.
    TimedOut,
    /// The consumer panicked.
    Panicked,
    /// More work is in flight than the limits allow.
    Overloaded,
    /// The process is stopping.
    ShuttingDown,
    /// The free disk space is below the limit.
    DiskLow,
    /// A file can't be written.
    Disk,
    /// The views are too far behind the journal.
    ViewBehind,
    /// The journal failed, so that it is unknown whether the message took effect. An effect is
    /// recognized when the message is handled again.
    OutcomeUnknown,
}

/// The rule for the failures of one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// No further attempt can succeed.
    DeadLetterAtOnce,
    /// The number of attempts is limited.
    LimitedAttempts,
    /// The message is tried again until it is handled.
    EndlessAttempts,
}

impl Reason {
    /// All reasons.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 13] = [
        Self::Malformed,
        Self::UnknownVersion,
        Self::TooLarge,
        Self::Quarantined,
        Self::JournalDamaged,
        Self::TimedOut,
        Self::Panicked,
        Self::Overloaded,
        Self::ShuttingDown,
        Self::DiskLow,
        Self::Disk,
        Self::ViewBehind,
        Self::OutcomeUnknown,
    ];

    /// Returns the reason's stable name in metrics and dead letters, for example `overloaded`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnknownVersion => "unknown_version",
            Self::TooLarge => "body_too_large",
            Self::Quarantined => "actor_quarantined",
            Self::JournalDamaged => "journal_damaged",
            Self::TimedOut => "timed_out",
            Self::Panicked => "panicked",
            Self::Overloaded => "overloaded",
            Self::ShuttingDown => "shutting_down",
            Self::DiskLow => "disk_low",
            Self::Disk => "disk",
            Self::ViewBehind => "view_behind",
            Self::OutcomeUnknown => "outcome_unknown",
        }
    }

    const fn rule(self) -> Rule {
        match self {
            Self::Malformed | Self::UnknownVersion | Self::TooLarge => Rule::DeadLetterAtOnce,
            Self::Quarantined | Self::JournalDamaged | Self::TimedOut | Self::Panicked => {
                Rule::LimitedAttempts
            }
            Self::Overloaded
            | Self::ShuttingDown
            | Self::DiskLow
            | Self::Disk
            | Self::ViewBehind
            | Self::OutcomeUnknown => Rule::EndlessAttempts,
        }
    }
}

/// A failed attempt to handle a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The reason.
    pub reason: Reason,
    /// The reason as a sentence for people.
    pub detail: String,
}

impl Failure {
    /// Creates a failure.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { reason, detail }
    }

    /// Creates the failure of a consumer that panicked.
    pub fn panicked() -> Self {
        Self::new(Reason::Panicked, "the consumer panicked on this message")
    }
}

/// The settings of the delivery policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryPolicy {
    /// The maximum number of attempts at a message, including the first one. A message that failed
    /// so often becomes a dead letter, unless the reason is a passing state of this process.
    pub attempts_max: u32,
    /// The backoff before the second attempt. It doubles before each further one.
    pub backoff_min: Duration,
    /// The maximum backoff.
    pub backoff_max: Duration,
    /// The maximum number of redrives of a dead letter.
    pub redrives_max: u32,
}

/// The decision about a failed message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The message is tried again after this backoff, before any later message of its partition.
    Retry(Duration),
    /// The message becomes a dead letter with the reason and the detail of its last failure.
    DeadLetter,
}

impl DeliveryPolicy {
    /// Decides about a message whose last attempt failed. `attempts` is the number of attempts so
    /// far, including that one.
    pub fn decide(&self, failure: &Failure, attempts: u32) -> Decision {
        let is_final = match failure.reason.rule() {
            Rule::DeadLetterAtOnce => true,
            Rule::LimitedAttempts => attempts >= self.attempts_max,
            Rule::EndlessAttempts => false,
        };
        if is_final {
            Decision::DeadLetter
        } else {
            Decision::Retry(self.backoff(attempts))
        }
    }

    /// Returns the backoff after this number of successive failures.
    pub fn backoff(&self, failures: u32) -> Duration {
        self.doubled(failures).min(self.backoff_max)
    }

    /// Returns the backoff before a dead letter is written again, after it could not be written
    /// this number of times in succession. It is written again without end, because no message is
    /// passed before it is handled or its dead letter is stored.
    pub fn dead_letter_backoff(&self, failures: u32) -> Duration {
        self.doubled(failures).min(DEAD_LETTER_BACKOFF_MAX)
    }

    /// Returns whether a dead letter that was redriven this number of times may be redriven again.
    pub const fn allows_redrive(&self, redrives: u32) -> bool {
        redrives < self.redrives_max
    }

    fn doubled(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        self.backoff_min.saturating_mul(1 << doublings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: DeliveryPolicy = DeliveryPolicy {
        attempts_max: 3,
        backoff_min: Duration::from_millis(100),
        backoff_max: Duration::from_millis(350),
        redrives_max: 2,
    };

    fn decide(reason: Reason, attempts: u32) -> Decision {
        POLICY.decide(&Failure::new(reason, "why"), attempts)
    }

    fn retry(millis: u64) -> Decision {
        Decision::Retry(Duration::from_millis(millis))
    }

    #[test]
    fn the_number_of_attempts_includes_the_first_one() {
        assert_eq!(decide(Reason::Panicked, 2), retry(200));
        assert_eq!(decide(Reason::Panicked, 3), Decision::DeadLetter);
        let once = DeliveryPolicy {
            attempts_max: 1,
            ..POLICY
        };
        let decided = once.decide(&Failure::panicked(), 1);
        assert_eq!(decided, Decision::DeadLetter);
    }

    #[test]
    fn the_backoff_doubles_up_to_its_maximum() {
        let backoffs = [(1, 100), (2, 200), (3, 350), (4, 350), (u32::MAX, 350)];
        for (attempts, millis) in backoffs {
            assert_eq!(decide(Reason::Overloaded, attempts), retry(millis));
        }
        let of = |failures| POLICY.dead_letter_backoff(failures).as_millis();
        assert_eq!(
            [of(1), of(2), of(5), of(u32::MAX)],
            [100, 200, 1_600, 15_000]
        );
    }

    #[test]
    fn a_dead_letter_may_be_redriven_as_often_as_the_setting_says() {
        assert!(POLICY.allows_redrive(0) && POLICY.allows_redrive(1));
        assert!(!POLICY.allows_redrive(2));
    }

    #[test]
    fn each_reason_has_a_name_of_its_own() {
        let codes: std::collections::BTreeSet<_> = Reason::ALL.map(Reason::code).into();
        assert_eq!(codes.len(), Reason::ALL.len());
    }
}
