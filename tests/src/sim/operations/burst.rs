//! Sends several commands without waiting in between: the same key several times, or different
//! commands one after the other.

use rand::Rng;

use crate::sim::client::Client;

/// Sends a few commands, then waits for all answers.
pub async fn run(client: &mut Client) {
    let command = super::command(client);
    let mut request = client.request(command);
    let same = client.rng.random_bool(0.5);
    let mut sent = Vec::new();
    for _ in 0..client.rng.random_range(2..6) {
        sent.extend(client.send(request.clone()));
        if !same || client.rng.random_bool(0.2) {
            request.command = super::command(client);
            (request.if_match, request.kind) = (None, None);
        }
        if !same {
            let command = super::command(client);
            request = client.request(command);
        }
    }
    let mut settled = Vec::new();
    for sent in sent {
        // Each wait runs on its own, like separate connections.
        let mut other = client.fork();
        settled.push(tokio::task::spawn_local(async move {
            other.settle(sent, None).await;
        }));
    }
    for settled in settled {
        if let Err(panic) = settled.await {
            std::panic::resume_unwind(panic.into_panic());
        }
    }
}
