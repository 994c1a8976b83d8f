//! Card numbers. A number that is taken is an entity, so that no two cards of a journal have the
//! same number.
//!
//! Numbers are drawn at random. Their last two digits are the card's shard, so that a shard assigns
//! its own 2^24 numbers without asking other shards.

use serde::{Deserialize, Serialize};

use super::entity::{Entity, Fact, Stamp};
use crate::words::{EntityId, Rejection, Timestamp};

/// An event of a card number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum CardNumberEvent {
    /// The number was given to this card.
    Taken(EntityId),
}

impl Fact for CardNumberEvent {}

/// A step that only a card number takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardNumberStep {
    /// Give the number to this card.
    Take(EntityId),
}

/// The greatest number of draws for a card. If half of a shard's numbers are taken, all draws hit
/// taken numbers with a probability of 2^-64.
pub const DRAWS_MAX: u32 = 64;

/// The state of a number that is taken: the card that has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardNumber {
    card: EntityId,
}

/// Returns the numbers to try for a card of this shard, in order: first the draw itself, then
/// numbers derived from it.
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

/// Returns the id of the entity that stands for a number once it is taken.
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
    type Step = CardNumberStep;

    const NAME: &'static str = "card_number";
    const NOT_FOUND: &'static str = "Account not found";

    fn decide(
        state: Option<&Self>,
        step: &CardNumberStep,
        _: Timestamp,
    ) -> Result<Vec<CardNumberEvent>, Rejection> {
        match (state, step) {
            (None, CardNumberStep::Take(card)) => Ok(vec![CardNumberEvent::Taken(*card)]),
            (Some(_), CardNumberStep::Take(_)) => Err(Self::not_found()),
        }
    }

    fn evolve(state: Option<Self>, event: &CardNumberEvent, _: Stamp) -> Option<Self> {
        match (state, event) {
            (None, CardNumberEvent::Taken(card)) => Some(Self { card: *card }),
            // A number is given to one card only.
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
        let taken = CardNumber::decide(None, &CardNumberStep::Take(card), now).unwrap();
        let number = CardNumber::evolve(None, &taken[0], stamp).unwrap();
        assert!(CardNumber::decide(Some(&number), &CardNumberStep::Take(card), now).is_err());
        assert_eq!(CardNumber::evolve(Some(number), &taken[0], stamp), None);
    }
}
