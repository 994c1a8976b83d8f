//! The interface of an entity.

use super::balance::Balance;
use super::listing::ListRow;
use super::money::{MoneyEvent, MoneyStep};
use crate::words::{Code, Currency, EntityId, Overdraft, Rejection, Timestamp};

/// The record that contains an event: the part of it that `evolve` may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The sequence of the record.
    pub sequence: u64,
    /// The time of the record.
    pub time: Timestamp,
}

/// One kind of entity: a pure state machine.
pub trait Entity: Sized {
    /// The events that the entity records.
    type Event: Fact;
    /// The steps that only this kind takes.
    type Step;

    /// The kind's public name, e.g. `account`.
    const NAME: &'static str;
    /// The sentence of the refusal if there is no such entity.
    const NOT_FOUND: &'static str;

    /// Returns the events that `step` causes, or the first rule that forbids it. `state` is `None`
    /// if the entity doesn't exist yet; `now` is the time of the record. Changes nothing.
    fn decide(
        state: Option<&Self>,
        step: &Self::Step,
        now: Timestamp,
    ) -> Result<Vec<Self::Event>, Rejection>;

    /// Does the same for a step that moves or holds money. An entity without a balance refuses it.
    fn decide_money(
        _state: Option<&Self>,
        _step: &MoneyStep,
        _now: Timestamp,
    ) -> Result<Vec<Self::Event>, Rejection> {
        Err(Self::not_found())
    }

    /// Returns the entity after one of its events. `None` means that the event can't follow the
    /// state, so the record is damaged.
    fn evolve(state: Option<Self>, event: &Self::Event, stamp: Stamp) -> Option<Self>;

    /// Returns the refusal for an entity that doesn't exist or has another kind.
    fn not_found() -> Rejection {
        Rejection::new(Code::NotFound, Self::NOT_FOUND)
    }

    /// Returns the currency and the balance, if the entity has money that callers may name.
    fn money(&self) -> Option<(Currency, Balance)> {
        None
    }

    /// Returns the currency, balance, held amount and overdraft for a posting of the entity.
    fn posted(&self) -> Option<(Currency, i128, i64, Overdraft)> {
        let (currency, balance) = self.money()?;
        Some((
            currency,
            i128::from(balance.posted),
            balance.held,
            balance.overdraft,
        ))
    }

    /// Returns the sequence of the record beside which the entity's personal values are stored.
    /// `None` if the entity has none, or if they were erased: they must not be read then.
    fn personal(&self) -> Option<u64> {
        None
    }

    /// Returns the entity's rows in lists. They must not depend on the balance, because lists are
    /// not updated after an event that only moves or holds money.
    fn rows(&self) -> Vec<ListRow> {
        Vec::new()
    }
}

/// An entity that its owner may look at.
pub trait Viewed: Entity {
    /// The entity as its owner sees it.
    type View;

    /// Returns the entity as its owner sees it.
    fn view(&self, id: EntityId, version: u64) -> Self::View;
}

/// An event of an entity.
pub trait Fact {
    /// Returns what happened to the money of an entity that callers may name.
    fn money(&self) -> Option<&MoneyEvent> {
        None
    }

    /// Returns the amount that the event moved, in minor units, negative for a debit.
    fn moved(&self) -> i64 {
        self.money().map_or(0, MoneyEvent::moved)
    }

    /// Returns the overdraft limit that the entity has from this event on, if the event sets it.
    fn overdraft(&self) -> Option<Overdraft> {
        None
    }

    /// Returns the sequence of the record whose personal values the event erases.
    fn erased(&self) -> Option<u64> {
        None
    }
}
