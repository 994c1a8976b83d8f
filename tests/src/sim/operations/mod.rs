//! The workload: one file per operation, drawn by weight.

pub mod account;
pub mod accounts;
mod batch;
mod burst;
mod delete;
mod deposit;
mod drop_out;
mod erase;
mod erase_merchant;
mod hold;
pub mod look_up;
pub mod merchant;
pub mod movements;
mod open;
mod open_merchant;
mod open_wallet;
mod post;
mod repeat;
mod reserve;
pub mod resume;
mod reverse;
mod transact;
mod transfer;
pub mod transfer_of;
pub mod trial_balance;
mod update;
mod update_wallet;
mod void;
pub mod wallet;
pub mod wallets;
mod withdraw;

use florin_actors::messages::Command;
use rand::Rng;

use super::client::Client;

/// Draws an operation and performs it.
pub async fn run(client: &mut Client) {
    match client.rng.random_range(0..100) {
        0..4 => look_up::run(client).await,
        4..9 => account::run(client).await,
        9..12 => wallet::run(client).await,
        12..14 => wallets::run(client).await,
        14..17 => accounts::run(client).await,
        17..21 => movements::run(client).await,
        21..24 => transfer_of::run(client).await,
        24..26 => trial_balance::run(client).await,
        26..38 => repeat::run(client).await,
        38..42 => burst::run(client).await,
        42..46 => drop_out::run(client).await,
        46..49 => resume::run(client).await,
        49..54 => reserve::run(client).await,
        54..57 => merchant::run(client).await,
        _ => {
            let command = command(client);
            let request = client.request(command);
            client.ask(request).await;
        }
    }
}

/// Draws a command.
fn command(client: &mut Client) -> Command {
    if wants_account(client) {
        let is_first = client.world.book.borrow().accounts.is_empty();
        return match client.rng.random_range(0..100) {
            0..35 if !is_first => open_wallet::command(client),
            35..55 if !is_first => open_merchant::command(client),
            _ => open::command(client),
        };
    }
    match client.rng.random_range(0..100) {
        0..19 => deposit::command(client),
        19..26 => withdraw::command(client),
        26..37 => transfer::command(client),
        37..48 => hold::command(client),
        48..56 => batch::command(client),
        56..60 => transact::command(client),
        60..70 => post::command(client),
        70..75 => void::command(client),
        75..82 => reverse::command(client),
        82..88 => update::command(client),
        88..92 => update_wallet::command(client),
        92 => erase::command(client),
        93 => erase_merchant::command(client),
        94..96 => delete::command(client),
        96 => open_merchant::command(client),
        97 => open_wallet::command(client),
        _ => open::command(client),
    }
}

/// Reports whether the client should open an account, wallet or merchant, because there are too few.
fn wants_account(client: &mut Client) -> bool {
    let most = client.world.settings.accounts_max;
    let mut book = client.world.book.borrow_mut();
    let wants = book.accounts.is_empty() || book.opening < most;
    book.opening += usize::from(wants);
    wants && (book.accounts.is_empty() || client.rng.random_bool(0.5))
}
