//! The reasons why a turn ends without a decision.

use crate::runtime::replies::reply::Unavailable;
use crate::runtime::residency::host::Need;

/// The reason why there is no verdict.
pub enum Obstacle {
    /// The turn needs something first.
    Need(Need),
    /// The command can't be done now.
    Unavailable(Unavailable),
    /// An item's key belongs to a command that this record accepted and that is not yet executed.
    Execution(u64),
}
