//! Posts a pending transfer, in whole or in part; sometimes a transfer that isn't pending.

use florin_actors::messages::{Amount, Command, Post};
use rand::Rng;

use crate::sim::client::Client;

/// Draws a post.
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
