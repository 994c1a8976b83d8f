//! The set of entities that are out of service, as the records say it.

use std::collections::BTreeMap;

use crate::commands::Command;
use crate::record::{Outcome, Record};
use crate::words::EntityId;

/// Updates the set of entities out of service with a record.
pub fn note_quarantine(quarantined: &mut BTreeMap<EntityId, String>, record: &Record) {
    match (&record.command, &record.outcome) {
        (Command::Quarantine(quarantine), Outcome::Done(_)) => {
            quarantined.insert(quarantine.entity, quarantine.reason.clone());
        }
        (Command::Resume(resume), Outcome::Done(_)) => {
            quarantined.remove(&resume.entity);
        }
        _ => {}
    }
}
