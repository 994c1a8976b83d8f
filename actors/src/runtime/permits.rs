//! How many commands may be under way, how many accepted and not executed, and how much memory large
//! ones may take: taken before a command is begun, given back with its answer, or once it is executed.

use std::sync::Arc;

use crate::sync::{AtomicUsize, Ordering};

/// The permits of a node.
#[derive(Debug)]
pub struct Permits {
    taken: AtomicUsize,
    max: usize,
}

/// What one holder took, given back when dropped.
#[derive(Debug)]
pub struct Permit {
    of: Arc<Permits>,
    weight: usize,
}

/// The room that a command has: its place, and of a batch the memory that its items take.
#[derive(Debug)]
#[allow(dead_code, reason = "held, not read")]
pub struct Room {
    /// One place.
    pub place: Permit,
    /// The items' bytes.
    pub items: Option<Permit>,
}

impl Permits {
    /// So many at a time.
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            taken: AtomicUsize::new(0),
            max,
        })
    }

    /// A permit, if one is left.
    pub fn take(self: &Arc<Self>) -> Option<Permit> {
        self.take_weighing(1)
    }

    /// A permit that counts as so many, if one is left: the last one may go past the most.
    pub fn take_weighing(self: &Arc<Self>, weight: usize) -> Option<Permit> {
        let before = self.taken.fetch_add(weight, Ordering::AcqRel);
        let permit = Permit {
            of: Arc::clone(self),
            weight,
        };
        (before < self.max).then_some(permit)
    }

    /// A permit for what is there already, also when none is left.
    pub fn occupy(self: &Arc<Self>, weight: usize) -> Permit {
        self.taken.fetch_add(weight, Ordering::AcqRel);
        Permit {
            of: Arc::clone(self),
            weight,
        }
    }

    /// How many are taken; may count one that is being refused.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }
}

impl Permit {
    /// What it counts as.
    pub const fn weight(&self) -> usize {
        self.weight
    }

    /// Counts as so many more from now on; whether the others leave room for it.
    pub fn grow(&mut self, more: usize) -> bool {
        let before = self.of.taken.fetch_add(more, Ordering::AcqRel);
        let others = before.saturating_sub(self.weight);
        self.weight += more;
        others < self.of.max
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.of.taken.fetch_sub(self.weight, Ordering::AcqRel);
    }
}

#[cfg(all(test, not(florin_loom)))]
mod tests {
    use super::*;

    #[test]
    fn past_the_most_none_is_given_until_enough_are_back() {
        let permits = Permits::new(1);
        let mut there: Vec<Permit> = (0..3).map(|_| permits.occupy(1)).collect();
        while let Some(one) = there.pop() {
            assert!(permits.take().is_none());
            drop(one);
        }
        let taken = permits.take();
        assert!(taken.is_some() && permits.take().is_none());
        assert_eq!(permits.taken(), 1);
    }

    #[test]
    fn one_may_weigh_more_than_the_most_and_the_others_wait_for_it() {
        let permits = Permits::new(10);
        let heavy = permits.take_weighing(25).unwrap();
        assert!(permits.take().is_none());
        assert_eq!(permits.taken(), 25);
        drop(heavy);
        let (mut one, mut other) = (permits.occupy(0), permits.occupy(0));
        assert!(one.grow(6) && other.grow(6) && one.grow(3));
        assert!(other.grow(4), "the other one has 9, one less than the most");
        assert!(!one.grow(1), "the other one has all there is");
        drop(other);
        assert!(one.grow(100), "nobody else has any");
        drop(one);
        assert_eq!(permits.taken(), 0);
    }
}
