//! The randomness seam: ids and salts come from one seeded generator.

use std::sync::{Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

use crate::words::{EntityId, OperationId, Timestamp};

/// A generator of ids and salts. It is cryptographically strong; the seed determines all draws.
#[derive(Debug)]
pub struct Random(Mutex<StdRng>);

impl Random {
    /// Creates a generator whose draws follow from `seed`.
    pub fn seeded(seed: [u8; 32]) -> Self {
        Self(Mutex::new(StdRng::from_seed(seed)))
    }

    /// Draws the id of an operation, in the shard of the entity that the operation routes to.
    pub fn operation_id(&self, now: Timestamp, shard: u8) -> OperationId {
        OperationId::at(now, self.draw(), shard)
    }

    /// Draws the id of a new entity, in a random shard if none is given.
    pub fn entity_id(&self, now: Timestamp, shard: Option<u8>) -> EntityId {
        let drawn = self.draw();
        let shard = shard.unwrap_or((drawn >> 120) as u8);
        EntityId::at(now, drawn, shard)
    }

    /// Draws a salt, or any other 128 random bits.
    pub fn salt(&self) -> [u8; 16] {
        self.draw().to_be_bytes()
    }

    fn draw(&self) -> u128 {
        let mut bytes = [0; 16];
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fill_bytes(&mut bytes);
        u128::from_be_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_in_the_order_of_their_microseconds() {
        let random = Random::seeded([7; 32]);
        // These times cross three millisecond boundaries.
        let times = (1_700_000_000_000_500..).take(3_000);
        let times: Vec<_> = times.map(Timestamp::from_micros).collect();
        let entities = times.iter().map(|now| random.entity_id(*now, None));
        assert!(entities.is_sorted_by(|one, next| one < next));
        let operations = times.iter().map(|now| random.operation_id(*now, 9));
        assert!(operations.is_sorted_by(|one, next| one < next));
    }
}
