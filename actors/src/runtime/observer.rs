//! What the core tells those who measure it. Called on the hot path: must be cheap.

use crate::messages::CommandKind;

/// Takes the core's measurements.
pub trait Observer: Send + Sync {
    /// A command was answered: `completed`, `replayed`, `timed_out` or a refusal's code.
    fn decided(&self, kind: CommandKind, outcome: &'static str, seconds: f64);

    /// A commit made so many records durable.
    fn committed(&self, records: usize, bytes: usize, seconds: f64);

    /// A batch or a transaction of so many parts was decided in one turn, which took so long.
    fn batched(&self, kind: CommandKind, items: usize, seconds: f64);

    /// A command was turned away before it was begun.
    fn shed(&self, reason: &'static str);

    /// An actor was started anew after a fault.
    fn restarted(&self, kind: &'static str, reason: &'static str);
}

/// Measures nothing.
impl Observer for () {
    fn decided(&self, _: CommandKind, _: &'static str, _: f64) {}
    fn committed(&self, _: usize, _: usize, _: f64) {}
    fn batched(&self, _: CommandKind, _: usize, _: f64) {}
    fn shed(&self, _: &'static str) {}
    fn restarted(&self, _: &'static str, _: &'static str) {}
}
