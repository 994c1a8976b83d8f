//! Moves money along many legs, all or none: in circles, through entities without own money, and in
//! more than one currency.

use florin_actors::messages::{Command, Leg, Metadata, Transact};
use rand::Rng;

use crate::sim::client::Client;

/// Draws a transaction of many legs.
pub fn command(client: &mut Client) -> Command {
    let ends = client.ends();
    let mut legs: Vec<Leg> = Vec::new();
    for _ in 0..client.rng.random_range(1..7) {
        let (mut from, mut to) = client.pair(&ends);
        let mut amount = client.small_amount(from, to);
        // The amount of the previous leg moves on, or back.
        if let Some(last) = legs.last().filter(|_| client.rng.random_bool(0.3)) {
            (from, amount) = (last.to, last.amount);
            if client.rng.random() {
                to = last.from;
            }
        }
        legs.push(Leg { from, to, amount });
    }
    Command::Transact(Box::new(Transact {
        legs,
        reference: client.reference(),
        metadata: Metadata::default(),
    }))
}
