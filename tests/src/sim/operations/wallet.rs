//! Reads a wallet, or only the balances of a wallet or account.

use florin_actors::messages::EntityId;
use rand::Rng;

use crate::sim::client::Client;
use crate::sim::history::Seen;
use crate::sim::world::World;

/// Reads one of the wallets, or the balances of a wallet or account.
pub async fn run(client: &mut Client) {
    if client.rng.random() {
        let id = client.wallet();
        read(client, id).await;
    } else {
        let id = client.purse();
        balances(client, id).await;
    }
}

/// Reads the given wallet.
pub async fn read(client: &mut Client, id: EntityId) {
    let core = client.core.clone();
    let from = World::durable(&core);
    let Some(shown) = client.read(core.wallet(id)).await else {
        return;
    };
    client.step(|| format!("reads wallet {id}: {shown:?}"));
    if let Some(view) = &shown {
        let mut book = client.world.book.borrow_mut();
        book.limits.insert(id, view.limits);
        book.note(id, view.balances);
    }
    client.world.saw(&core, from, Seen::Wallet { id, shown });
}

/// Reads the balances of the given entity.
async fn balances(client: &mut Client, id: EntityId) {
    let kind = client.kind_of(id);
    let core = client.core.clone();
    let from = World::durable(&core);
    let Some(shown) = client.read(core.balances(id, kind)).await else {
        return;
    };
    client.step(|| format!("reads the money of {id}: {shown:?}"));
    let seen = Seen::Balances { id, kind, shown };
    client.world.saw(&core, from, seen);
}
