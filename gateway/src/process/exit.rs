//! The exit codes of the process, for scripts and supervisors.

use std::process::{ExitCode, Termination};

/// The exit code of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Success: the process was asked to stop, or its task is done.
    Done = 0,
    /// A failure without a code of its own, such as a port that is in use.
    Failed = 1,
    /// The command line or a setting is wrong; one line on standard error says which.
    Misconfigured = 2,
    /// The journal failed, so nothing can become durable any more. Callers learn the outcome of
    /// commands that were in flight only after the next start.
    JournalFailed = 3,
    /// Another process uses the data directory.
    DataInUse = 4,
    /// The data differs from what was written: recovery or `florin verify` found a difference.
    DataDamaged = 5,
    /// Events can't be published until an operator decides: another instance has the identity of
    /// this one, this journal is an older copy, or a topic does not match the settings.
    EventsHalted = 6,
    /// The journal is intact, but its views are damaged. The next start rebuilds them.
    ViewsDamaged = 7,
    /// A thread that the server needs ended because of a fault in the program. Accepted commands
    /// were finished as far as possible. A new start continues.
    ThreadEnded = 8,
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}
