//! The directory: every entity that is in memory. It is the only way to another entity's state, and
//! may be used for that only within a turn.

use std::collections::HashMap;
use std::rc::Rc;

use super::seat::{Phase, Seat};
use crate::base::IdHasher;
use crate::entities::Kind;
use crate::words::EntityId;

/// Every entity in memory, and its actor of type `A`.
#[derive(Debug)]
pub struct Directory<A> {
    seats: HashMap<EntityId, (Rc<Seat>, A), IdHasher>,
    /// The same seats by their places, so that they can be walked in slices.
    places: Vec<Option<Rc<Seat>>>,
    free: Vec<u32>,
    counts: HashMap<(Kind, Phase), u64>,
}

impl<A> Default for Directory<A> {
    fn default() -> Self {
        Self {
            seats: HashMap::default(),
            places: Vec::new(),
            free: Vec::new(),
            counts: HashMap::new(),
        }
    }
}

impl<A> Directory<A> {
    /// Returns the seat of an entity, if the entity is in memory.
    pub fn seat(&self, entity: EntityId) -> Option<&Rc<Seat>> {
        self.seats.get(&entity).map(|(seat, _)| seat)
    }

    /// Returns the seat and actor of an entity, if the entity is in memory.
    pub fn actor(&self, entity: EntityId) -> Option<&(Rc<Seat>, A)> {
        self.seats.get(&entity)
    }

    /// Creates the seat of an entity that isn't in memory; `start` starts its actor.
    pub fn enter(
        &mut self,
        entity: EntityId,
        phase: Phase,
        start: impl FnOnce(Rc<Seat>) -> A,
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

    /// Removes an entity's seat, unless the entity has another seat by now. The actor ends when its
    /// mailbox is empty.
    pub fn leave(&mut self, left: &Seat) {
        if self.knows(left) {
            self.seats.remove(&left.entity);
            self.places[left.place as usize] = None;
            self.free.push(left.place);
            self.move_count(left, None);
        }
    }

    /// Counts a seat again. Call it when the seat's kind has become known or its phase has changed.
    pub fn count(&mut self, seat: &Seat) {
        if self.knows(seat) {
            let now = seat.kind().map(|kind| (kind, seat.phase()));
            self.move_count(seat, now);
        }
    }

    /// Returns whether this is the entity's current seat, not a removed one.
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

    /// Returns the number of entities in memory.
    pub fn len(&self) -> usize {
        self.seats.len()
    }

    /// Returns the seats from place `from` on, at most `count` places, and the place after them; or
    /// `None` past the last place.
    pub fn walk(&self, from: usize, count: usize) -> Option<(&[Option<Rc<Seat>>], usize)> {
        let to = (from + count).min(self.places.len());
        (from < to).then(|| (&self.places[from..to], to))
    }

    /// Returns the number of entities of each kind and phase.
    pub const fn counts(&self) -> &HashMap<(Kind, Phase), u64> {
        &self.counts
    }
}
