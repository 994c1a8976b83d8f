//! Commands that come together: what their turns will look at is brought into the processor's cache
//! together.
//!
//! Of many entities few are in the cache. A turn finds one in four steps, each of which waits for main
//! memory; main memory answers ten questions in the time of one, if none waits for another's answer.
//! So each step is taken for all entities before the next one. Nothing is changed, and nothing but
//! speed rests on it.

use std::hint::black_box;
use std::rc::Rc;

use super::ledger::Ledger;
use super::seat::{Present, Seat};
use crate::entities::State;
use crate::messages::{Command, EntityId};

/// Fewer entities gain nothing.
const ENTITIES_MIN: usize = 8;

impl Ledger {
    /// Brings these entities into the cache, as far as they are in memory.
    pub(super) fn warm(&self, entities: &[EntityId]) {
        if entities.len() < ENTITIES_MIN {
            return;
        }
        let directory = self.directory.borrow();
        let known = entities.iter().map(|entity| directory.actor(*entity));
        let known: Vec<_> = known.flatten().collect();
        let mut read = 0;
        for (seat, actor) in &known {
            read ^= seat.warmth() ^ usize::from(actor.connected());
        }
        for (seat, _) in &known {
            let present = seat.present.borrow();
            read ^= present.state.as_ref().map_or(0, State::warmth);
        }
        black_box(read);
    }
}

impl Seat {
    /// Reads something of each part of it.
    fn warmth(self: &Rc<Self>) -> usize {
        let own = Rc::strong_count(self) ^ self.letters.get() as usize ^ self.phase() as usize;
        own ^ self.present.borrow().warmth()
    }
}

impl Present {
    /// Reads something of each part of it.
    pub(crate) fn warmth(&self) -> usize {
        self.version as usize ^ usize::from(self.holder.is_some())
    }
}

impl State {
    /// Reads what it shares with its copies.
    fn warmth(&self) -> usize {
        let (_, balance) = self.money().unzip();
        self.copies() ^ balance.map_or(0, |balance| balance.posted as usize)
    }
}

impl Command {
    /// The entities that it is sure to look at, where it has no parts.
    pub(super) fn ends(&self) -> [Option<EntityId>; 2] {
        match self {
            Self::Transfer(command) => [Some(command.from), Some(command.to)],
            Self::Hold(command) => [Some(command.transfer.from), Some(command.transfer.to)],
            Self::Batch(_) | Self::Transact(_) => [None; 2],
            command => [command.routing_entity(), None],
        }
    }
}
