//! Reverses a transfer, which may be a reversal itself; sometimes one that moved nothing.

use florin_actors::messages::{Command, Metadata, Reverse};

use crate::sim::client::Client;

/// Draws a reversal.
pub fn command(client: &mut Client) -> Command {
    let transfer = client.transfer();
    Command::Reverse(Reverse {
        transfer,
        reference: None,
        metadata: Metadata::default(),
    })
}
