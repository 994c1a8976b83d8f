//! Opens a wallet.

use florin_actors::messages::{Command, OpenWallet, Overdraft, WalletLimits};
use rand::Rng;

use crate::sim::client::Client;

/// Draws a wallet of one of a few customers, with limits or without.
pub fn command(client: &mut Client) -> Command {
    let number = client.rng.random_range(0..4);
    Command::OpenWallet(Box::new(OpenWallet {
        customer: client.customer(),
        name: (number > 0).then(|| format!("wallet {number}")),
        currency: client.currency(),
        // With an unlimited overdraft, the limits bind before the floor does.
        overdraft: if client.rng.random() {
            Overdraft::Unlimited
        } else {
            client.overdraft()
        },
        limits: WalletLimits {
            per_transaction: client.limit(),
            per_day: client.limit(),
            max_balance: client.limit(),
        },
    }))
}
