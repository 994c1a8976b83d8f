//! Batches and transactions of many legs: each takes one turn and makes one record. Every item is
//! decided like the same command sent alone, on the state that the items before it left. No change
//! is applied before the last item is decided.
//!
//! A batch that is not atomic is one record too: it is stored as a whole or not at all, whenever
//! the node ends.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::obstacle::Obstacle;
use super::overlay::{Overlay, Verdict};
use super::state::Ledger;
use crate::base::{IdHasher, key_hash, read_record, search};
use crate::commands::{
    Batch, BatchItem, Command, ItemResult, PlanInput, Shown, Stop, Transact, Transfer, decide,
};
use crate::entities::{Balances, Stamp, State, TransferStatus};
use crate::record::{Outcome, Record};
use crate::runtime::idempotency::index::{Found, Searched, unreadable};
use crate::runtime::idempotency::item_keys::{KnownKey, KnownKeys};
use crate::runtime::operations::waiting::Held;
use crate::runtime::replies::reply::Unavailable;
use crate::runtime::residency::envelope::Envelope;
use crate::runtime::residency::host::{Need, Turn};
use crate::words::{Caller, Code, EntityId, Metadata, Rejection};

impl Ledger {
    /// Returns whether all of these entities have a seat, and none is loading or restarting.
    pub(in crate::runtime) fn are_in_memory(&self, parties: &[EntityId]) -> bool {
        if parties.is_empty() {
            return true;
        }
        self.warm(parties);
        let directory = self.residents.directory();
        let now = self.clock.moment().millis();
        parties.iter().all(|entity| {
            directory.seat(*entity).is_some_and(|seat| {
                seat.needed.set(now);
                !seat.phase().is_passing()
            })
        })
    }

    /// Loads all of these entities into memory concurrently.
    pub(in crate::runtime) async fn load_all(self: &Rc<Self>, parties: &[EntityId]) {
        let seats: Vec<_> = parties.iter().map(|entity| self.seat_of(*entity)).collect();
        for seat in seats {
            seat.ready().await;
        }
    }

    /// Removes each item's currency if it is the source's own, because a request with and without
    /// the default currency must be the same.
    pub(in crate::runtime) fn leave_item_currencies_away(&self, batch: &mut Batch) {
        let directory = self.residents.directory();
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

    /// Returns whether an item names a currency and its source can't be read. In that case it is
    /// unknown whether the currency is the source's own, and whether a repeat of the batch is the
    /// same.
    pub(in crate::runtime) fn names_unreadable_currency(&self, batch: &Batch) -> bool {
        let directory = self.residents.directory();
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
    pub(in crate::runtime) fn decide_legs(
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
            let input = PlanInput {
                subject: leg.from,
                operation: envelope.operation_id,
                now: stamp.time,
            };
            if let Err(rejection) = self.make(&transfer, input, &mut overlay, stamp)? {
                return Ok(overlay.refused(Rejection::of_item(index as u32, rejection)));
            }
        }
        Ok(overlay.done_showing(None))
    }

    /// Decides a batch.
    pub(in crate::runtime) fn decide_batch(
        self: &Rc<Self>,
        batch: &Batch,
        envelope: &Envelope,
        mut overlay: Overlay<'_>,
        stamp: Stamp,
    ) -> Result<Verdict, Obstacle> {
        let mut others: Vec<(u32, ItemResult)> = Vec::new();
        let mut targets: Vec<(u32, Balances)> = Vec::new();
        let mut keys = ItemKeys::new(self, envelope);
        for (index, item) in batch.items.iter().enumerate() {
            let index = index as u32;
            let command = item.command();
            let result = match keys.before(item, &command)? {
                Some(before) => Some(before),
                None => {
                    let from = item.transfer.from;
                    let input = PlanInput {
                        subject: from,
                        operation: envelope.operation_id.item(index, from.shard()),
                        now: stamp.time,
                    };
                    overlay.begin_item(index);
                    let made = self.make(&command, input, &mut overlay, stamp)?;
                    let refused = made.err().map(|rejection| {
                        let moving = self.would_move(&command, None);
                        ItemResult::Refused(match moving {
                            Some(moving) => rejection.moving(moving),
                            None => rejection,
                        })
                    });
                    if refused.is_none() && item.pending.is_some() && item.key.is_some() {
                        let target = overlay.balances(item.transfer.to);
                        targets.extend(target.map(|balances| (index, balances)));
                    }
                    keys.note(
                        item,
                        command,
                        refused.as_ref().unwrap_or(&ItemResult::Replayed(
                            input.operation.transfer(),
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
        let mut verdict = overlay.done_showing(Some(Shown::Batch(others, targets)));
        // A refusal under an item's key is recorded even if nothing else was done.
        verdict.keep = keys.settles;
        Ok(verdict)
    }

    /// Makes a batch wait for a command that record `sequence` accepted and whose key one of its
    /// items has. The batch leaves its mailbox, because that command may be queued behind it.
    pub(in crate::runtime) fn await_execution(
        self: &Rc<Self>,
        mut envelope: Box<Envelope>,
        sequence: u64,
    ) -> Turn {
        envelope.item_keys = None;
        let again = Held::Again(envelope);
        match self.under_way.borrow_mut().await_execution(sequence, again) {
            // The command was executed in the meantime.
            Err(Held::Again(envelope)) => Turn::Needs(envelope, Need::ItemKeys),
            Ok(()) | Err(Held::Answer(..) | Held::Replay(..) | Held::Then(_)) => Turn::Ended,
        }
    }

    /// Decides one transfer on the state that the earlier ones left, and applies it to the copies.
    fn make(
        &self,
        command: &Command,
        input: PlanInput,
        overlay: &mut Overlay<'_>,
        stamp: Stamp,
    ) -> Result<Result<(), Rejection>, Obstacle> {
        let parts = match command.plan(input, overlay) {
            Ok(parts) => parts,
            Err(Stop::Refuse(rejection)) => return Ok(Err(rejection)),
            Err(Stop::Load(entity)) => return Err(self.obstacle(entity)),
            Err(Stop::Read(transfer)) => return Err(Obstacle::Need(Need::Original(transfer))),
        };
        Ok(match decide(&parts, overlay, stamp.time) {
            Ok(events) => {
                overlay.evolve(parts, events, stamp);
                Ok(())
            }
            Err(rejection) => Err(rejection),
        })
    }

    /// Reads the records that settled the keys of a batch's items.
    pub(in crate::runtime) async fn fetch_item_keys(
        self: &Rc<Self>,
        envelope: &mut Envelope,
    ) -> Result<(), Unavailable> {
        let Command::Batch(batch) = &envelope.command else {
            return Ok(());
        };
        let caller = &envelope.context.caller;
        let through = self.settled.keys_covered();
        let mut wanted = Vec::new();
        let mut last = 0;
        for key in batch.items.iter().filter_map(|item| item.key.as_deref()) {
            let hash = key_hash(caller, key);
            match self.settled.key(hash) {
                Found::At(sequence) => {
                    last = last.max(sequence);
                    wanted.push((hash, Some(sequence), Vec::new()));
                }
                Found::Perhaps(segments) if segments.is_empty() => {}
                Found::Perhaps(segments) => wanted.push((hash, None, segments)),
            }
        }
        self.durable(last).await?;
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
                        let record =
                            read_record(&reader, sequence).map_err(|fault| fault.logged())?;
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

/// The keys of a batch's items: finds out which were used before, in the journal or in the batch
/// itself.
struct ItemKeys<'e> {
    ledger: &'e Ledger,
    envelope: &'e Envelope,
    here: HashMap<&'e str, (Command, ItemResult)>,
    /// Set once an item settles its key.
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

    /// Returns the earlier result under an item's key, or `None` if the key is new.
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
        let first = match (self.ledger.settled.key(hash), read) {
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

    /// Notes an item's result, so that a later item with the same key is a replay of it.
    fn note(&mut self, item: &'e BatchItem, command: Command, result: &ItemResult) {
        if let Some(key) = item.key.as_deref() {
            self.settles |= match result {
                ItemResult::Refused(rejection) => rejection.code.is_stored(),
                _ => true,
            };
            self.here.insert(key, (command, result.clone()));
        }
    }
}

/// Returns the result that a record gives to a repeat of a key that it settled.
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
    let Some(index) = record.item_with_key(key) else {
        return reused();
    };
    match record.item(index) {
        Some((item, _)) if item.command() != *command => reused(),
        Some((_, Some(ItemResult::Refused(rejection)))) => {
            ItemResult::RefusedBefore(rejection.clone())
        }
        Some((item, None)) => {
            let operation = record.operation_id.item(index, item.transfer.from.shard());
            ItemResult::Replayed(operation.transfer(), status(item))
        }
        _ => reused(),
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
