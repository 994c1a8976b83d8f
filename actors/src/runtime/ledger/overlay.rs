//! The copies that a turn works on: the entities that it looked at, and their state after the
//! events.

use std::collections::HashMap;
use std::rc::Rc;

use super::state::Ledger;
use crate::base::IdHasher;
use crate::commands::{After, Command, Lookup, Original, Part, PlanInput, Shown, States};
use crate::entities::{Balances, Event, Stamp, State, Step};
use crate::record::{Change, Outcome, Posting};
use crate::runtime::residency::envelope::Envelope;
use crate::runtime::residency::seat::{Phase, Seat};
use crate::words::{Currency, EntityId, Rejection};

/// A decision that is not yet recorded and applied.
pub(in crate::runtime) struct Verdict {
    pub(in crate::runtime) outcome: Outcome,
    pub(in crate::runtime) touched: Vec<Touched>,
    pub(in crate::runtime) postings: Vec<Posting>,
    pub(in crate::runtime) rests_on: u64,
    /// Set if the decision is recorded even though it changes no entity and settles no key.
    pub(in crate::runtime) keep: bool,
}

impl Verdict {
    /// Creates a verdict that changes no entity.
    pub(in crate::runtime) const fn without_effect(outcome: Outcome) -> Self {
        Self {
            outcome,
            touched: Vec::new(),
            postings: Vec::new(),
            rests_on: 0,
            keep: false,
        }
    }
}

/// One entity's part of a verdict.
pub(in crate::runtime) struct Touched {
    pub(in crate::runtime) seat: Rc<Seat>,
    pub(in crate::runtime) after: State,
    pub(in crate::runtime) change: Change,
}

/// Up to this number of entities, a linear search is the fastest.
const FEW: usize = 8;

/// The entities that a turn looks at.
pub(in crate::runtime) struct Overlay<'l> {
    ledger: &'l Rc<Ledger>,
    subject: &'l Rc<Seat>,
    envelope: &'l Envelope,
    seen: Vec<Seen>,
    /// The position of each entity in `seen`, once there are more than `FEW`.
    places: HashMap<EntityId, usize, IdHasher>,
    postings: Vec<Posting>,
    /// The index of the batch item that is being decided.
    item: u32,
    /// Set if an entity gets one posting in all, however often money moves on it.
    nets: bool,
}

/// One entity as the turn found it, with the changes that the turn made.
struct Seen {
    seat: Rc<Seat>,
    state: Option<State>,
    version: u64,
    raised: u32,
    last: u64,
    events: Vec<Event>,
}

impl Seen {
    fn of(seat: Rc<Seat>) -> Self {
        let present = seat.present.borrow();
        let (version, last) = (present.version, present.last);
        let state = present.state.clone();
        drop(present);
        Self {
            seat,
            state,
            version,
            raised: 0,
            last,
            events: Vec::new(),
        }
    }
}

impl States for Overlay<'_> {
    fn look(&mut self, entity: EntityId) -> Lookup<'_> {
        let place = match self.place(entity) {
            Some(place) => place,
            None => {
                let seat = if entity == self.subject.entity {
                    Rc::clone(self.subject)
                } else {
                    match self.ledger.residents.seat(entity) {
                        Some(seat) => seat,
                        None => return Lookup::Unloaded,
                    }
                };
                if seat.phase() != Phase::Live {
                    return Lookup::Unloaded;
                }
                seat.needed.set(self.subject.needed.get());
                self.take_in(Seen::of(seat))
            }
        };
        self.ledger.calls.decide(entity);
        match &self.seen[place].state {
            Some(state) => Lookup::Here(state),
            None => Lookup::Absent,
        }
    }

    fn original(&mut self, transfer: EntityId) -> Original {
        match &self.envelope.original {
            Some(original) if transfer == self.envelope.subject => original.clone(),
            _ => Original::Unread,
        }
    }

    fn trades(&self, currency: Currency) -> bool {
        self.ledger.rules.assets.trade(currency)
    }

    fn assume_new(&mut self, entity: EntityId) -> bool {
        if self.place(entity).is_some() {
            return true;
        }
        // The id is known outside as soon as the command was received, so the entity may have a
        // seat already, and it must not get a second one.
        let known = self.ledger.residents.seat(entity);
        let seat = match known {
            Some(seat) if seat.phase() != Phase::Live => return false,
            Some(seat) => seat,
            None => self.ledger.seat(entity, Phase::Live),
        };
        self.take_in(Seen::of(seat));
        true
    }
}

impl<'l> Overlay<'l> {
    /// Creates an overlay that has looked at nothing yet. `subject` is the seat whose actor takes
    /// the turn.
    pub(in crate::runtime) fn new(
        ledger: &'l Rc<Ledger>,
        subject: &'l Rc<Seat>,
        envelope: &'l Envelope,
    ) -> Self {
        Self {
            ledger,
            subject,
            envelope,
            seen: Vec::with_capacity(2),
            places: HashMap::default(),
            postings: Vec::new(),
            item: 0,
            nets: false,
        }
    }

    /// Starts an item of a batch: postings made from now on belong to it.
    pub(in crate::runtime) const fn begin_item(&mut self, item: u32) {
        self.item = item;
    }

    /// From now on, gives each entity one posting in all.
    pub(in crate::runtime) const fn net(&mut self) {
        self.nets = true;
    }

    fn place(&self, entity: EntityId) -> Option<usize> {
        if self.seen.len() <= FEW {
            return self.seen.iter().position(|seen| seen.seat.entity == entity);
        }
        self.places.get(&entity).copied()
    }

    fn take_in(&mut self, seen: Seen) -> usize {
        let place = self.seen.len();
        if place == FEW {
            let known = self.seen.iter().enumerate();
            self.places = known
                .map(|(place, seen)| (seen.seat.entity, place))
                .collect();
        }
        if place >= FEW {
            self.places.insert(seen.seat.entity, place);
        }
        self.seen.push(seen);
        place
    }

    /// Returns the version of an entity that was looked at, or 0.
    pub(in crate::runtime) fn version(&self, entity: EntityId) -> u64 {
        self.place(entity)
            .map_or(0, |place| self.seen[place].version)
    }

    /// Returns the balances of an entity that was looked at, after the events applied so far.
    pub(in crate::runtime) fn balances(&self, entity: EntityId) -> Option<Balances> {
        let seen = &self.seen[self.place(entity)?];
        let (_, balance) = seen.state.as_ref()?.money()?;
        Some(balance.at_version(seen.version))
    }

    /// Returns the latest record of all entities that were looked at.
    fn rests_on(&self) -> u64 {
        self.seen.iter().map(|seen| seen.last).max().unwrap_or(0)
    }

    /// Returns a verdict that refuses the command.
    pub(in crate::runtime) fn refused(&self, rejection: Rejection) -> Verdict {
        let rejection = self.ledger.telling_what_moves(self.envelope, rejection);
        for seen in &self.seen {
            self.ledger.forget_vacant(&seen.seat);
        }
        let mut verdict = Verdict::without_effect(Outcome::Refused(rejection));
        verdict.rests_on = self.rests_on();
        verdict
    }

    /// Applies the events of each part to the copy of its entity.
    pub(in crate::runtime) fn evolve(
        &mut self,
        parts: Vec<Part>,
        events: Vec<Vec<Event>>,
        stamp: Stamp,
    ) {
        for (part, events) in parts.into_iter().zip(events) {
            let Some(place) = self.place(part.entity) else {
                continue;
            };
            let seen = &mut self.seen[place];
            self.ledger.calls.evolve(part.entity);
            for event in &events {
                seen.state = State::evolve(seen.state.take(), event, stamp);
            }
            let Some(after) = &seen.state else { continue };
            if events.is_empty() {
                continue;
            }
            let mut posting = posting(&part, after, place, self.item);
            let before = match &posting {
                Some(_) if self.nets => {
                    let mut known = self.postings.iter_mut();
                    known.find(|known| known.change as usize == place)
                }
                _ => None,
            };
            if let (Some(before), Some(after)) = (before, &mut posting) {
                after.amount += before.amount;
                *before = *after;
            } else {
                seen.version += 1;
                seen.raised += 1;
                self.postings.extend(posting);
            }
            if seen.events.is_empty() {
                seen.events = events;
            } else {
                seen.events.extend(events);
            }
        }
    }

    /// Returns the verdict that the command is done, with everything that was evolved.
    pub(in crate::runtime) fn done(self, command: &Command, input: PlanInput) -> Verdict {
        let shown = command.rules().shown(input, &self);
        self.done_showing(shown)
    }

    /// Returns the verdict that the command is done; the answer shows `shown`.
    pub(in crate::runtime) fn done_showing(mut self, shown: Option<Shown>) -> Verdict {
        let rests_on = self.rests_on();
        let outcome = Outcome::Done(shown.map(Box::new));
        let mut touched: Vec<Touched> = Vec::with_capacity(self.seen.len());
        // The index of each entity among those that changed.
        let mut places = Vec::with_capacity(self.seen.len());
        for seen in self.seen {
            places.push(touched.len() as u32);
            let Some(after) = seen.state.filter(|_| !seen.events.is_empty()) else {
                continue;
            };
            let change = Change {
                entity: seen.seat.entity,
                version: seen.version,
                raised: seen.raised,
                previous: seen.last,
                events: seen.events,
            };
            touched.push(Touched {
                seat: seen.seat,
                after,
                change,
            });
        }
        for posting in &mut self.postings {
            posting.change = places[posting.change as usize];
        }
        Verdict {
            outcome,
            touched,
            postings: self.postings,
            rests_on,
            keep: false,
        }
    }
}

impl After for Overlay<'_> {
    fn state(&self, entity: EntityId) -> Option<(&State, u64)> {
        let seen = &self.seen[self.place(entity)?];
        Some((seen.state.as_ref()?, seen.version))
    }

    fn balances(&self, entity: EntityId) -> Option<Balances> {
        Overlay::balances(self, entity)
    }
}

/// Returns the posting of a part that moved money or changed the held amount.
fn posting(part: &Part, after: &State, place: usize, item: u32) -> Option<Posting> {
    let Step::Money(_, step) = &part.step else {
        return None;
    };
    let amount = step.posted()?;
    let (currency, balance, held, overdraft) = after.posted()?;
    Some(Posting {
        change: place as u32,
        item,
        amount,
        currency,
        balance,
        held,
        overdraft,
    })
}
