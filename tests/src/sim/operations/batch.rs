//! Batches of transfers, atomic or not. The items share few ends, so that they affect each other,
//! and some repeat earlier keys.

use florin_actors::messages::{Batch, BatchItem, Command, EntityId, Transfer};
use rand::Rng;

use crate::sim::client::Client;

/// Draws a batch.
pub fn command(client: &mut Client) -> Command {
    let count = match client.rng.random_range(0..10) {
        0..6 => client.rng.random_range(1..5),
        6..9 => client.rng.random_range(3..9),
        _ => 14,
    };
    let ends = client.ends();
    let items = (0..count).map(|_| item(client, &ends)).collect();
    Command::Batch(Box::new(Batch {
        atomic: client.rng.random(),
        items,
    }))
}

/// Draws an item: mostly a new one, sometimes one with an earlier key.
pub fn item(client: &mut Client, ends: &[EntityId]) -> BatchItem {
    let known = client.world.book.borrow().items.clone();
    if !known.is_empty() && client.rng.random_range(0..6) == 0 {
        let mut item = known[client.rng.random_range(0..known.len())].clone();
        match client.rng.random_range(0..12) {
            0 => item.transfer.amount = client.amount(None, None),
            1 => item.transfer.currency = client.named_currency(),
            2 => item.pending = Some(None),
            _ => {}
        }
        return item;
    }
    let (from, to) = client.pair(ends);
    let pending = match client.rng.random_range(0..12) {
        0 => Some(None),
        1..3 => Some(Some(client.rng.random_range(1..4))),
        _ => None,
    };
    let key = client.rng.random_range(0..10) < 3;
    let key = key.then(|| format!("item-{}", client.rng.random_range(0..10_000)).into());
    BatchItem {
        transfer: Transfer {
            from,
            to,
            amount: client.small_amount(from, to),
            currency: client.named_currency(),
            reference: client.reference(),
            metadata: client.metadata(),
        },
        pending,
        key,
    }
}
