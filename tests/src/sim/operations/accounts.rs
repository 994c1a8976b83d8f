//! Lists accounts with a filter, page by page.

use florin_actors::messages::AccountStatus;
use florin_actors::views::AccountFilter;
use rand::Rng;

use crate::sim::client::Client;
use crate::sim::history::Seen;
use crate::sim::world::World;

/// Lists accounts with a random filter and page size.
pub async fn run(client: &mut Client) {
    let status = match client.rng.random_range(0..6) {
        0 => Some(AccountStatus::Active),
        1 => Some(AccountStatus::Frozen),
        2 => Some(AccountStatus::Deleted),
        _ => None,
    };
    let reference = client.reference();
    let filter = AccountFilter { status, reference };
    let limit = client.rng.random_range(1..6);
    list(client, filter, limit).await;
}

/// Lists every page.
pub async fn list(client: &mut Client, filter: AccountFilter, limit: usize) {
    let mut after = None;
    loop {
        let core = client.core.clone();
        let from = World::durable(&core);
        let read = core.accounts(filter.clone(), after, limit);
        let Some(page) = client.read(read).await else {
            return;
        };
        client.step(|| format!("lists {filter:?} after {after:?}: {}", page.entries.len()));
        let next = page.next;
        let filter = filter.clone();
        let seen = Seen::Accounts {
            filter,
            after,
            limit,
            page,
        };
        client.world.saw(&core, from, seen);
        if next.is_none() {
            return;
        }
        after = next;
    }
}
