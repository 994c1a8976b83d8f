//! Withdraws money.

use florin_actors::messages::{Command, Withdraw};

use crate::sim::client::Client;

/// Draws a withdrawal.
pub fn command(client: &mut Client) -> Command {
    let from = client.purse();
    Command::Withdraw(Withdraw {
        from,
        amount: client.amount(Some(from), None),
        currency: client.named_currency(),
        reference: client.reference(),
        metadata: client.metadata(),
    })
}
