//! Puts an actor back into service, as an operator does: one that was found out of service, or one
//! that is in service anyway.

use florin_actors::messages::{Command, Kind, Resume};
use florin_actors::runtime::ActorFilter;
use rand::Rng;

use crate::sim::client::{Client, WAIT};

/// Looks for actors out of service, and resumes one.
pub async fn run(client: &mut Client) {
    let core = client.core.clone();
    let filter = ActorFilter {
        kind: None,
        state: Some("quarantined".to_owned()),
    };
    let Some(page) = client.read(core.actors(filter, None, 5)).await else {
        return;
    };
    let count = page.entries.len();
    let found = (count > 0).then(|| page.entries[client.rng.random_range(0..count)].clone());
    let named = |kind: &Kind| {
        found
            .as_ref()
            .is_some_and(|actor| kind.name() == actor.kind)
    };
    let kind = Kind::ALL.into_iter().find(named).unwrap_or(Kind::Account);
    let entity = match &found {
        Some(actor) => actor.id,
        None => client.account(),
    };
    let mut request = client.request(Command::Resume(Resume { entity, kind }));
    request.if_match = None;
    client.ask(request).await;
}

/// Resumes every actor that is out of service.
pub async fn run_all(client: &mut Client) {
    let core = client.core.clone();
    let filter = ActorFilter {
        kind: None,
        state: Some("quarantined".to_owned()),
    };
    let Some(page) = client.read(core.actors(filter, None, 100)).await else {
        return;
    };
    for actor in page.entries {
        let named = |kind: &Kind| kind.name() == actor.kind;
        let kind = Kind::ALL.into_iter().find(named).unwrap_or(Kind::Account);
        let entity = actor.id;
        let mut request = client.request(Command::Resume(Resume { entity, kind }));
        (request.if_match, request.key, request.dry_run) = (None, None, false);
        request.wait = WAIT;
        client.ask(request).await;
    }
}
