//! Looks up an operation: the client's own or another's, in flight, settled or lost.

use florin_actors::messages::{OperationId, Outcome};
use florin_actors::runtime::Operation;
use rand::Rng;

use crate::sim::client::Client;
use crate::sim::history::Seen;
use crate::sim::observed::is_recorded;
use crate::sim::world::World;

/// Looks up one of the operations.
pub async fn run(client: &mut Client) {
    let count = client.world.history.borrow().asked.len();
    if count == 0 || client.rng.random_range(0..20) == 0 {
        let unknown = OperationId::from_parts(1, client.rng.random(), client.rng.random());
        let core = client.core.clone();
        if let Some(Some(found)) = client.read(core.operation(unknown)).await {
            client
                .world
                .violated(format!("an operation that never was is found: {found:?}"));
        }
        return;
    }
    let recent = client.rng.random_bool(0.6);
    let first = if recent { count.saturating_sub(10) } else { 0 };
    let asked = client.rng.random_range(first..count);
    read(client, asked).await;
}

/// Looks up the given operation. Returns what was found, if it could be read.
pub async fn read(client: &mut Client, asked: usize) -> Option<Option<Operation>> {
    let core = client.core.clone();
    let from = World::durable(&core);
    let (id, recorded) = {
        let history = client.world.history.borrow();
        let asked = &history.asked[asked];
        (asked.operation, is_recorded(asked.fate))
    };
    let found = client.read(core.operation(id)).await?;
    let word = match &found {
        None => "nothing".to_owned(),
        Some(Operation::Pending { .. }) => "pending".to_owned(),
        Some(Operation::Decided(decided)) => match &decided.record.outcome {
            Outcome::Refused(rejection) => {
                format!(
                    "record {}: {}",
                    decided.record.sequence,
                    rejection.code.name()
                )
            }
            _ => format!("record {}: done", decided.record.sequence),
        },
    };
    client.step(|| format!("looks #{asked} up: {word}"));
    let seen = Seen::Operation {
        asked,
        recorded,
        found: found.clone(),
    };
    client.world.saw(&core, from, seen);
    Some(found)
}
