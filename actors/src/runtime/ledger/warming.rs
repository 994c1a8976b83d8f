//! Cache warming: the data that the turns of several commands will read is brought into the
//! processor's cache together.
//!
//! Of many entities, only few are in the cache. A turn finds an entity in four steps, each of which
//! waits for main memory. Main memory answers ten requests in the time of one, if none depends on
//! another's answer. So each step is taken for all entities before the next step. Nothing is
//! changed, and only the speed depends on it.

use std::hint::black_box;
use std::rc::Rc;

use super::state::Ledger;
use crate::entities::State;
use crate::runtime::residency::seat::Seat;
use crate::words::EntityId;

/// The number of entities below which warming gains nothing.
const ENTITIES_MIN: usize = 8;

impl Ledger {
    /// Brings these entities into the cache, if they are in memory.
    pub(in crate::runtime) fn warm(&self, entities: &[EntityId]) {
        if entities.len() < ENTITIES_MIN {
            return;
        }
        let directory = self.residents.directory();
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
    /// Reads a value from each part of the seat.
    fn warmth(self: &Rc<Self>) -> usize {
        let own = Rc::strong_count(self) ^ self.letters.get() as usize ^ self.phase() as usize;
        own ^ self.present.borrow().warmth()
    }
}

impl State {
    /// Reads the data that the state shares with its copies.
    fn warmth(&self) -> usize {
        self.money().map_or(0, |(currency, balance)| {
            currency.code().len() ^ balance.posted as usize
        })
    }
}
