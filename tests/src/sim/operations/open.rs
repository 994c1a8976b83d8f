//! Opens an account.

use florin_actors::messages::{Command, OpenAccount, Personal};
use rand::Rng;

use crate::sim::client::Client;

/// Draws an account for one of a few holders.
pub fn command(client: &mut Client) -> Command {
    let names = ["Ada", "Grace", "Linus", "Édouard"];
    let name = names[client.rng.random_range(0..names.len())];
    // The number makes the name recognizable wherever it is on the disk.
    let number: u32 = client.rng.random_range(100_000..1_000_000);
    let countries = ["KE", "US", "JP"];
    Command::OpenAccount(Box::new(OpenAccount {
        holder: Personal::Plain(format!("{name} #{number}").into()),
        country: countries[client.rng.random_range(0..countries.len())]
            .parse()
            .unwrap(),
        currency: client.currency(),
        overdraft: client.overdraft(),
        reference: client.reference(),
        metadata: client.metadata(),
    }))
}
