//! Voids a pending transfer; sometimes a transfer that isn't pending.

use florin_actors::messages::{Command, Void};

use crate::sim::client::Client;

/// Draws a void.
pub fn command(client: &mut Client) -> Command {
    let transfer = client.transfer();
    Command::Void(Void { transfer })
}
