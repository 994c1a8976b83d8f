//! Deletes an account.

use florin_actors::messages::{Command, DeleteAccount};

use crate::sim::client::Client;

/// Draws a deletion.
pub fn command(client: &mut Client) -> Command {
    let account = client.account();
    Command::DeleteAccount(DeleteAccount { account })
}
