//! Reads the movements of an account or wallet, page by page, and its money at a time.

use florin_actors::messages::{EntityId, Kind, Movement};
use florin_actors::views::Period;
use rand::Rng;

use crate::sim::client::Client;
use crate::sim::history::Seen;
use crate::sim::world::World;

/// Reads the movements of one account or wallet.
pub async fn run(client: &mut Client) {
    let id = client.purse();
    let kind = client.kind_of(id);
    let limit = client.rng.random_range(1..8);
    read(client, id, kind, limit).await;
}

/// Reads every page of the given entity's movements.
pub async fn read(client: &mut Client, id: EntityId, kind: Kind, limit: usize) {
    let mut before = None;
    loop {
        let core = client.core.clone();
        let from = World::durable(&core);
        let Some(page) = client
            .read(core.movements(id, kind, Period::ALWAYS, before, limit))
            .await
        else {
            return;
        };
        let count = page.as_ref().map(|page| page.entries.len());
        client.step(|| format!("reads {count:?} movements of {id} before {before:?}"));
        let next = page.as_ref().and_then(|page| page.next);
        let entries = page.as_ref().map(|page| page.entries.clone());
        let seen = Seen::Movements {
            id,
            kind,
            before,
            limit,
            page,
        };
        client.world.saw(&core, from, seen);
        enter_by_time(client, id, kind, &entries.unwrap_or_default()).await;
        if next.is_none() {
            return;
        }
        before = next;
    }
}

/// Checks that past movements stay unchanged: at a time among these movements the balance is the
/// one that the last movement before it left, and a period has exactly its movements.
async fn enter_by_time(client: &mut Client, id: EntityId, kind: Kind, entries: &[Movement]) {
    if entries.len() < 3 {
        return;
    }
    let core = client.core.clone();
    let asked_at = World::durable(&core);
    let time = entries[client.rng.random_range(1..entries.len())].timestamp;
    let last = entries.iter().position(|entry| entry.timestamp < time);
    // The newest time may have more movements by now, so it is skipped.
    if let Some(last) = last.filter(|last| *last > 0) {
        let Some(standing) = client.read(core.balance_at(id, kind, time)).await else {
            return;
        };
        client.step(|| format!("reads {id} at {time}: {standing:?}"));
        let seen = Seen::BalanceAt {
            id,
            kind,
            time,
            shown: standing,
        };
        client.world.saw(&core, asked_at, seen);
        let right = &entries[last];
        let fits = standing.is_some_and(|standing| {
            standing.balance == i128::from(right.balance_after) && standing.version >= right.version
        });
        if !fits {
            let what = format!("{id} had {standing:?} at {time}, after {right:?}");
            client.world.violated(what);
        }
    }
    let (newest, oldest) = (&entries[0], &entries[entries.len() - 1]);
    let within = |entry: &&Movement| entry.timestamp >= time && entry.timestamp < newest.timestamp;
    // The check needs a page that has all movements of the period.
    if oldest.timestamp < time {
        let period = Period {
            from: time,
            to: newest.timestamp,
        };
        let limit = entries.len();
        let read = core.movements(id, kind, period, None, limit);
        let Some(page) = client.read(read).await else {
            return;
        };
        let shown = page.map(|page| page.entries).unwrap_or_default();
        client.step(|| format!("reads {} movements of {id} in {period:?}", shown.len()));
        if !entries.iter().filter(within).eq(shown.iter()) {
            let what = format!("{id} moved {shown:?} in {period:?}, of {entries:?}");
            client.world.violated(what);
        }
    }
}
