//! How many commands may be under way: taken before a command is begun, given back with its
//! answer.

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
