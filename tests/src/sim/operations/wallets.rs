//! Lists a customer's wallets, page by page.

use florin_actors::messages::EntityId;
use rand::Rng;

use crate::sim::client::Client;
use crate::sim::history::Seen;
use crate::sim::world::World;

/// Lists the wallets of one of the customers.
pub async fn run(client: &mut Client) {
    let customer = client.customer();
    let limit = client.rng.random_range(1..4);
    list(client, customer, limit).await;
}

/// Lists every page of the given customer's wallets.
pub async fn list(client: &mut Client, customer: EntityId, limit: usize) {
    let mut after = None;
    loop {
        let core = client.core.clone();
        let from = World::durable(&core);
        let Some(page) = client.read(core.wallets(customer, after, limit)).await else {
            return;
        };
        client.step(|| format!("lists wallets after {after:?}: {}", page.entries.len()));
        let next = page.next;
        let seen = Seen::Wallets {
            customer,
            after,
            limit,
            page,
        };
        client.world.saw(&core, from, seen);
        if next.is_none() {
            return;
        }
        after = next;
    }
}
