//! How the process ends, for scripts and supervisors.

use std::process::{ExitCode, Termination};

/// The exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All is well: a stop that was asked for, or a task that is done.
    Done = 0,
    /// Something that has no code of its own, as a port that is taken.
    Failed = 1,
    /// The command line or a setting is wrong; one line on standard error says which.
    Misconfigured = 2,
    /// The journal failed: nothing can become durable any more. What was under way is unknown to
    /// its callers until the next start.
    JournalFailed = 3,
    /// Another process uses the data directory.
    DataInUse = 4,
    /// The data is not what it was: recovery or `florin verify` found a difference.
    DataDamaged = 5,
    /// Events can't be published, and an operator has to decide: another instance has this one's
    /// identity, this journal is an older copy, or a topic is not as the settings want it.
    EventsHalted = 6,
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}
