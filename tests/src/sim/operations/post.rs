//! Posts a pending transfer, whole or in parts; now and then one that isn't pending.

use florin_actors::messages::{Amount, Command, Post};
use rand::Rng;

use crate::sim::client::Client;

/// A post.
pub fn command(client: &mut Client) -> Command {
    let transfer = client.transfer();
    let part = client.rng.random_bool(0.6);
    let amount = part.then(|| {
        let most = if client.rng.random() { 20 } else { 120 };
        Amount::new(client.rng.random_range(1..most)).unwrap()
    });
    Command::Post(Post {
        transfer,
        amount,
        is_final: client.rng.random_bool(0.5),
    })
}
