//! Freezes or unfreezes an account, or changes its overdraft limit; sometimes nothing at all.

use florin_actors::messages::{AccountStatus, Command, UpdateAccount};
use rand::Rng;

use crate::sim::client::Client;

/// Draws an update.
pub fn command(client: &mut Client) -> Command {
    let account = client.account();
    let status = match client.rng.random_range(0..5) {
        0 => Some(AccountStatus::Frozen),
        1 | 2 => Some(AccountStatus::Active),
        _ => None,
    };
    let changes = client.rng.random_bool(0.5);
    let overdraft = changes.then(|| client.overdraft());
    Command::UpdateAccount(UpdateAccount {
        account,
        status,
        overdraft,
    })
}
