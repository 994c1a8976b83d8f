//! The life of one reservation: a hold, a pause, a withdrawal, the end of the hold, another
//! withdrawal. It may run past the hold's expiry or past midnight, and uses amounts near the daily
//! limit.

use std::time::Duration;

use florin_actors::messages::{
    Amount, Command, EntityId, Hold, Metadata, Outcome, Post, Transfer, Void, Withdraw,
};
use rand::Rng;

use crate::sim::client::Client;

/// The milliseconds within which a midnight is near enough to be waited for.
const NEAR_MILLIS: u64 = 5_000;

/// Runs the steps, as far as they succeed.
pub async fn run(client: &mut Client) {
    let (from, to) = (client.wallet(), client.purse());
    let (amount, expires_in_seconds) = (share(client, from), client.rng.random_range(1..4));
    let expires = client.rng.random_bool(0.7);
    let hold = Command::Hold(Box::new(Hold {
        transfer: Transfer {
            from,
            to,
            amount,
            currency: None,
            reference: None,
            metadata: Metadata::default(),
        },
        expires_in_seconds: expires.then_some(expires_in_seconds),
    }));
    let mut request = client.request(hold);
    (request.if_match, request.dry_run) = (None, false);
    request.asynchronous = false;
    let Some(decided) = client.ask(request).await else {
        return;
    };
    if !matches!(decided.record.outcome, Outcome::Done(_)) {
        return;
    }
    let transfer = decided.record.operation_id.transfer();
    let millis = match client.rng.random_range(0..10) {
        0..4 => client.rng.random_range(0..30),
        // The pause ends around the expiry, mostly shortly after it.
        4..8 if expires => u64::from(expires_in_seconds) * 1_000 + client.rng.random_range(0..120),
        _ => client.rng.random_range(500..3_000),
    };
    let midnight = to_midnight(client);
    let crosses = midnight < NEAR_MILLIS && client.rng.random_bool(0.6);
    let millis = if crosses { midnight + 5 } else { millis };
    tokio::time::sleep(Duration::from_millis(millis)).await;
    let Some((core, life)) = client.world.alive().await else {
        return;
    };
    (client.core, client.life) = (core, life);
    if crosses || client.rng.random() {
        take(client, from).await;
    }
    let part = client.rng.random::<bool>().then(|| share(client, from));
    let end = match client.rng.random_range(0..3) {
        // The release of yesterday's hold must not count for today.
        kind if kind == 0 || crosses => Command::Void(Void { transfer }),
        _ => Command::Post(Post {
            transfer,
            amount: part,
            is_final: client.rng.random_bool(0.6),
        }),
    };
    let request = client.request(end);
    client.ask(request).await;
    take(client, from).await;
    if crosses {
        take(client, from).await;
    }
}

/// Returns the milliseconds until midnight.
fn to_midnight(client: &Client) -> u64 {
    const DAY_MICROS: i64 = 86_400_000_000;
    let gone = client.core.now().as_micros().rem_euclid(DAY_MICROS);
    (DAY_MICROS - gone).unsigned_abs() / 1_000
}

/// Withdraws money.
async fn take(client: &mut Client, from: EntityId) {
    let withdraw = Command::Withdraw(Withdraw {
        from,
        amount: share(client, from),
        currency: None,
        reference: None,
        metadata: Metadata::default(),
    });
    let request = client.request(withdraw);
    client.ask(request).await;
}

/// Draws a part of the daily limit, or all of it.
fn share(client: &mut Client, from: EntityId) -> Amount {
    let limits = client.world.book.borrow().limits.get(&from).copied();
    let day = limits.and_then(|limits| limits.per_day).map(Amount::get);
    let Some(day) = day else {
        return client.amount(Some(from), None);
    };
    let parts = [day, day / 2, day / 2 + 1, day / 3, day / 4];
    Amount::new(parts[client.rng.random_range(0..parts.len())].max(1)).unwrap()
}
