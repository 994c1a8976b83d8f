//! Damage of the journal that a read found: it is reported to operators as a condition for each
//! file, and is counted.

use std::sync::Arc;

use florin_storage::DamageObserver;

use crate::conditions::{ConditionCode, Conditions};
use crate::runtime::observer::Observer;

/// An observer that raises a condition for damage of the journal and has it counted.
pub(in crate::runtime) struct Damage {
    pub(in crate::runtime) conditions: Arc<Conditions>,
    pub(in crate::runtime) observer: Arc<dyn Observer>,
}

impl DamageObserver for Damage {
    fn damaged(&self, file: &str, frame: u64, what: &str) {
        let detail = format!("The frame of record {frame} in {file} can't be served: {what}.");
        // The journal's reader has already logged the damage, once for each place.
        self.conditions
            .raise(ConditionCode::JournalDamaged, file, detail);
        self.observer.damaged();
    }
}
