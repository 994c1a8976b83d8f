//! Erases a merchant's personal data.

use florin_actors::messages::{Command, EraseMerchant};

use crate::sim::client::Client;

/// Draws an erasure.
pub fn command(client: &mut Client) -> Command {
    let merchant = client.merchant();
    Command::EraseMerchant(EraseMerchant { merchant })
}
