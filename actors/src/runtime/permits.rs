//! How many commands may be under way, and how many accepted and not executed: taken before a
//! command is begun, given back with its answer, or once it is executed.

use std::sync::Arc;

use crate::sync::{AtomicUsize, Ordering};

/// The permits of a node.
#[derive(Debug)]
pub struct Permits {
    taken: AtomicUsize,
    max: usize,
}

/// One command's permit, given back when dropped.
#[derive(Debug)]
pub struct Permit(Arc<Permits>);

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
        let before = self.taken.fetch_add(1, Ordering::AcqRel);
        let permit = Permit(Arc::clone(self));
        (before < self.max).then_some(permit)
    }

    /// A permit for what is there already, also when none is left.
    pub fn occupy(self: &Arc<Self>) -> Permit {
        self.taken.fetch_add(1, Ordering::AcqRel);
        Permit(Arc::clone(self))
    }

    /// How many are taken; may count one that is being refused.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(all(test, not(florin_loom)))]
mod tests {
    use super::*;

    #[test]
    fn past_the_most_none_is_given_until_enough_are_back() {
        let permits = Permits::new(1);
        let mut there: Vec<Permit> = (0..3).map(|_| permits.occupy()).collect();
        while let Some(one) = there.pop() {
            assert!(permits.take().is_none());
            drop(one);
        }
        let taken = permits.take();
        assert!(taken.is_some() && permits.take().is_none());
        assert_eq!(permits.taken(), 1);
    }
}
