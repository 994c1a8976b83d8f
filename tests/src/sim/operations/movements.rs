//! Reads an account's movements, page by page.

use florin_actors::messages::EntityId;
use rand::Rng;

use crate::sim::client::Client;
use crate::sim::history::Seen;
use crate::sim::world::World;

/// Reads some account's.
pub async fn run(client: &mut Client) {
    let id = client.account();
    let limit = client.rng.random_range(1..8);
    read(client, id, limit).await;
}

/// Reads every page of this one.
pub async fn read(client: &mut Client, id: EntityId, limit: usize) {
    let mut before = None;
    loop {
        let core = client.core.clone();
        let from = World::durable(&core);
        let Some(page) = client.read(core.movements(id, before, limit)).await else {
            return;
        };
        let count = page.as_ref().map(|page| page.entries.len());
        client.step(|| format!("reads {count:?} movements of {id} before {before:?}"));
        let next = page.as_ref().and_then(|page| page.next);
        let seen = Seen::Movements {
            id,
            before,
            limit,
            page,
        };
        client.world.saw(&core, from, seen);
        if next.is_none() {
            return;
        }
        before = next;
    }
}
