//! The directory: every entity that is in memory. The one door to another entity's state, to be
//! passed within a turn only.

use std::collections::HashMap;
use std::rc::Rc;

use actix::Addr;

use super::host::Host;
use super::id_hasher::IdHasher;
use super::seat::{Phase, Seat};
use crate::messages::{EntityId, Kind};

/// Every entity in memory, and its actor.
#[derive(Debug, Default)]
pub struct Directory {
    seats: HashMap<EntityId, (Rc<Seat>, Addr<Host>), IdHasher>,
    /// The same seats by their places, to be walked a part at a time.
    places: Vec<Option<Rc<Seat>>>,
    free: Vec<u32>,
    counts: HashMap<(Kind, Phase), u64>,
}

impl Directory {
    /// An entity in memory.
    pub fn seat(&self, entity: EntityId) -> Option<&Rc<Seat>> {
        self.seats.get(&entity).map(|(seat, _)| seat)
    }

    /// An entity's seat and actor.
    pub fn actor(&self, entity: EntityId) -> Option<&(Rc<Seat>, Addr<Host>)> {
        self.seats.get(&entity)
    }

    /// Seats an entity that isn't in memory; `start` starts its actor.
    pub fn enter(
        &mut self,
        entity: EntityId,
        phase: Phase,
        start: impl FnOnce(Rc<Seat>) -> Addr<Host>,
    ) -> Rc<Seat> {
        debug_assert!(!self.seats.contains_key(&entity), "an entity has one seat");
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() as u32 - 1
        });
        let seat = Seat::new(entity, place, phase);
        let actor = start(Rc::clone(&seat));
        self.places[place as usize] = Some(Rc::clone(&seat));
        self.seats.insert(entity, (Rc::clone(&seat), actor));
        seat
    }

    /// Forgets an entity, unless it has another seat by now; its actor ends when its mailbox is
    /// empty.
    pub fn leave(&mut self, left: &Seat) {
        if self.knows(left) {
            self.seats.remove(&left.entity);
            self.places[left.place as usize] = None;
            self.free.push(left.place);
            self.move_count(left, None);
        }
    }

    /// Counts a seat anew: to be called when its kind became known or its phase changed.
    pub fn count(&mut self, seat: &Seat) {
        if self.knows(seat) {
            let now = seat.kind().map(|kind| (kind, seat.phase()));
            self.move_count(seat, now);
        }
    }

    /// Whether this is the entity's seat, and not one that was left.
    fn knows(&self, seat: &Seat) -> bool {
        let known = self.places.get(seat.place as usize);
        known.is_some_and(|known| {
            known
                .as_ref()
                .is_some_and(|known| std::ptr::eq(&**known, seat))
        })
    }

    fn move_count(&mut self, seat: &Seat, now: Option<(Kind, Phase)>) {
        if let Some(before) = seat.counted.replace(now)
            && let Some(count) = self.counts.get_mut(&before)
        {
            *count -= 1;
        }
        if let Some(now) = now {
            *self.counts.entry(now).or_default() += 1;
        }
    }

    /// How many entities are in memory.
    pub fn len(&self) -> usize {
        self.seats.len()
    }

    /// The seats from place `from` on, at most `count` places further, and the place after them;
    /// `None` past the last one.
    pub fn walk(&self, from: usize, count: usize) -> Option<(&[Option<Rc<Seat>>], usize)> {
        let to = (from + count).min(self.places.len());
        (from < to).then(|| (&self.places[from..to], to))
    }

    /// How many entities there are of each kind and phase.
    pub const fn counts(&self) -> &HashMap<(Kind, Phase), u64> {
        &self.counts
    }
}
