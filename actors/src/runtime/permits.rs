//! Permits: they limit the commands in flight, the commands accepted and not yet executed, and the
//! memory of large commands. A permit is taken before a command starts, and is given back with the
//! command's answer or once the command is executed.

use std::sync::Arc;

use crate::sync::{AtomicUsize, Ordering};

/// A pool of permits with a limit.
#[derive(Debug)]
pub struct Permits {
    taken: AtomicUsize,
    max: usize,
}

/// A permit, given back when dropped.
#[derive(Debug)]
pub struct Permit {
    of: Arc<Permits>,
    weight: usize,
}

/// The permits of one command: one for the command, and one for the memory of a batch's items.
#[derive(Debug)]
#[allow(dead_code, reason = "held, not read")]
pub struct Room {
    /// The permit for the command.
    pub place: Permit,
    /// The permit for the items' bytes.
    pub items: Option<Permit>,
}

impl Permits {
    /// Creates a pool that gives out permits up to a total weight of `max`.
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            taken: AtomicUsize::new(0),
            max,
        })
    }

    /// Takes a permit, if the limit isn't reached.
    pub fn take(self: &Arc<Self>) -> Option<Permit> {
        self.take_weighing(1)
    }

    /// Takes a permit of the given weight, if the limit isn't reached. The last permit may exceed
    /// the limit.
    pub fn take_weighing(self: &Arc<Self>, weight: usize) -> Option<Permit> {
        let before = self.taken.fetch_add(weight, Ordering::AcqRel);
        let permit = Permit {
            of: Arc::clone(self),
            weight,
        };
        (before < self.max).then_some(permit)
    }

    /// Takes a permit for something that exists already, even if the limit is reached.
    pub fn occupy(self: &Arc<Self>, weight: usize) -> Permit {
        self.taken.fetch_add(weight, Ordering::AcqRel);
        Permit {
            of: Arc::clone(self),
            weight,
        }
    }

    /// Returns the total weight taken. It may include a permit that is just being refused.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }
}

impl Permit {
    /// Returns the permit's weight.
    pub const fn weight(&self) -> usize {
        self.weight
    }

    /// Adds `more` to the permit's weight. Returns whether the other permits are below the limit.
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
