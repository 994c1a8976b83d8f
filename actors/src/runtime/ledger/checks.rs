//! The checks of a turn, before anything is decided: the entity is in memory and in service, the
//! deadline has not passed, and the idempotency key is new.

use std::rc::Rc;

use super::state::Ledger;
use crate::base::key_hash;
use crate::commands::Command;
use crate::entities::{Stamp, State};
use crate::runtime::idempotency::index::Found;
use crate::runtime::replies::reply::Unavailable;
use crate::runtime::residency::envelope::{Envelope, Mode};
use crate::runtime::residency::host::{Need, Turn};
use crate::runtime::residency::seat::{Phase, Seat};

/// A command that may be decided now.
pub(super) struct Checked {
    pub(super) envelope: Box<Envelope>,
    /// The stamp of its record.
    pub(super) stamp: Stamp,
    /// The hash of its idempotency key, which its record settles.
    pub(super) claim: Option<u128>,
}

impl Ledger {
    /// Checks whether a command may be decided now.
    ///
    /// # Errors
    /// Returns the turn's result if not: something must be fetched first, or the command is
    /// answered, turned away, or waits.
    pub(super) fn check(
        self: &Rc<Self>,
        seat: &Rc<Seat>,
        envelope: Box<Envelope>,
    ) -> Result<Checked, Turn> {
        if seat.phase().is_passing() {
            return Err(Turn::Needs(envelope, Need::Subject));
        }
        let now = self.clock.moment();
        seat.needed.set(now.millis());
        let stamp = self.writer.stamp(now.time);
        if matches!(envelope.mode, Mode::Execute(_)) && self.is_closing() {
            return Err(Turn::Ended);
        }
        if now.nanos > envelope.deadline_nanos {
            self.conclude_late(envelope, stamp);
            return Err(Turn::Ended);
        }
        let mut envelope = self.check_currencies(seat, envelope)?;
        self.leave_default_currency_away(seat, &mut envelope);
        if let Command::Batch(batch) = &mut envelope.command {
            self.leave_item_currencies_away(batch);
        }
        let (mut envelope, claim) = self.claim_key(seat, envelope)?;
        if let Mode::Execute(execution) = envelope.mode {
            let back = self.waits_in_line(seat, execution, envelope);
            envelope = back.ok_or(Turn::Ended)?;
        }
        let may_resume = matches!(envelope.command, Command::Resume(_)) && seat.is_readable();
        if seat.phase() == Phase::Quarantined && !may_resume {
            self.out_of_reach(envelope, Unavailable::Quarantined);
            return Err(Turn::Ended);
        }
        Ok(Checked {
            envelope,
            stamp,
            claim,
        })
    }

    /// Turns a command away that names a currency while the state that defines the default currency
    /// can't be read. It is then unknown whether the currency is the entity's own, and whether a
    /// repeat is the same. A resume reads the entity once more instead.
    fn check_currencies(
        self: &Rc<Self>,
        seat: &Rc<Seat>,
        mut envelope: Box<Envelope>,
    ) -> Result<Box<Envelope>, Turn> {
        let is_resume = matches!(envelope.command, Command::Resume(_));
        if is_resume && !seat.is_readable() && !envelope.read_again {
            envelope.read_again = true;
            self.read_again(seat);
            return Err(Turn::Needs(envelope, Need::Subject));
        }
        let is_unknown = match &envelope.command {
            Command::Batch(batch) => self.names_unreadable_currency(batch),
            _ => false,
        } || !seat.is_readable() && names_currency(&mut envelope);
        if is_unknown && !matches!(envelope.mode, Mode::Execute(_)) {
            self.turn_away(envelope, Unavailable::Quarantined);
            return Err(Turn::Ended);
        }
        Ok(envelope)
    }

    /// Looks the command's idempotency key up. A repeat of a settled key joins the first request.
    /// The returned hash is that of a new key.
    fn claim_key(
        self: &Rc<Self>,
        seat: &Seat,
        envelope: Box<Envelope>,
    ) -> Result<(Box<Envelope>, Option<u128>), Turn> {
        let is_execution = matches!(envelope.mode, Mode::Execute(_));
        let key = envelope.context.key.as_deref();
        let Some(key) = key.filter(|_| !envelope.context.dry_run && !is_execution) else {
            return Ok((envelope, None));
        };
        let hash = key_hash(&envelope.context.caller, key);
        let found = match self.settled.key(hash) {
            Found::At(sequence) => Some(sequence),
            Found::Perhaps(segments) if segments.is_empty() => None,
            Found::Perhaps(segments) => match envelope.key_searched {
                Some(searched) if searched.holds(&segments) => searched.found,
                _ => return Err(Turn::Needs(envelope, Need::Key(hash))),
            },
        };
        let Some(sequence) = found else {
            return Ok((envelope, Some(hash)));
        };
        self.forget_vacant(seat);
        self.join(envelope, sequence);
        Err(Turn::Ended)
    }

    /// Removes the command's currency if it is the entity's own, because a request with and without
    /// the default currency must be the same command.
    fn leave_default_currency_away(&self, seat: &Seat, envelope: &mut Envelope) {
        if let Some(named) = envelope.command.currency_mut()
            && named.is_some()
        {
            let present = seat.present.borrow();
            let own = present
                .state
                .as_ref()
                .and_then(State::money)
                .map(|(currency, _)| currency);
            if *named == own {
                *named = None;
            }
        }
    }
}

fn names_currency(envelope: &mut Envelope) -> bool {
    let named = envelope.command.currency_mut();
    named.is_some_and(|named| named.is_some())
}
