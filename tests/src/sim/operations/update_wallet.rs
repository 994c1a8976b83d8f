//! Freezes or unfreezes a wallet, or changes its overdraft and limits; sometimes nothing at all.

use florin_actors::messages::{AccountStatus, Amount, Command, UpdateWallet, WalletLimitsChange};
use rand::Rng;

use crate::sim::client::Client;

/// Draws an update.
pub fn command(client: &mut Client) -> Command {
    let wallet = client.wallet();
    let status = match client.rng.random_range(0..6) {
        0 => Some(AccountStatus::Frozen),
        1..4 => Some(AccountStatus::Active),
        _ => None,
    };
    let overdraft = client.rng.random_bool(0.3).then(|| client.overdraft());
    Command::UpdateWallet(UpdateWallet {
        wallet,
        status,
        overdraft,
        limits: WalletLimitsChange {
            per_transaction: change(client),
            per_day: change(client),
            max_balance: change(client),
        },
    })
}

/// Draws a change of a limit. Most limits stay unchanged.
fn change(client: &mut Client) -> Option<Option<Amount>> {
    client.rng.random_bool(0.3).then(|| client.limit())
}
