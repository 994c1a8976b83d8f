//! Voids a pending transfer; now and then one that isn't pending.

use florin_actors::messages::{Command, Void};

use crate::sim::client::Client;

/// A void.
pub fn command(client: &mut Client) -> Command {
    let transfer = client.transfer();
    Command::Void(Void { transfer })
}
