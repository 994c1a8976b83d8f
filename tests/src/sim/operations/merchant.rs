//! Reads a merchant, or lists all merchants.

use florin_actors::messages::{EntityId, Merchant};
use rand::Rng;

use crate::sim::client::Client;
use crate::sim::history::Seen;
use crate::sim::world::World;

/// Reads one of the merchants, or lists all of them.
pub async fn run(client: &mut Client) {
    if client.rng.random() {
        let id = client.merchant();
        read(client, id).await;
    } else {
        let limit = client.rng.random_range(1..4);
        list(client, limit).await;
    }
}

/// Reads the given merchant.
pub async fn read(client: &mut Client, id: EntityId) {
    let core = client.core.clone();
    let from = World::durable(&core);
    let Some(shown) = client.read(core.entity::<Merchant>(id)).await else {
        return;
    };
    client.step(|| format!("reads merchant {id}: {shown:?}"));
    if let Some(merchant) = &shown {
        let balances = merchant.view.balances;
        client.world.book.borrow_mut().note(id, balances);
    }
    client.world.saw(&core, from, Seen::Merchant { id, shown });
}

/// Lists every page of all merchants.
pub async fn list(client: &mut Client, limit: usize) {
    let mut after = None;
    loop {
        let core = client.core.clone();
        let from = World::durable(&core);
        let read = core.list::<Merchant>(Merchant::row(), after, limit);
        let Some(page) = client.read(read).await else {
            return;
        };
        client.step(|| format!("lists merchants after {after:?}: {}", page.entries.len()));
        let next = page.next;
        let seen = Seen::Merchants { after, limit, page };
        client.world.saw(&core, from, seen);
        if next.is_none() {
            return;
        }
        after = next;
    }
}
