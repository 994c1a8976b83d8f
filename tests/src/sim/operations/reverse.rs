//! Makes the opposite of a transfer, of a reversal too; now and then of one that moved nothing.

use florin_actors::messages::{Command, Reverse};

use crate::sim::client::Client;

/// A reversal.
pub fn command(client: &mut Client) -> Command {
    let transfer = client.transfer();
    Command::Reverse(Reverse { transfer })
}
