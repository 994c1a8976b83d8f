//! The answer to a caller whose read failed.

pub use crate::base::ReadFault;
use crate::runtime::replies::reply::Unavailable;

impl ReadFault {
    /// Returns the reason for the caller that needed the read. The journal's reader has already
    /// logged damage; every other fault is logged here.
    pub(super) fn logged(&self) -> Unavailable {
        if self.is_damage() {
            return Unavailable::JournalDamaged;
        }
        tracing::error!(fault = %self, "a read failed");
        Unavailable::Quarantined
    }
}
