//! Makes a pending transfer that expires soon, late or never.

use florin_actors::messages::{Command, Hold, Transfer};
use rand::Rng;

use crate::sim::client::Client;

/// Draws a hold.
pub fn command(client: &mut Client) -> Command {
    let (from, to) = (client.purse(), client.purse());
    let expires_in_seconds = match client.rng.random_range(0..10) {
        0..3 => None,
        3..6 => Some(1),
        6..9 => Some(client.rng.random_range(1..20)),
        _ => Some(315_360_000),
    };
    Command::Hold(Box::new(Hold {
        transfer: Transfer {
            from,
            to,
            amount: client.amount(Some(from), Some(to)),
            currency: client.named_currency(),
            reference: client.reference(),
            metadata: client.metadata(),
        },
        expires_in_seconds,
    }))
}
