//! Sends a command and goes away.

use std::time::Duration;

use rand::Rng;

use crate::sim::client::Client;

/// Doesn't wait for the answer, or not long.
pub async fn run(client: &mut Client) {
    let command = super::command(client);
    let request = client.request(command);
    let patience = Duration::from_millis(client.rng.random_range(0..20));
    if let Some(sent) = client.send(request) {
        client.settle(sent, Some(patience)).await;
    }
}
