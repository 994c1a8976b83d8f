//! Heads: the last record of every entity that is not in memory and whose current state the views
//! file may not hold. A load starts from the head, never from the projector's current position.

use std::collections::{HashMap, VecDeque};

use crate::base::IdHasher;
use crate::words::EntityId;

/// The heads, in generations. A generation is dropped as a whole once the views file holds all of
/// it.
#[derive(Debug, Default)]
pub struct Heads {
    newest: Generation,
    older: VecDeque<Generation>,
    written: u64,
}

#[derive(Debug, Default)]
struct Generation {
    last: u64,
    heads: HashMap<EntityId, u64, IdHasher>,
}

impl Heads {
    /// Creates the heads from the last records that recovery found in the journal's tail.
    pub fn new(heads: HashMap<EntityId, u64, IdHasher>) -> Self {
        let last = heads.values().copied().max().unwrap_or_default();
        Self {
            newest: Generation { last, heads },
            ..Self::default()
        }
    }

    /// Notes the last record of an entity that leaves memory, unless the views file holds that
    /// record.
    pub fn insert(&mut self, entity: EntityId, last: u64) {
        if last > self.written {
            self.newest.last = self.newest.last.max(last);
            self.newest.heads.insert(entity, last);
        }
    }

    /// Returns the last record of an entity, or `None` if the views file holds it.
    pub fn get(&self, entity: EntityId) -> Option<u64> {
        let generations = std::iter::once(&self.newest).chain(self.older.iter().rev());
        generations
            .filter_map(|generation| generation.heads.get(&entity))
            .next()
            .copied()
    }

    /// Removes the head of an entity that is in memory again.
    pub fn remove(&mut self, entity: EntityId) {
        self.newest.heads.remove(&entity);
        for generation in &mut self.older {
            generation.heads.remove(&entity);
        }
    }

    /// Notes that the views file holds every record up to `written`.
    pub fn written(&mut self, written: u64) {
        if written <= self.written {
            return;
        }
        self.written = written;
        if !self.newest.heads.is_empty() {
            self.older.push_back(std::mem::take(&mut self.newest));
        }
        while self
            .older
            .front()
            .is_some_and(|generation| generation.last <= written || generation.heads.is_empty())
        {
            self.older.pop_front();
        }
    }

    /// Returns the number of heads.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.newest.heads.len()
            + self
                .older
                .iter()
                .map(|older| older.heads.len())
                .sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(number: u128) -> EntityId {
        EntityId::from_parts(1, number, 0)
    }

    #[test]
    fn a_head_stays_until_the_views_file_holds_it() {
        let mut heads = Heads::default();
        heads.insert(entity(1), 5);
        heads.written(4);
        heads.insert(entity(2), 9);
        assert_eq!(
            (heads.get(entity(1)), heads.get(entity(2))),
            (Some(5), Some(9))
        );
        heads.written(5);
        assert_eq!(
            (heads.get(entity(1)), heads.get(entity(2))),
            (None, Some(9))
        );
        heads.written(9);
        assert_eq!(heads.len(), 0);
        // A record that the file holds already needs no head.
        heads.insert(entity(3), 9);
        assert_eq!(heads.get(entity(3)), None);
    }

    #[test]
    fn an_entity_in_memory_has_no_head_of_any_generation() {
        let mut heads = Heads::new([(entity(1), 7)].into_iter().collect());
        heads.written(3);
        heads.remove(entity(1));
        assert_eq!(heads.len(), 0);
        heads.insert(entity(1), 8);
        heads.written(6);
        assert_eq!(heads.get(entity(1)), Some(8));
    }
}
