//! Sends a command and stops waiting for its answer.

use std::time::Duration;

use rand::Rng;

use crate::sim::client::Client;

/// Waits less than 20 ms for the answer, if at all.
pub async fn run(client: &mut Client) {
    let command = super::command(client);
    let request = client.request(command);
    let patience = Duration::from_millis(client.rng.random_range(0..20));
    if let Some(sent) = client.send(request) {
        client.settle(sent, Some(patience)).await;
    }
}
