//! The current state of an entity, and how a record changes it.

use crate::entities::{Stamp, State};
use crate::record::{Change, Record};
use crate::words::PersonalValues;

/// The current state of one entity.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Present {
    /// The entity's state; `None` if there is no such entity.
    pub state: Option<State>,
    /// The entity's version; 0 if there is no such entity.
    pub version: u64,
    /// The entity's last record; 0 if there is none.
    pub last: u64,
    /// The personal values, if there are any that weren't erased.
    pub personal: Option<PersonalValues>,
}

impl Present {
    /// Reads a value from each part of the entity's current state, to bring them into the
    /// processor's cache.
    pub(crate) fn warmth(&self) -> usize {
        self.version as usize ^ usize::from(self.personal.is_some())
    }
}

/// Applies a record to an entity.
pub fn apply(present: &mut Present, record: &Record, change: &Change) -> Result<(), String> {
    let sequence = record.sequence;
    let raised = u64::from(change.raised);
    if change.previous != present.last || change.version != present.version + raised || raised == 0
    {
        return Err(format!("record {sequence} doesn't follow the one before"));
    }
    let stamp = Stamp {
        sequence,
        time: record.time,
    };
    let mut state = present.state.take();
    for event in &change.events {
        state = State::evolve(state, event, stamp);
    }
    if state.is_none() {
        return Err(format!("record {sequence} can't follow the state"));
    }
    present.state = state;
    present.version = change.version;
    present.last = sequence;
    Ok(())
}
