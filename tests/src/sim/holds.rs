//! The holds of pending transfers, derived from the records' events alone. Each pending transfer
//! must end once, in time, and release exactly what it held.

use std::collections::BTreeMap;

use florin_actors::messages::{
    EntityId, Event, MoneyEvent, Record, Timestamp, TransferEvent, TransferMade,
};

use super::invariants::ensure;

/// A transfer that is an entity.
#[derive(Debug, Clone)]
struct Hold {
    made: TransferMade,
    held: i128,
    posted: i128,
    ended: bool,
    reversed: bool,
}

/// Every transfer that is an entity.
#[derive(Debug, Default)]
pub struct Holds {
    transfers: BTreeMap<EntityId, Hold>,
}

impl Holds {
    /// Returns the amount that pending transfers hold of an entity.
    pub fn of(&self, entity: EntityId) -> i128 {
        let own = self
            .transfers
            .values()
            .filter(|hold| hold.made.from == entity);
        own.map(|hold| hold.held).sum()
    }

    /// Applies the next event of a transfer.
    ///
    /// # Errors
    /// Returns an error if the event can't follow the previous ones.
    pub fn take(&mut self, id: EntityId, event: &Event, time: Timestamp) -> Result<(), String> {
        let Event::Transfer(event) = event else {
            return Ok(());
        };
        let amount = |made: &TransferMade| i128::from(made.amount.get());
        let begun = match event {
            TransferEvent::Pending(made) => Some((made, amount(made), 0)),
            TransferEvent::Immediate(made) => Some((made, 0, amount(made))),
            _ => None,
        };
        if let Some((made, held, posted)) = begun {
            let hold = Hold {
                made: TransferMade::clone(made),
                held,
                posted,
                ended: held == 0,
                reversed: false,
            };
            let before = self.transfers.insert(id, hold);
            return ensure(before.is_none(), || format!("{id} begins twice"));
        }
        let hold = self.transfers.get_mut(&id);
        let hold = hold.ok_or_else(|| format!("{id} changes and never began"))?;
        let over = hold.made.expires_at.is_some_and(|at| at <= time);
        match event {
            TransferEvent::Posted { amount, freed } => {
                ensure(!hold.ended && !over, || {
                    format!("{id} is posted after its end")
                })?;
                hold.posted += i128::from(amount.get());
                hold.held -= i128::from(freed.get());
                hold.ended = hold.held == 0;
                ensure(
                    hold.held >= 0 && hold.posted <= i128::from(hold.made.amount.get()),
                    || format!("{id} posts more than it holds"),
                )
            }
            TransferEvent::Voided | TransferEvent::Expired => {
                ensure(!hold.ended, || format!("{id} ends twice"))?;
                let early = *event == TransferEvent::Expired && !over;
                ensure(!early, || format!("{id} expires before its time"))?;
                hold.held = 0;
                hold.ended = true;
                Ok(())
            }
            TransferEvent::Reversed(_) => {
                let once = hold.ended && hold.posted > 0 && !hold.reversed;
                hold.reversed = true;
                ensure(once, || format!("{id} is reversed again, or moved nothing"))
            }
            TransferEvent::Pending(_) | TransferEvent::Immediate(_) => Ok(()),
        }
    }

    /// Checks that a record gives the time at which the hold was made. This time decides the day
    /// that the hold counts in.
    ///
    /// # Errors
    /// Returns an error if the record gives another time.
    pub fn settled(&self, record: &Record) -> Result<(), String> {
        let events = record.changes.iter().flat_map(|change| &change.events);
        for event in events {
            if let Some(
                MoneyEvent::HoldPosted { held_at, .. } | MoneyEvent::HoldReleased { held_at, .. },
            ) = event.money()
            {
                let about = record.command.routing_entity();
                let hold = about.and_then(|id| self.transfers.get(&id));
                ensure(
                    hold.is_some_and(|hold| hold.made.made_at == *held_at),
                    || format!("{about:?} was not made at {held_at}"),
                )?;
            }
        }
        Ok(())
    }
}
