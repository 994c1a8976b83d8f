//! Moves money between accounts and wallets, now and then between one and itself.

use florin_actors::messages::{Command, Transfer};

use crate::sim::client::Client;

/// A transfer.
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
