//! The supervision tree as operators see it: every actor in memory, walked in slices so that the
//! ledger's thread is never held up.

use std::collections::BinaryHeap;
use std::rc::Rc;

use crate::base::Page;
use crate::entities::Kind;
use crate::runtime::admission::core::Core;
use crate::runtime::ledger::state::Ledger;
use crate::runtime::replies::reply::{ActorView, Unavailable};
use crate::runtime::residency::seat::{Phase, Seat};
use crate::words::EntityId;

/// The number of seats checked before other tasks get their turn.
const SLICE: usize = 512;

/// The filter for a list of actors.
#[derive(Debug, Clone, Default)]
pub struct ActorFilter {
    /// Only actors of this kind.
    pub kind: Option<Kind>,
    /// Only actors in the state with this name, for example `live`.
    pub state: Option<String>,
}

impl Core {
    /// Returns a page of the actors in memory, in the order of their ids.
    ///
    /// # Errors
    /// Returns an error if the node is shutting down.
    pub async fn actors(
        &self,
        filter: ActorFilter,
        after: Option<EntityId>,
        limit: usize,
    ) -> Result<Page<ActorView, EntityId>, Unavailable> {
        self.ask(move |ledger, sender| {
            let ledger = Rc::clone(ledger);
            actix_rt::spawn(async move {
                // A caller that has gone needs no answer.
                let _ = sender.send(ledger.actors(&filter, after, limit).await);
            });
        })
        .await
    }
}

impl Ledger {
    async fn actors(
        &self,
        filter: &ActorFilter,
        after: Option<EntityId>,
        limit: usize,
    ) -> Page<ActorView, EntityId> {
        let mut first: BinaryHeap<EntityId> = BinaryHeap::with_capacity(limit + 2);
        let mut place = 0;
        loop {
            let walked = {
                let directory = self.residents.directory();
                let slice = directory.walk(place, SLICE);
                slice.map(|(seats, next)| {
                    let seats = seats.iter().flatten();
                    let shown = seats.filter(|seat| filter.shows(seat));
                    for seat in shown.filter(|seat| after.is_none_or(|after| seat.entity > after)) {
                        first.push(seat.entity);
                        if first.len() > limit + 1 {
                            first.pop();
                        }
                    }
                    next
                })
            };
            match walked {
                Some(next) => place = next,
                None => break,
            }
            tokio::task::yield_now().await;
        }
        let mut found = first.into_sorted_vec();
        found.dedup();
        let has_more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().copied().filter(|_| has_more);
        let directory = self.residents.directory();
        let seats = found.iter().filter_map(|entity| directory.seat(*entity));
        Page {
            entries: seats.map(|seat| view(seat)).collect(),
            next,
        }
    }
}

impl ActorFilter {
    fn shows(&self, seat: &Seat) -> bool {
        let state = self.state.as_deref();
        self.kind.is_none_or(|kind| seat.kind() == Some(kind))
            && state.is_none_or(|state| seat.phase().name() == state)
    }
}

fn view(seat: &Seat) -> ActorView {
    ActorView {
        kind: seat.kind().map_or("unknown", Kind::name),
        id: seat.entity,
        state: seat.phase().name(),
        version: seat.present.borrow().version,
        restarts: seat.restarts(),
        last_fault: seat.last_fault(),
    }
}

/// The names of the actor states. No actor is ever seen draining, because passivation is one step.
pub const ACTOR_STATES: [&str; 5] = [
    Phase::Loading.name(),
    Phase::Live.name(),
    Phase::Restarting.name(),
    "draining",
    Phase::Quarantined.name(),
];
