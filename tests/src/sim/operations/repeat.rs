//! Repeats a key: with the same request, with the currency or a precondition added, or with
//! another request; whether its first one was answered, is under way or was lost.

use rand::Rng;

use crate::sim::client::Client;

/// Repeats one of the keys used last.
pub async fn run(client: &mut Client) {
    let known = client.world.book.borrow().keyed.clone();
    if known.is_empty() {
        return;
    }
    let mut request = known[client.rng.random_range(0..known.len())].clone();
    match client.rng.random_range(0..10) {
        0 if request.command.routing_entity().is_some() => {
            request.if_match = Some(client.rng.random_range(0..9))
        }
        1 => {
            let named = client.named_currency();
            if let Some(currency) = request.command.currency_mut() {
                *currency = named;
            }
        }
        2 => {
            request.command = super::command(client);
            request.if_match = None;
        }
        _ => {}
    }
    client.ask(request).await;
}
