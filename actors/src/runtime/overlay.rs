//! The copies that a turn works on: what it looked at, and what the events make of it.

use std::collections::HashMap;
use std::rc::Rc;

use super::envelope::Envelope;
use super::id_hasher::IdHasher;
use super::ledger::Ledger;
use super::seat::{Phase, Seat};
use crate::entities::{Lookup, Original, Part, Stamp, State, States, Step};
use crate::messages::{
    Balances, Change, Command, Currency, EntityId, Event, Outcome, Posting, Rejection, Shown,
    TransferEnds,
};

/// What was decided, before anything is done.
pub(super) struct Verdict {
    pub(super) outcome: Outcome,
    pub(super) touched: Vec<Touched>,
    pub(super) postings: Vec<Posting>,
    pub(super) rests_on: u64,
    /// Whether it is recorded even if it changes no entity and settles no key.
    pub(super) keep: bool,
}

impl Verdict {
    /// A verdict that changes no entity.
    pub(super) const fn without_effect(outcome: Outcome) -> Self {
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
pub(super) struct Touched {
    pub(super) seat: Rc<Seat>,
    pub(super) after: State,
    pub(super) change: Change,
}

/// So many entities are found fastest one by one.
const FEW: usize = 8;

/// The entities that a turn looks at.
pub(super) struct Overlay<'l> {
    ledger: &'l Rc<Ledger>,
    subject: &'l Rc<Seat>,
    envelope: &'l Envelope,
    seen: Vec<Seen>,
    /// Where each entity is among those, once there are many.
    places: HashMap<EntityId, usize, IdHasher>,
    postings: Vec<Posting>,
    /// Which item of a batch is worked on.
    item: u32,
    /// Whether an entity has one posting in all, whatever moves it how often.
    nets: bool,
}

/// One entity as the turn found it, and what the turn made of it.
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
                    match self.ledger.directory.borrow().seat(entity) {
                        Some(seat) => Rc::clone(seat),
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
        self.ledger.asked.set(Some(entity));
        self.ledger.intercept.decide(entity);
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
        self.ledger.assets.trade(currency)
    }

    fn fresh(&mut self, entity: EntityId) -> bool {
        if self.place(entity).is_some() {
            return true;
        }
        // Its id is known outside as soon as its command came: it may have a seat, and has one only.
        let known = self.ledger.directory.borrow().seat(entity).cloned();
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
    /// Nothing looked at yet; `subject` is the seat whose actor asks.
    pub(super) fn new(
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

    /// From now on it is this item of a batch that is worked on.
    pub(super) const fn begin_item(&mut self, item: u32) {
        self.item = item;
    }

    /// From now on an entity gets one posting in all.
    pub(super) const fn net(&mut self) {
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

    /// The version of an entity that was looked at.
    pub(super) fn version(&self, entity: EntityId) -> u64 {
        self.place(entity)
            .map_or(0, |place| self.seen[place].version)
    }

    /// The last record of anything looked at.
    fn rests_on(&self) -> u64 {
        self.seen.iter().map(|seen| seen.last).max().unwrap_or(0)
    }

    /// A verdict of no.
    pub(super) fn refused(&self, rejection: Rejection) -> Verdict {
        for seen in &self.seen {
            self.ledger.forget_vacant(&seen.seat);
        }
        let mut verdict = Verdict::without_effect(Outcome::Refused(rejection));
        verdict.rests_on = self.rests_on();
        verdict
    }

    /// What the events make of each entity.
    pub(super) fn evolve(&mut self, parts: Vec<Part>, events: Vec<Vec<Event>>, stamp: Stamp) {
        for (part, events) in parts.into_iter().zip(events) {
            let Some(place) = self.place(part.entity) else {
                continue;
            };
            let seen = &mut self.seen[place];
            self.ledger.asked.set(Some(part.entity));
            self.ledger.intercept.evolve(part.entity);
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

    /// The verdict of yes: everything that was evolved.
    pub(super) fn done(self, command: &Command) -> Verdict {
        let shown = self.shown(command);
        self.done_showing(shown)
    }

    /// The verdict of yes; and what the answer shows.
    pub(super) fn done_showing(mut self, shown: Option<Shown>) -> Verdict {
        let rests_on = self.rests_on();
        let outcome = Outcome::Done(shown.map(Box::new));
        let mut touched: Vec<Touched> = Vec::with_capacity(self.seen.len());
        // Where each entity stands among those that changed.
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

    /// What the answer shows, where the record's changes alone don't tell it.
    fn shown(&self, command: &Command) -> Option<Shown> {
        let subject = self.envelope.subject;
        let seen = |entity: EntityId| self.seen.iter().find(|seen| seen.seat.entity == entity);
        match command {
            Command::UpdateAccount(_)
            | Command::DeleteAccount(_)
            | Command::EraseAccount(_)
            | Command::OpenWallet(_)
            | Command::UpdateWallet(_) => {
                let seen = seen(subject)?;
                match seen.state.as_ref()? {
                    State::Account(account) => {
                        Some(Shown::Account(account.view(subject, seen.version)))
                    }
                    State::Wallet(wallet) => {
                        Some(Shown::Wallet(wallet.view(subject, seen.version)))
                    }
                    _ => None,
                }
            }
            Command::Hold(_)
            | Command::Post(_)
            | Command::Void(_)
            | Command::Expire(_)
            | Command::Reverse(_) => {
                let made = match command {
                    Command::Hold(_) => self.envelope.operation_id.transfer(),
                    _ => subject,
                };
                let State::Transfer(transfer) = seen(made)?.state.as_ref()? else {
                    return None;
                };
                let balances = |entity: EntityId| -> Option<Balances> {
                    let seen = seen(entity)?;
                    let (_, balance) = seen.state.as_ref()?.money()?;
                    Some(balance.at_version(seen.version))
                };
                let (from, to) = (transfer.made().from, transfer.made().to);
                Some(Shown::Transfer(match command {
                    // The reversal is a transfer of its own, the other way.
                    Command::Reverse(_) => TransferEnds {
                        id: self.envelope.operation_id.transfer(),
                        status: crate::messages::TransferStatus::Posted,
                        from: (to, balances(to)?),
                        to: (from, balances(from)),
                    },
                    _ => TransferEnds {
                        id: made,
                        status: transfer.status(),
                        from: (from, balances(from)?),
                        to: (to, balances(to)),
                    },
                }))
            }
            _ => None,
        }
    }
}

/// The posting of a part that moved money, or changed what is held.
fn posting(part: &Part, after: &State, place: usize, item: u32) -> Option<Posting> {
    let amount = match &part.step {
        Step::Debit(amount, _) | Step::PostHold { amount, .. } => -amount.signed(),
        Step::Credit(amount, _) => amount.signed(),
        Step::Hold(..) | Step::ReleaseHold { .. } => 0,
        _ => return None,
    };
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
