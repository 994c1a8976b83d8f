//! Deposits money.

use florin_actors::messages::{Command, Deposit};

use crate::sim::client::Client;

/// Draws a deposit.
pub fn command(client: &mut Client) -> Command {
    let to = client.purse();
    Command::Deposit(Deposit {
        to,
        amount: client.amount(None, Some(to)),
        currency: client.named_currency(),
        reference: client.reference(),
        metadata: client.metadata(),
    })
}
