//! Moves money between accounts and wallets, sometimes from an entity to itself.

use florin_actors::messages::{Command, Transfer};

use crate::sim::client::Client;

/// Draws a transfer.
pub fn command(client: &mut Client) -> Command {
    let (from, to) = (client.purse(), client.purse());
    Command::Transfer(Transfer {
        from,
        to,
        amount: client.amount(Some(from), Some(to)),
        currency: client.named_currency(),
        reference: client.reference(),
        metadata: client.metadata(),
    })
}
