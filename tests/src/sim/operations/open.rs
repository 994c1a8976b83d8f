//! Opens an account.

use florin_actors::messages::{Command, OpenAccount, Personal};
use rand::Rng;

use crate::sim::client::Client;

/// An account of someone's.
pub fn command(client: &mut Client) -> Command {
    let names = ["Ada", "Grace", "Linus", "Édouard"];
    let countries = ["KE", "US", "JP"];
    Command::OpenAccount(Box::new(OpenAccount {
        holder: Personal::Plain(names[client.rng.random_range(0..names.len())].into()),
        country: countries[client.rng.random_range(0..countries.len())]
            .parse()
            .unwrap(),
        currency: client.currency(),
        overdraft: client.overdraft(),
        reference: client.reference(),
        metadata: client.metadata(),
    }))
}
