//! The workload: one file an operation, drawn by weight.

pub mod account;
pub mod accounts;
mod burst;
mod delete;
mod deposit;
mod drop_out;
mod erase;
pub mod look_up;
pub mod movements;
mod open;
mod repeat;
mod resume;
mod transfer;
pub mod trial_balance;
mod update;
mod withdraw;

use florin_actors::messages::Command;
use rand::Rng;

use super::client::Client;

/// Draws an operation and does it.
pub async fn run(client: &mut Client) {
    match client.rng.random_range(0..100) {
        0..5 => look_up::run(client).await,
        5..13 => account::run(client).await,
        13..18 => accounts::run(client).await,
        18..23 => movements::run(client).await,
        23..25 => trial_balance::run(client).await,
        25..38 => repeat::run(client).await,
        38..42 => burst::run(client).await,
        42..46 => drop_out::run(client).await,
        46..49 => resume::run(client).await,
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
        return open::command(client);
    }
    match client.rng.random_range(0..100) {
        0..35 => deposit::command(client),
        35..55 => withdraw::command(client),
        55..84 => transfer::command(client),
        84..94 => update::command(client),
        94..96 => erase::command(client),
        96..98 => delete::command(client),
        _ => open::command(client),
    }
}

/// Whether there are too few accounts yet.
fn wants_account(client: &mut Client) -> bool {
    let most = client.world.settings.accounts_max;
    let mut book = client.world.book.borrow_mut();
    let wants = book.accounts.is_empty() || book.opening < most;
    book.opening += usize::from(wants);
    wants && (book.accounts.is_empty() || client.rng.random_bool(0.5))
}
