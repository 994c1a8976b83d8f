//! Transfers: how they are made at once, held, posted, voided, expired and reversed.

use std::rc::Rc;

use florin_actors::messages::{
    self, Code, Currency, EntityId, Hold, Timestamp, TransferEnds, TransferMade, TransferStatus,
};

use super::kept::{Transfer, What, minor};
use super::movements::{How, Moving};
use super::{Effect, Ledger, Place, Shows, Touch, Verdict};
use crate::sim::history::Request;

impl Ledger {
    pub(super) fn transfer_at_once(
        &self,
        transfer: &messages::Transfer,
        request: &Request,
        place: Place,
    ) -> Result<Effect, Code> {
        let moving = Moving {
            from: Some(transfer.from),
            to: Some(transfer.to),
            amount: minor(transfer.amount),
            currency: transfer.currency,
            about: transfer.from,
            how: How::AtOnce,
            state: Ok(()),
        };
        let mut effect = self.moved(&moving, request, place)?;
        let currency = self.money(transfer.from).ok_or(Code::NotFound)?.currency;
        let made = made(transfer, currency, None, place.time);
        effect.at_once = vec![(place.operation.transfer(), made)];
        Ok(effect)
    }

    pub(super) fn hold(
        &self,
        hold: &Hold,
        request: &Request,
        place: Place,
    ) -> Result<Effect, Code> {
        let transfer = &hold.transfer;
        let amount = minor(transfer.amount);
        let moving = Moving {
            from: Some(transfer.from),
            to: Some(transfer.to),
            amount,
            currency: transfer.currency,
            about: transfer.from,
            how: How::Hold,
            state: Ok(()),
        };
        let currency = self.permitted(&moving, request, place.time)?;
        let expires_at = hold.expires_in_seconds.map(|seconds| {
            Timestamp::from_micros(place.time.as_micros() + i64::from(seconds) * 1_000_000)
        });
        let pending = Transfer {
            made: made(transfer, currency, expires_at, place.time),
            status: TransferStatus::Pending,
            was_pending: true,
            posted: 0,
            held: amount,
            reversed_by: None,
        };
        let source = self.posted(transfer.from, 0, place, |money| {
            money.held += amount;
            money.take(place.time, amount);
        });
        let id = EntityId::from_bytes(place.operation.to_bytes());
        Ok(self.ended(id, pending, vec![source], place))
    }

    pub(super) fn post(
        &self,
        post: messages::Post,
        request: &Request,
        place: Place,
    ) -> Result<Effect, Code> {
        let mut transfer = self.transfer(post.transfer).ok_or(Code::NotFound)?;
        let amount = post.amount.map_or(transfer.held, minor);
        let TransferMade { from, to, .. } = transfer.made;
        let over = transfer.made.expires_at.is_some_and(|at| at <= place.time);
        let state = match check_pending(&transfer) {
            Err(code) => Err(code),
            Ok(()) if over => Err(Code::TransferExpired),
            Ok(()) if amount > transfer.held => Err(Code::AmountExceedsHold),
            Ok(()) => Ok(()),
        };
        let moving = Moving {
            from: Some(from),
            to: Some(to),
            amount,
            currency: Some(transfer.made.currency),
            about: from,
            how: How::Post,
            state,
        };
        self.permitted(&moving, request, place.time)?;
        let left = if post.is_final {
            0
        } else {
            transfer.held - amount
        };
        let freed = transfer.held - left;
        let held_at = transfer.made.made_at;
        transfer.posted += amount;
        transfer.held = left;
        if left == 0 {
            transfer.status = TransferStatus::Posted;
        }
        let source = self.posted(from, -amount, place, |money| {
            money.held -= freed;
            // The released rest doesn't count in the hold's day any more.
            money.take(held_at, amount - freed);
        });
        let target = self.posted(to, amount, place, |_| ());
        let mut effect = self.ended(post.transfer, transfer, vec![source, target], place);
        effect.ends = (Some(from), Some(to));
        Ok(effect)
    }

    pub(super) fn void(
        &self,
        id: EntityId,
        request: &Request,
        place: Place,
    ) -> Result<Effect, Code> {
        let transfer = self.transfer(id).ok_or(Code::NotFound)?;
        self.at_version(transfer.made.from, request)?;
        check_pending(&transfer)?;
        Ok(self.released(id, transfer, TransferStatus::Voided, place))
    }

    /// Returns the verdict on the node's own expiry of a transfer: no effect unless its time is
    /// over.
    pub fn expire(&self, id: EntityId, place: Place) -> Verdict {
        let Some(transfer) = self.transfer(id) else {
            return Verdict::Refused(Code::NotFound);
        };
        let is_due = self.due(place.time).any(|due| due.transfer == id);
        if !is_due {
            return Verdict::Done(Box::default());
        }
        let mut effect = self.released(id, transfer, TransferStatus::Expired, place);
        // The target is no part of an expiry.
        if let Shows::Ends(ends) = &mut effect.shown {
            ends.to.1 = None;
        }
        Verdict::Done(Box::new(effect))
    }

    pub(super) fn reverse(
        &self,
        reverse: &messages::Reverse,
        request: &Request,
        place: Place,
    ) -> Result<Effect, Code> {
        let id = reverse.transfer;
        let mut transfer = self.transfer(id).ok_or(Code::NotFound)?;
        let TransferMade { from, to, .. } = transfer.made;
        let currency = transfer.made.currency;
        let state = match transfer.status {
            TransferStatus::Reversed => Err(Code::AlreadyReversed),
            TransferStatus::Pending | TransferStatus::Voided | TransferStatus::Expired => {
                Err(Code::NotPosted)
            }
            TransferStatus::Posted => Ok(()),
        };
        let moving = Moving {
            from: Some(to),
            to: Some(from),
            amount: transfer.posted,
            currency: Some(currency),
            about: from,
            how: How::AtOnce,
            state,
        };
        let mut effect = self.moved(&moving, request, place)?;
        let amount = u64::try_from(transfer.posted).unwrap();
        let opposite = TransferMade {
            from: to,
            to: from,
            amount: messages::Amount::new(amount).unwrap(),
            currency,
            expires_at: None,
            reference: reverse.reference.clone(),
            metadata: reverse.metadata.clone(),
            made_at: place.time,
            reverses: Some(id),
        };
        effect.at_once = vec![(place.operation.transfer(), opposite)];
        transfer.status = TransferStatus::Reversed;
        transfer.reversed_by = Some(place.operation.transfer());
        // The answer shows the reversal, which is a transfer of its own.
        let balances = |place: usize| effect.touched[place].after.balances();
        effect.shown = Shows::Ends(TransferEnds {
            id: EntityId::from_bytes(place.operation.to_bytes()),
            status: TransferStatus::Posted,
            from: (to, balances(0).unwrap()),
            to: (from, balances(1)),
        });
        let noted = self.touch(id, What::Transfer(Rc::new(transfer)), None, place);
        effect.touched.push(noted);
        Ok(effect)
    }

    /// Ends a transfer without another post: everything that is held is released, to the source and
    /// to its day.
    fn released(
        &self,
        id: EntityId,
        mut transfer: Transfer,
        end: TransferStatus,
        place: Place,
    ) -> Effect {
        let (held, held_at) = (transfer.held, transfer.made.made_at);
        transfer.held = 0;
        transfer.status = match transfer.posted {
            0 => end,
            _ => TransferStatus::Posted,
        };
        let source = self.posted(transfer.made.from, 0, place, |money| {
            money.held -= held;
            money.take(held_at, -held);
        });
        self.ended(id, transfer, vec![source], place)
    }

    /// Returns the effect of a transfer's new state, together with the changes of its ends.
    fn ended(
        &self,
        id: EntityId,
        transfer: Transfer,
        mut touched: Vec<Touch>,
        place: Place,
    ) -> Effect {
        let balances = |entity: EntityId| {
            let touch = touched.iter().find(|touch| touch.entity == entity);
            let kept = touch.map_or_else(|| self.entity(entity), |touch| Some(&touch.after));
            kept.and_then(|kept| kept.balances())
        };
        let (from, to) = (transfer.made.from, transfer.made.to);
        let shown = Shows::Ends(TransferEnds {
            id,
            status: transfer.status,
            from: (from, balances(from).unwrap()),
            to: (to, balances(to)),
        });
        touched.push(self.touch(id, What::Transfer(Rc::new(transfer)), None, place));
        Effect {
            touched,
            shown,
            ..Effect::default()
        }
    }
}

/// Checks that a transfer can be posted or voided. The error says what ended it.
fn check_pending(transfer: &Transfer) -> Result<(), Code> {
    if !transfer.was_pending {
        return Err(Code::NotPending);
    }
    match transfer.status {
        TransferStatus::Pending => Ok(()),
        TransferStatus::Posted => Err(Code::AlreadyPosted),
        TransferStatus::Voided => Err(Code::AlreadyVoided),
        TransferStatus::Expired => Err(Code::TransferExpired),
        TransferStatus::Reversed => Err(Code::AlreadyReversed),
    }
}

/// Returns the facts of a transfer that are fixed when it is made.
fn made(
    transfer: &messages::Transfer,
    currency: Currency,
    expires_at: Option<Timestamp>,
    made_at: Timestamp,
) -> TransferMade {
    TransferMade {
        from: transfer.from,
        to: transfer.to,
        amount: transfer.amount,
        currency,
        expires_at,
        reference: transfer.reference.clone(),
        metadata: transfer.metadata.clone(),
        made_at,
        reverses: None,
    }
}
