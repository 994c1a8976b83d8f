//! Reads an account.

use crate::sim::client::Client;
use crate::sim::history::Seen;
use crate::sim::world::World;

/// Reads one of the accounts.
pub async fn run(client: &mut Client) {
    let id = client.account();
    read(client, id).await;
}

/// Reads the given account.
pub async fn read(client: &mut Client, id: florin_actors::messages::EntityId) {
    let core = client.core.clone();
    let from = World::durable(&core);
    let Some(shown) = client.read(core.account(id)).await else {
        return;
    };
    client.step(|| format!("reads {id}: {shown:?}"));
    if let Some(account) = &shown {
        let balances = account.view.balances;
        client.world.book.borrow_mut().note(id, balances);
    }
    client.world.saw(&core, from, Seen::Account { id, shown });
}
