//! Batches and transactions of many legs: one turn, one record. Every item is decided as the command
//! that it would be by itself, on what the items before it left; nothing is taken over before the
//! last one is decided.
//!
//! A batch whose items stand each for itself is one record too: it is made whole or not at all,
//! whenever the node ends.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::envelope::Envelope;
use super::id_hasher::IdHasher;
use super::index::{Found, Searched, key_hash, search, unreadable};
use super::ledger::Ledger;
use super::loading::read_record;
use super::overlay::{Overlay, Verdict};
use super::reply::Unavailable;
use super::turn::{Need, Obstacle, Turn};
use super::waiting::Held;
use crate::entities::{self, Asked, Stamp, State, Stop};
use crate::messages::{
    Batch, BatchItem, Caller, Code, Command, EntityId, ItemResult, Metadata, Outcome, Record,
    Rejection, Shown, Transact, Transfer, TransferStatus,
};

/// What the journal tells of the keys of a batch's items.
#[derive(Debug, Default)]
pub struct KnownKeys {
    /// How far the segments on disk went that were searched.
    through: u64,
    /// What settled each key that was looked for.
    found: HashMap<u128, Option<KnownKey>, IdHasher>,
}

/// What settled a key.
#[derive(Debug)]
struct KnownKey {
    /// The record that did.
    sequence: u64,
    /// That record; of a command that was accepted first the one that executed it, if there is one.
    record: Arc<Record>,
}

impl Command {
    /// The entities that a command of many parts names; empty for any other.
    pub(super) fn parties(&self) -> Vec<EntityId> {
        match self {
            Self::Transact(transact) => {
                let legs = transact.legs.iter();
                legs.flat_map(|leg| [leg.from, leg.to]).collect()
            }
            Self::Batch(batch) => {
                let mut parties = Vec::with_capacity(2 * batch.items.len());
                let items = batch.items.iter().map(|item| &item.transfer);
                parties.extend(items.flat_map(|transfer| [transfer.from, transfer.to]));
                parties
            }
            _ => Vec::new(),
        }
    }

    /// How many parts it has; `None` for one that has no parts.
    pub(super) fn items(&self) -> Option<usize> {
        match self {
            Self::Transact(transact) => Some(transact.legs.len()),
            Self::Batch(batch) => Some(batch.items.len()),
            _ => None,
        }
    }
}

impl Ledger {
    /// Whether all of these are in memory, as far as they can be.
    pub(super) fn are_settled(&self, parties: &[EntityId]) -> bool {
        if parties.is_empty() {
            return true;
        }
        self.warm(parties);
        let directory = self.directory.borrow();
        let now = self.clock.moment().millis();
        parties.iter().all(|entity| {
            directory.seat(*entity).is_some_and(|seat| {
                seat.needed.set(now);
                !seat.phase().is_passing()
            })
        })
    }

    /// Reads all of these into memory, side by side.
    pub(super) async fn settle(self: &Rc<Self>, parties: &[EntityId]) {
        let seats: Vec<_> = parties.iter().map(|entity| self.seat_of(*entity)).collect();
        for seat in seats {
            seat.settled().await;
        }
    }

    /// Leaves every currency away that is the source's own: the same request with and without it
    /// must be the same.
    pub(super) fn leave_item_currencies_away(&self, batch: &mut Batch) {
        let directory = self.directory.borrow();
        for item in &mut batch.items {
            let transfer = &mut item.transfer;
            if transfer.currency.is_none() {
                continue;
            }
            let own = directory.seat(transfer.from).and_then(|seat| {
                let present = seat.present.borrow();
                let state = present.state.as_ref();
                state.and_then(State::money).map(|(currency, _)| currency)
            });
            if transfer.currency == own {
                transfer.currency = None;
            }
        }
    }

    /// Whether an item names the currency of a source that can't be read: whether it is the source's
    /// own can't be told, nor whether a repeat of the batch is the same.
    pub(super) fn names_unreadable_currency(&self, batch: &Batch) -> bool {
        let directory = self.directory.borrow();
        let mut named = batch
            .items
            .iter()
            .filter(|item| item.transfer.currency.is_some());
        named.any(|item| {
            let seat = directory.seat(item.transfer.from);
            seat.is_some_and(|seat| !seat.is_readable())
        })
    }

    /// Decides a transaction of many legs.
    pub(super) fn decide_legs(
        self: &Rc<Self>,
        transact: &Transact,
        envelope: &Envelope,
        mut overlay: Overlay<'_>,
        stamp: Stamp,
    ) -> Result<Verdict, Obstacle> {
        overlay.net();
        for (index, leg) in transact.legs.iter().enumerate() {
            let transfer = Command::Transfer(Transfer {
                from: leg.from,
                to: leg.to,
                amount: leg.amount,
                currency: None,
                reference: None,
                metadata: Metadata::default(),
            });
            let asked = Asked {
                subject: leg.from,
                operation: envelope.operation_id,
                now: stamp.time,
            };
            if let Err(rejection) = self.make(&transfer, asked, &mut overlay, stamp)? {
                return Ok(overlay.refused(Rejection::of_item(index as u32, rejection)));
            }
        }
        Ok(overlay.done_showing(None))
    }

    /// Decides a batch.
    pub(super) fn decide_batch(
        self: &Rc<Self>,
        batch: &Batch,
        envelope: &Envelope,
        mut overlay: Overlay<'_>,
        stamp: Stamp,
    ) -> Result<Verdict, Obstacle> {
        let mut others: Vec<(u32, ItemResult)> = Vec::new();
        let mut keys = ItemKeys::new(self, envelope);
        for (index, item) in batch.items.iter().enumerate() {
            let index = index as u32;
            let command = item.command();
            let result = match keys.before(item, &command)? {
                Some(before) => Some(before),
                None => {
                    let from = item.transfer.from;
                    let asked = Asked {
                        subject: from,
                        operation: envelope.operation_id.item(index, from.shard()),
                        now: stamp.time,
                    };
                    overlay.begin_item(index);
                    let made = self.make(&command, asked, &mut overlay, stamp)?;
                    let refused = made.err().map(ItemResult::Refused);
                    keys.settle(
                        item,
                        command,
                        refused.as_ref().unwrap_or(&ItemResult::Replayed(
                            asked.operation.transfer(),
                            status(item),
                        )),
                    );
                    refused
                }
            };
            match result {
                Some(ItemResult::Refused(rejection) | ItemResult::RefusedBefore(rejection))
                    if batch.atomic =>
                {
                    return Ok(overlay.refused(Rejection::of_item(index, rejection)));
                }
                Some(result) => others.push((index, result)),
                None => {}
            }
        }
        let mut verdict = overlay.done_showing(Some(Shown::Batch(others)));
        // What a key was refused for is kept, also where nothing else was done.
        verdict.keep = keys.settles;
        Ok(verdict)
    }

    /// Lets a batch wait for a command, accepted by record `sequence`, whose key one of its items has.
    /// It leaves its mailbox, in which that command may stand behind it.
    pub(super) fn await_execution(
        self: &Rc<Self>,
        mut envelope: Box<Envelope>,
        sequence: u64,
    ) -> Turn {
        envelope.item_keys = None;
        match self.accepted.borrow_mut().get_mut(&sequence) {
            Some(accepted) => accepted.waiting.push(Held::Again(envelope)),
            // Executed meanwhile.
            None => return Turn::Needs(envelope, Need::ItemKeys),
        }
        Turn::Ended
    }

    /// Decides one transfer on what was decided before, and takes it over on the copies.
    fn make(
        &self,
        command: &Command,
        asked: Asked,
        overlay: &mut Overlay<'_>,
        stamp: Stamp,
    ) -> Result<Result<(), Rejection>, Obstacle> {
        let parts = match entities::plan(command, asked, overlay) {
            Ok(parts) => parts,
            Err(Stop::Refuse(rejection)) => return Ok(Err(rejection)),
            Err(Stop::Load(entity)) => return Err(self.obstacle(entity)),
            Err(Stop::Read(transfer)) => return Err(Obstacle::Need(Need::Original(transfer))),
        };
        Ok(match entities::decide(&parts, overlay, stamp.time) {
            Ok(events) => {
                overlay.evolve(parts, events, stamp);
                Ok(())
            }
            Err(rejection) => Err(rejection),
        })
    }

    /// Reads the records that settled the keys of a batch's items.
    pub(super) async fn fetch_item_keys(
        self: &Rc<Self>,
        envelope: &mut Envelope,
    ) -> Result<(), Unavailable> {
        let Command::Batch(batch) = &envelope.command else {
            return Ok(());
        };
        let caller = &envelope.context.caller;
        let through = self.keys.borrow().covered();
        let mut wanted = Vec::new();
        let mut last = 0;
        for key in batch.items.iter().filter_map(|item| item.key.as_deref()) {
            let hash = key_hash(caller, key);
            match self.keys.borrow().find(hash) {
                Found::At(sequence) => {
                    last = last.max(sequence);
                    wanted.push((hash, Some(sequence), Vec::new()));
                }
                Found::Perhaps(segments) if segments.is_empty() => {}
                Found::Perhaps(segments) => wanted.push((hash, None, segments)),
            }
        }
        let (sender, durable) = oneshot::channel();
        self.when_durable(last, move || {
            // Only this task waits for it.
            let _ = sender.send(());
        });
        durable.await.map_err(|_| Unavailable::ShuttingDown)?;
        let reader = self.reader.clone();
        let found = self.beside.run(move || {
            let mut found = HashMap::default();
            for (hash, at, segments) in wanted {
                let at = match at {
                    Some(at) => Some(at),
                    None => search(&segments, hash).map_err(|error| unreadable(&error))?,
                };
                let known = match at {
                    Some(sequence) => {
                        let record = read_record(&reader, sequence).map_err(|fault| {
                            tracing::error!(sequence, fault, "a record can't be read");
                            Unavailable::Quarantined
                        })?;
                        let record = Arc::new(record);
                        Some(KnownKey { sequence, record })
                    }
                    None => None,
                };
                found.insert(hash, known);
            }
            Ok(found)
        });
        let mut found: HashMap<_, _, IdHasher> = found.await.ok_or(Unavailable::ShuttingDown)??;
        for known in found.values_mut().flatten() {
            if known.record.outcome == Outcome::Accepted
                && let Some(executed) = self.execution_of(known.record.operation_id).await?
            {
                known.record = Arc::new(executed.record);
            }
        }
        envelope.item_keys = Some(Box::new(KnownKeys { through, found }));
        Ok(())
    }
}

/// The keys of a batch's items: which came before, in the journal or in the batch itself.
struct ItemKeys<'e> {
    ledger: &'e Ledger,
    envelope: &'e Envelope,
    here: HashMap<&'e str, (Command, ItemResult)>,
    /// Whether an item settles its key.
    settles: bool,
}

impl<'e> ItemKeys<'e> {
    fn new(ledger: &'e Ledger, envelope: &'e Envelope) -> Self {
        Self {
            ledger,
            envelope,
            here: HashMap::new(),
            settles: false,
        }
    }

    /// What became of an item's key before; `None`: it is new.
    fn before(&self, item: &BatchItem, command: &Command) -> Result<Option<ItemResult>, Obstacle> {
        let Some(key) = item.key.as_deref() else {
            return Ok(None);
        };
        if let Some((first, result)) = self.here.get(key) {
            let same = first == command;
            return Ok(Some(match result {
                _ if !same => reused(),
                ItemResult::Refused(rejection) => ItemResult::RefusedBefore(rejection.clone()),
                result => result.clone(),
            }));
        }
        let caller = &self.envelope.context.caller;
        let hash = key_hash(caller, key);
        let known = self.envelope.item_keys.as_deref();
        let read = known.and_then(|known| known.found.get(&hash));
        let first = match (self.ledger.keys.borrow().find(hash), read) {
            (Found::Perhaps(segments), _) if segments.is_empty() => return Ok(None),
            (Found::At(sequence), Some(Some(first))) if first.sequence == sequence => first,
            (Found::Perhaps(segments), Some(found)) => {
                let searched = Searched {
                    found: found.as_ref().map(|first| first.sequence),
                    through: known.map_or(0, |known| known.through),
                };
                if !searched.holds(&segments) {
                    return Err(Obstacle::Need(Need::ItemKeys));
                }
                match found {
                    Some(first) => first,
                    None => return Ok(None),
                }
            }
            _ => return Err(Obstacle::Need(Need::ItemKeys)),
        };
        let record = &*first.record;
        if record.outcome == Outcome::Accepted && record.command == *command {
            return Err(Obstacle::Execution(first.sequence));
        }
        Ok(Some(settled(record, caller, key, command)))
    }

    /// Takes what became of an item: a later one with its key is a replay of it.
    fn settle(&mut self, item: &'e BatchItem, command: Command, result: &ItemResult) {
        if let Some(key) = item.key.as_deref() {
            self.settles |= match result {
                ItemResult::Refused(rejection) => rejection.code.is_stored(),
                _ => true,
            };
            self.here.insert(key, (command, result.clone()));
        }
    }
}

/// What a record says to a repeat of a key that it settled.
fn settled(record: &Record, caller: &Caller, key: &str, command: &Command) -> ItemResult {
    if record.caller != *caller {
        return reused();
    }
    if record.key.as_deref() == Some(key) {
        let status = match &record.command {
            Command::Hold(_) => TransferStatus::Pending,
            _ => TransferStatus::Posted,
        };
        return match &record.outcome {
            _ if record.command != *command => reused(),
            Outcome::Refused(rejection) => ItemResult::RefusedBefore(rejection.clone()),
            _ => ItemResult::Replayed(record.operation_id.transfer(), status),
        };
    }
    let mut items = record.items();
    match items.find(|(_, item, _)| item.key.as_deref() == Some(key)) {
        Some((_, item, _)) if item.command() != *command => reused(),
        Some((_, _, Some(rejection))) => ItemResult::RefusedBefore(rejection.clone()),
        Some((index, item, None)) => {
            let operation = record.operation_id.item(index, item.transfer.from.shard());
            ItemResult::Replayed(operation.transfer(), status(item))
        }
        None => reused(),
    }
}

const fn status(item: &BatchItem) -> TransferStatus {
    match item.pending {
        Some(_) => TransferStatus::Pending,
        None => TransferStatus::Posted,
    }
}

fn reused() -> ItemResult {
    ItemResult::Refused(Rejection::new(
        Code::IdempotencyKeyReused,
        "the idempotency key came before with another request",
    ))
}
