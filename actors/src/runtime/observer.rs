//! The measurements that the core reports. They are reported on the hot path, so an observer must
//! be cheap.

use crate::commands::CommandKind;
use crate::entities::Kind;
use crate::words::Code;

/// The way in which a command was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// The command was executed.
    Completed,
    /// The command is durable and will be executed later.
    Accepted,
    /// The key was used before, and the first answer was given again.
    Replayed,
    /// A rule refused the command.
    Refused(Code),
}

impl Answered {
    /// Returns every way in which a command can be answered.
    pub fn all() -> impl Iterator<Item = Self> {
        let done = [Self::Completed, Self::Accepted, Self::Replayed];
        done.into_iter().chain(Code::ALL.map(Self::Refused))
    }

    /// Returns the name in metrics: `completed`, `accepted`, `replayed` or the code of the refusal.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Accepted => "accepted",
            Self::Replayed => "replayed",
            Self::Refused(code) => code.name(),
        }
    }
}

/// The reason why an actor was restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartReason {
    /// The entity's code panicked.
    Panic,
}

impl RestartReason {
    /// Every reason, in the order of declaration.
    pub const ALL: [Self; 1] = [Self::Panic];

    /// Returns the name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Panic => "panic",
        }
    }
}

/// The receiver of the core's measurements.
pub trait Observer: Send + Sync {
    /// Notes that a command was answered, `seconds` after it was received.
    fn decided(&self, kind: CommandKind, answered: Answered, seconds: f64);

    /// Notes that a commit made `records` records durable.
    fn committed(&self, records: usize, bytes: usize, seconds: f64);

    /// Notes that a batch or a transaction of `items` parts was decided in one turn of `seconds`.
    fn batched(&self, kind: CommandKind, items: usize, seconds: f64);

    /// Notes that a command was turned away before it was started.
    fn shed(&self, reason: &'static str);

    /// Notes that an actor was restarted after a fault.
    fn restarted(&self, kind: Kind, reason: RestartReason);

    /// Notes that a read failed because the journal is damaged.
    fn damaged(&self);
}

impl std::fmt::Debug for dyn Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Observer")
    }
}

/// Ignores all measurements.
impl Observer for () {
    fn decided(&self, _: CommandKind, _: Answered, _: f64) {}
    fn committed(&self, _: usize, _: usize, _: f64) {}
    fn batched(&self, _: CommandKind, _: usize, _: f64) {}
    fn shed(&self, _: &'static str) {}
    fn restarted(&self, _: Kind, _: RestartReason) {}
    fn damaged(&self) {}
}
