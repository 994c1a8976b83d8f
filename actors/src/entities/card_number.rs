//! A card's number that is taken: so no two cards of a journal have the same one.
//!
//! Numbers are drawn at random. Their last two digits are the card's shard, so that a shard gives out
//! its own 2^24 numbers without asking others.

use serde::{Deserialize, Serialize};

use super::balance::no_such;
use super::{Entity, Stamp, Step};
use crate::messages::{CardNumberEvent, EntityId, Rejection, Timestamp};

/// How often a number is drawn for a card at most. With half of a shard's numbers taken, all of them
/// are with a probability of 2^-64.
pub const DRAWS_MAX: u32 = 64;

/// A number that a card has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardNumber {
    card: EntityId,
}

/// The numbers to try for a card of that shard, in order: the draw itself, then others made from it.
pub fn draws(draw: u32, shard: u8) -> impl Iterator<Item = u32> {
    (0..DRAWS_MAX).map(move |attempt| {
        let drawn = match attempt {
            0 => draw,
            _ => {
                let mut hasher = blake3::Hasher::new();
                hasher.update(b"florin card number");
                hasher.update(&draw.to_le_bytes());
                hasher.update(&attempt.to_le_bytes());
                let mut bytes = [0; 4];
                bytes.copy_from_slice(&hasher.finalize().as_bytes()[..4]);
                u32::from_le_bytes(bytes)
            }
        };
        drawn & !0xff | u32::from(shard)
    })
}

/// The entity that a number is once it is taken.
pub fn entity(number: u32) -> EntityId {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"florin system entity");
    hasher.update(b"card_number");
    hasher.update(&number.to_le_bytes());
    let mut random = [0; 16];
    random.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    EntityId::from_parts(0, u128::from_be_bytes(random), number as u8)
}

impl Entity for CardNumber {
    type Event = CardNumberEvent;

    fn decide(
        state: Option<&Self>,
        step: &Step,
        _: Timestamp,
    ) -> Result<Vec<CardNumberEvent>, Rejection> {
        match (state, step) {
            (None, Step::Take(card)) => Ok(vec![CardNumberEvent::Taken(*card)]),
            _ => Err(no_such("card number")),
        }
    }

    fn evolve(state: Option<Self>, event: &CardNumberEvent, _: Stamp) -> Option<Self> {
        match (state, event) {
            (None, CardNumberEvent::Taken(card)) => Some(Self { card: *card }),
            // A number is given once.
            (Some(_), _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn draws_are_many_and_end_in_the_shard() {
        let all: BTreeSet<u32> = draws(0x7c9e_6679, 0x42).collect();
        assert_eq!(all.len(), DRAWS_MAX as usize);
        assert!(all.iter().all(|number| number & 0xff == 0x42));
        assert_eq!(draws(0x7c9e_6679, 0x42).next(), Some(0x7c9e_6642));
    }

    #[test]
    fn a_number_is_an_entity_of_its_own_shard() {
        assert_eq!(entity(0x7c9e_6642).shard(), 0x42);
        assert_ne!(entity(0x7c9e_6642), entity(0x7c9e_6742));
    }

    #[test]
    fn a_number_that_is_taken_is_given_to_nobody_else() {
        let card = EntityId::from_parts(1, 2, 3);
        let stamp = Stamp {
            sequence: 1,
            time: Timestamp::default(),
        };
        let now = Timestamp::default();
        let taken = CardNumber::decide(None, &Step::Take(card), now).unwrap();
        let number = CardNumber::evolve(None, &taken[0], stamp).unwrap();
        assert!(CardNumber::decide(Some(&number), &Step::Take(card), now).is_err());
        assert_eq!(CardNumber::evolve(Some(number), &taken[0], stamp), None);
    }
}
