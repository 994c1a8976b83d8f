//! Makes entities fail: their code panics at random, determined by the seed.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use florin_actors::messages::EntityId;
use florin_actors::runtime::Intercept;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// Panics in place of the entities' code.
#[derive(Debug)]
pub struct Intruder {
    rng: Mutex<SmallRng>,
    of_thousand: u32,
    is_on: AtomicBool,
}

impl Intruder {
    /// Creates an intruder that lets this many of a thousand calls fail.
    pub fn new(seed: u64, of_thousand: u32) -> Self {
        Self {
            rng: Mutex::new(SmallRng::seed_from_u64(seed)),
            of_thousand,
            is_on: AtomicBool::new(true),
        }
    }

    /// Ends the failures.
    pub fn stop(&self) {
        self.is_on.store(false, Ordering::Relaxed);
    }

    fn call(&self, text: &'static str) {
        if self.of_thousand == 0 || !self.is_on.load(Ordering::Relaxed) {
            return;
        }
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        let fails = rng.random_range(0..1_000) < self.of_thousand;
        drop(rng);
        if fails {
            // `resume_unwind` skips the panic hook, which would print the panic.
            resume_unwind(Box::new(text));
        }
    }
}

impl Intercept for Intruder {
    fn decide(&self, _: EntityId) {
        self.call("a simulated fault in decide");
    }

    fn evolve(&self, _: EntityId) {
        self.call("a simulated fault in evolve");
    }
}
