//! Transactions of many legs, and batches. Each part is executed like a separate command, on the
//! state that the parts before it left.

use std::collections::BTreeMap;
use std::sync::Arc;

use florin_actors::messages::{
    self, Batch, BatchItem, Code, Command, EntityId, Metadata, Transact, TransferStatus,
};

use super::{Effect, Ledger, Place, Shows, Touch, Verdict};
use crate::sim::claims::normal;
use crate::sim::history::Request;

/// A caller and an idempotency key.
pub type Scope = (String, String);

/// The outcome of a batch's item that was not simply done, or of a key's first request.
#[derive(Debug, Clone, PartialEq)]
pub enum Became {
    Refused(Code),
    /// The key was used before, and that request was refused with this code.
    RefusedBefore(Code),
    /// The item made this transfer, or an earlier request with its key did.
    Made(EntityId, TransferStatus),
}

/// A settled key, with the record that settled it, its request, and its outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Settled {
    pub key: Arc<str>,
    pub sequence: u64,
    /// The command, without currencies that are the entity's own.
    pub command: Command,
    /// The outcome, and the record from which on it is known. `None` if the command is still to be
    /// executed.
    pub became: Option<(u64, Became)>,
}

/// The keys that were settled up to a record.
#[derive(Debug, Clone, Copy)]
pub struct Before<'k> {
    pub keys: &'k BTreeMap<Scope, Settled>,
    pub up_to: u64,
}

impl Before<'_> {
    fn find(&self, request: &Request, key: &str) -> Option<&Settled> {
        let scope = (request.caller.name().to_owned(), key.to_owned());
        let settled = self.keys.get(&scope)?;
        (settled.sequence <= self.up_to).then_some(settled)
    }
}

/// Returns the request for a command that is a part of another request.
fn part(request: &Request, command: Command) -> Request {
    Request {
        command,
        if_match: None,
        kind: None,
        asynchronous: false,
        ..request.clone()
    }
}

fn status(item: &BatchItem) -> TransferStatus {
    match item.pending {
        Some(_) => TransferStatus::Pending,
        None => TransferStatus::Posted,
    }
}

impl Ledger {
    pub(super) fn transact(&self, transact: &Transact, request: &Request, place: Place) -> Verdict {
        let mut ledger = self.clone();
        let mut touched: Vec<Touch> = Vec::new();
        for (index, leg) in transact.legs.iter().enumerate() {
            let transfer = Command::Transfer(messages::Transfer {
                from: leg.from,
                to: leg.to,
                amount: leg.amount,
                currency: None,
                reference: None,
                metadata: Metadata::default(),
            });
            let effect = match ledger.effect(&part(request, transfer), place) {
                Ok(effect) => effect,
                Err(code) => {
                    let index = index as u32;
                    return Verdict::Rejected { index, code };
                }
            };
            ledger.apply(&effect, place);
            for touch in effect.touched {
                match touched
                    .iter_mut()
                    .find(|known| known.entity == touch.entity)
                {
                    None => touched.push(touch),
                    // Each entity has one posting, however often it was moved.
                    Some(known) => {
                        let amount = known.postings[0].amount + touch.postings[0].amount;
                        let version = known.after.version;
                        known.postings = touch.postings;
                        known.postings[0].amount = amount;
                        known.after = touch.after;
                        known.after.version = version;
                    }
                }
            }
        }
        Verdict::Done(Box::new(Effect {
            touched,
            many_legs: true,
            ..Effect::default()
        }))
    }

    pub(super) fn batch(
        &self,
        batch: &Batch,
        request: &Request,
        place: Place,
        before: Before<'_>,
    ) -> Verdict {
        let mut ledger = self.clone();
        let (mut effect, mut others) = (Effect::default(), Vec::new());
        let mut here: BTreeMap<&str, (Command, Became)> = BTreeMap::new();
        for (index, item) in batch.items.iter().enumerate() {
            let index = index as u32;
            let command = normal(&item.command(), self);
            let key = item.key.as_deref();
            let first = match key.and_then(|key| here.get(key)) {
                Some((first, became)) => Some((first, became)),
                None => match key.and_then(|key| before.find(request, key)) {
                    None => None,
                    Some(settled) if settled.command != command => Some((
                        &settled.command,
                        &Became::Refused(Code::IdempotencyKeyReused),
                    )),
                    Some(settled) => match &settled.became {
                        Some((known, became)) if *known <= before.up_to => {
                            Some((&settled.command, became))
                        }
                        _ => return Verdict::Open,
                    },
                },
            };
            let became = match first {
                Some((first, _)) if *first != command => {
                    Some(Became::Refused(Code::IdempotencyKeyReused))
                }
                Some((_, Became::Refused(code))) => Some(Became::RefusedBefore(*code)),
                Some((_, became)) => Some(became.clone()),
                None => {
                    let operation = place.operation.item(index, item.transfer.from.shard());
                    let place = Place { operation, ..place };
                    let made = ledger.effect(&part(request, command.clone()), place);
                    let refused = made.as_ref().err().map(|code| Became::Refused(*code));
                    if let Ok(made) = made {
                        ledger.apply(&made, place);
                        effect.take_item(index, place, made);
                    }
                    if let (Some(text), Some(key)) = (key, &item.key) {
                        let made = Became::Made(operation.transfer(), status(item));
                        let became = refused.clone().unwrap_or(made);
                        if became != Became::Refused(Code::NotFound) {
                            effect.settles.push(Settled {
                                key: Arc::clone(key),
                                sequence: place.sequence,
                                command: command.clone(),
                                became: Some((place.sequence, became.clone())),
                            });
                        }
                        here.insert(text, (command, became));
                    }
                    refused
                }
            };
            match became {
                Some(Became::Refused(code) | Became::RefusedBefore(code)) if batch.atomic => {
                    return Verdict::Rejected { index, code };
                }
                Some(became) => others.push((index, became)),
                None => {}
            }
        }
        effect.shown = Shows::Items(others);
        Verdict::Done(Box::new(effect))
    }
}

impl Effect {
    /// Adds an item of a batch. Every item has its own postings.
    fn take_item(&mut self, index: u32, place: Place, item: Self) {
        for mut touch in item.touched.clone() {
            touch.postings.iter_mut().for_each(|post| post.item = index);
            let mut known = self.touched.iter_mut();
            match known.find(|known| known.entity == touch.entity) {
                None => self.touched.push(touch),
                Some(known) => {
                    known.raised += 1;
                    known.postings.append(&mut touch.postings);
                    known.after = touch.after;
                }
            }
        }
        self.at_once.extend(item.at_once.iter().cloned());
        self.items.push((index, place.operation, item));
    }
}
