//! Opens a merchant.

use florin_actors::messages::{Command, OpenMerchant, Personal};
use rand::Rng;

use crate::sim::client::Client;

/// Draws a merchant.
pub fn command(client: &mut Client) -> Command {
    // The numbers make the values recognizable wherever they are on the disk.
    let name: u32 = client.rng.random_range(100_000..1_000_000);
    let email: u32 = client.rng.random_range(100_000..1_000_000);
    Command::OpenMerchant(OpenMerchant {
        name: Personal::Plain(format!("Kiosk #{name}").into()),
        email: Personal::Plain(format!("kiosk@example.com#{email}").into()),
        currency: client.currency(),
    })
}
