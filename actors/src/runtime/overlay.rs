//! The copies that a turn works on: what it looked at, and what the events make of it.

use std::rc::Rc;

use super::ledger::Ledger;
use super::seat::{Phase, Seat};
use crate::entities::{Lookup, Part, Stamp, State, States, Step};
use crate::messages::{
    AccountView, Change, Command, EntityId, Event, Kind, Outcome, Posting, Rejection,
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

/// The entities that a turn looks at.
pub(super) struct Overlay<'l> {
    ledger: &'l Ledger,
    subject: &'l Rc<Seat>,
    seen: Vec<Seen>,
}

/// One entity as the turn found it.
struct Seen {
    seat: Rc<Seat>,
    state: Option<State>,
    version: u64,
    last: u64,
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
            last,
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
                self.seen.push(Seen::of(seat));
                self.seen.len() - 1
            }
        };
        self.ledger.asked.set(Some(entity));
        self.ledger.intercept.decide(entity);
        match &self.seen[place].state {
            Some(state) => Lookup::Here(state),
            None => Lookup::Absent,
        }
    }
}

impl<'l> Overlay<'l> {
    /// Nothing looked at yet; `subject` is the seat whose actor asks.
    pub(super) fn new(ledger: &'l Ledger, subject: &'l Rc<Seat>) -> Self {
        Self {
            ledger,
            subject,
            seen: Vec::with_capacity(2),
        }
    }

    fn place(&self, entity: EntityId) -> Option<usize> {
        self.seen.iter().position(|seen| seen.seat.entity == entity)
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
    pub(super) fn evolved(
        mut self,
        command: &Command,
        parts: Vec<Part>,
        events: Vec<Vec<Event>>,
        stamp: Stamp,
    ) -> Verdict {
        let rests_on = self.rests_on();
        let mut touched: Vec<Touched> = Vec::with_capacity(parts.len());
        let mut postings = Vec::new();
        for (part, events) in parts.into_iter().zip(events) {
            let Some(place) = self.place(part.entity) else {
                continue;
            };
            let mut seen = self.seen.swap_remove(place);
            let mut state = seen.state.take();
            self.ledger.asked.set(Some(part.entity));
            self.ledger.intercept.evolve(part.entity);
            for event in &events {
                state = State::evolve(state, event, stamp);
            }
            let Some(after) = state else { continue };
            if events.is_empty() {
                seen.state = Some(after);
                self.seen.push(seen);
                continue;
            }
            if let Some(posting) = posting(&part, &after, touched.len()) {
                postings.push(posting);
            }
            let change = Change {
                entity: part.entity,
                version: seen.version + 1,
                previous: seen.last,
                events,
            };
            touched.push(Touched {
                seat: seen.seat,
                after,
                change,
            });
        }
        let outcome = Outcome::Done(self.shown(command, &touched));
        Verdict {
            outcome,
            touched,
            postings,
            rests_on,
            keep: false,
        }
    }

    /// The account that the answer shows, where the record's changes alone don't tell it.
    fn shown(&self, command: &Command, touched: &[Touched]) -> Option<Box<AccountView>> {
        if !matches!(
            command,
            Command::UpdateAccount(_) | Command::DeleteAccount(_) | Command::EraseAccount(_)
        ) {
            return None;
        }
        let account = |id: EntityId, state: &State, version: u64| match state {
            State::Account(account) => Some(Box::new(account.view(id, version))),
            _ => None,
        };
        match touched
            .iter()
            .find(|touched| touched.change.kind() == Some(Kind::Account))
        {
            Some(touched) => account(touched.seat.entity, &touched.after, touched.change.version),
            None => self
                .seen
                .first()
                .and_then(|seen| account(seen.seat.entity, seen.state.as_ref()?, seen.version)),
        }
    }
}

/// The posting of a part that moved money.
fn posting(part: &Part, after: &State, change: usize) -> Option<Posting> {
    let amount = match &part.step {
        Step::Debit(amount, _) => -amount.signed(),
        Step::Credit(amount, _) => amount.signed(),
        _ => return None,
    };
    let (currency, balance, held, overdraft) = after.posted()?;
    Some(Posting {
        change: change as u32,
        amount,
        currency,
        balance,
        held,
        overdraft,
    })
}
