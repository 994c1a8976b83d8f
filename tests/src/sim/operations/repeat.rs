//! Repeats a key: with the same request, with a currency or precondition added, or with another
//! request. The first request may be answered, in flight or lost.

use florin_actors::messages::Command;
use rand::Rng;

use crate::sim::client::Client;

/// Repeats one of the most recent keys.
pub async fn run(client: &mut Client) {
    let known = client.world.book.borrow().keyed.clone();
    if known.is_empty() {
        return;
    }
    let mut request = known[client.rng.random_range(0..known.len())].clone();
    match client.rng.random_range(0..10) {
        0 if !matches!(
            request.command,
            Command::OpenAccount(_)
                | Command::OpenWallet(_)
                | Command::OpenMerchant(_)
                | Command::Transact(_)
                | Command::Batch(_)
        ) =>
        {
            request.if_match = Some(client.rng.random_range(0..9))
        }
        1 => {
            let named = client.named_currency();
            if let Some(currency) = request.command.currency_mut() {
                *currency = named;
            }
            if let Command::Batch(batch) = &mut request.command {
                batch.items[0].transfer.currency = named;
            }
        }
        2 => {
            request.command = super::command(client);
            (request.if_match, request.kind) = (None, None);
        }
        3 => request.asynchronous = !request.asynchronous,
        4 => {
            let items = client.world.book.borrow().items.clone();
            if !items.is_empty() {
                let item = &items[client.rng.random_range(0..items.len())];
                (request.command, request.key) = (item.command(), item.key.clone());
                (request.if_match, request.kind) = (None, None);
            }
        }
        _ => {}
    }
    client.ask(request).await;
}
