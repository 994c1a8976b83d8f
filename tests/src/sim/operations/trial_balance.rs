//! Reads the trial balance.

use crate::sim::client::Client;
use crate::sim::history::Seen;
use crate::sim::world::World;

/// Reads and notes the trial balance.
pub async fn run(client: &mut Client) {
    let core = client.core.clone();
    let from = World::durable(&core);
    let Some(shown) = client.read(core.trial_balance()).await else {
        return;
    };
    client.step(|| format!("reads the trial balance as of {}", shown.as_of_sequence));
    client.world.saw(&core, from, Seen::TrialBalance(shown));
}
