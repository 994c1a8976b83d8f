//! Erases an account's personal data, whatever its status.

use florin_actors::messages::{Command, EraseAccount};

use crate::sim::client::Client;

/// Draws an erasure.
pub fn command(client: &mut Client) -> Command {
    let account = client.account();
    Command::EraseAccount(EraseAccount { account })
}
