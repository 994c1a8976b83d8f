//! Reads a transfer.

use florin_actors::messages::EntityId;

use crate::sim::client::Client;
use crate::sim::history::Seen;
use crate::sim::world::World;

/// Reads one of the transfers.
pub async fn run(client: &mut Client) {
    let id = client.transfer();
    read(client, id).await;
}

/// Reads the given transfer.
pub async fn read(client: &mut Client, id: EntityId) {
    let core = client.core.clone();
    let from = World::durable(&core);
    let Some(shown) = client.read(core.transfer(id)).await else {
        return;
    };
    client.step(|| format!("reads transfer {id}: {shown:?}"));
    client.world.saw(&core, from, Seen::Transfer { id, shown });
}
