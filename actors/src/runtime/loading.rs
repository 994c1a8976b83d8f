//! Loading: an entity wakes from its snapshot and the records since, off the arbiter.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use florin_storage::Reader;

use super::answering::read_holder;
use super::envelope::Envelope;
use super::index::{Found, Searched, operation_entry, search, unreadable};
use super::ledger::Ledger;
use super::reply::Unavailable;
use super::seat::{Phase, Present, Seat};
use super::turn::Need;
use crate::entities::{Original, Stamp, State};
use crate::messages::{Change, Command, EntityId, OperationId, Outcome, Record};
use crate::record_codec::decode_record;
use crate::views::Views;

impl Ledger {
    /// Fetches what a turn needs.
    pub(super) async fn fetch(
        self: &Rc<Self>,
        subject: &Seat,
        need: Need,
        envelope: &mut Envelope,
    ) -> Result<(), Unavailable> {
        match need {
            // Its own seat, not whichever the directory has by now.
            Need::Subject => {
                subject.settled().await;
                Ok(())
            }
            Need::Entity(entity) => self.settled(entity).await.map(drop),
            Need::Parties => {
                self.settle(&envelope.command.parties()).await;
                Ok(())
            }
            Need::ItemKeys => self.fetch_item_keys(envelope).await,
            Need::Original(transfer) => {
                envelope.original = Some(self.original(transfer.operation()).await?);
                Ok(())
            }
            Need::Key(hash) => {
                let through = self.keys.borrow().covered();
                let Found::Perhaps(segments) = self.keys.borrow().find(hash) else {
                    return Ok(());
                };
                let searched = self.beside.run(move || search(&segments, hash)).await;
                match searched {
                    Some(Ok(found)) => {
                        envelope.key_searched = Some(Searched { found, through });
                        Ok(())
                    }
                    Some(Err(error)) => Err(unreadable(&error)),
                    None => Err(Unavailable::ShuttingDown),
                }
            }
        }
    }

    /// What the journal tells of the transfer that an operation made.
    async fn original(self: &Rc<Self>, operation: OperationId) -> Result<Original, Unavailable> {
        let Some(sequence) = self.record_of(operation_entry(operation)).await? else {
            return Ok(Original::Absent);
        };
        let (decided, _) = self.recorded(sequence).await?;
        let decided = match decided.record.outcome {
            Outcome::Accepted => self.execution_of(operation).await?,
            _ => Some(decided),
        };
        // Not executed yet, it made no transfer yet.
        Ok(decided.map_or(Original::Absent, |decided| {
            original(&decided.record, operation)
        }))
    }

    /// An entity's seat; one that isn't in memory is being loaded then.
    pub(super) fn seat_of(self: &Rc<Self>, entity: EntityId) -> Rc<Seat> {
        let known = self.directory.borrow().seat(entity).cloned();
        known.unwrap_or_else(|| self.seat(entity, Phase::Loading))
    }

    /// An entity's seat once it is in memory, whether or not there is such an entity.
    pub(super) async fn settled(
        self: &Rc<Self>,
        entity: EntityId,
    ) -> Result<Rc<Seat>, Unavailable> {
        let seat = self.seat_of(entity);
        seat.settled().await;
        if seat.phase() == Phase::Quarantined {
            return Err(Unavailable::Quarantined);
        }
        Ok(seat)
    }

    /// Reads an entity into its seat.
    pub(super) async fn load(self: Rc<Self>, seat: Rc<Seat>) {
        let head = self.heads.borrow().get(seat.entity);
        let (reader, views, entity) = (self.reader.clone(), Arc::clone(&self.views), seat.entity);
        let read = loop {
            self.views.whole().await;
            let (reader, views) = (reader.clone(), Arc::clone(&views));
            let read = self
                .beside
                .run(move || contained(|| read_entity(&reader, &views, entity, head)))
                .await;
            let again = self.views.is_rebuilding() && self.views.is_running();
            if !again || !matches!(read, Some(Err(_))) {
                break read;
            }
        };
        match read {
            Some(Ok(present)) => {
                self.heads.borrow_mut().remove(entity);
                *seat.present.borrow_mut() = present;
                let reason = self.quarantined.borrow().get(&entity).cloned();
                match reason {
                    None => self.enter(&seat, Phase::Live),
                    Some(reason) => self.out_of_service(&seat, reason),
                }
            }
            Some(Err(fault)) => self.unreadable(&seat, fault),
            None => self.unreadable(&seat, "the read was given up".to_owned()),
        }
    }

    /// An entity that can't be read is out of service alone. There is no record of it: the next
    /// one who reads it finds out again, and the next start may find it well.
    fn unreadable(&self, seat: &Seat, fault: String) {
        tracing::error!(
            actor = "entity", id = %seat.entity, reason = fault, restarts = seat.restarts(),
            backoff_ms = 0, decision = "quarantined", "an entity can't be read"
        );
        *seat.present.borrow_mut() = Present::default();
        self.out_of_service(seat, fault);
    }

    fn out_of_service(&self, seat: &Seat, reason: String) {
        seat.troubles.borrow_mut().get_or_insert_default().last = reason;
        self.enter(seat, Phase::Quarantined);
    }
}

/// What a record tells of the transfer that its operation made.
fn original(record: &Record, operation: OperationId) -> Original {
    let is_done = matches!(record.outcome, Outcome::Done(_));
    if is_done && matches!(record.command, Command::Transact(_)) {
        return Original::ManyLegs;
    }
    match record.transfer(operation) {
        Some(made) => Original::Immediate(Box::new(made)),
        None => Original::Absent,
    }
}

/// Runs code that replays records: a panic in it is a fault like any other.
pub(crate) fn contained<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(panic_text(&*panic)))
}

/// What a panic said.
pub(super) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic".to_owned())
}

/// Reads an entity from the views and the journal; blocks on the disk. `head` is its last record
/// where that is known to be younger than the views.
fn read_entity(
    reader: &Reader,
    views: &Views,
    entity: EntityId,
    head: Option<u64>,
) -> Result<Present, String> {
    let mut present = views.snapshot(entity)?.unwrap_or_default();
    let mut line = Vec::new();
    let mut next = head.unwrap_or(present.last);
    while next > present.last {
        let record = read_record(reader, next)?;
        let change = record.changes.iter().find(|change| change.entity == entity);
        let previous = change.map(|change| change.previous);
        let previous = previous.ok_or_else(|| format!("record {next} doesn't change it"))?;
        line.push(record);
        next = previous;
    }
    if next != present.last {
        return Err(format!(
            "its records don't lead to its snapshot at {}",
            present.last
        ));
    }
    for record in line.into_iter().rev() {
        let change = record.changes.iter().find(|change| change.entity == entity);
        if let Some(change) = change {
            apply(&mut present, &record, change)?;
        }
    }
    if let Some(State::Account(account)) = &present.state
        && !account.is_erased()
    {
        let opened = account.view(entity, present.version).opened;
        present.holder = read_holder(reader, opened)?;
    }
    Ok(present)
}

/// The entity after a record.
pub(crate) fn apply(present: &mut Present, record: &Record, change: &Change) -> Result<(), String> {
    let sequence = record.sequence;
    let raised = u64::from(change.raised);
    if change.previous != present.last || change.version != present.version + raised || raised == 0
    {
        return Err(format!("record {sequence} doesn't follow the one before"));
    }
    let stamp = Stamp {
        sequence,
        time: record.time,
    };
    let mut state = present.state.take();
    for event in &change.events {
        state = State::evolve(state, event, stamp);
    }
    if state.is_none() {
        return Err(format!("record {sequence} can't follow the state"));
    }
    present.state = state;
    present.version = change.version;
    present.last = sequence;
    Ok(())
}

/// Reads one durable record; blocks on the disk.
pub(crate) fn read_record(reader: &Reader, sequence: u64) -> Result<Record, String> {
    let bytes = reader.record(sequence).map_err(|error| error.to_string())?;
    let bytes = bytes.ok_or_else(|| format!("record {sequence} is not in the journal"))?;
    decode_record(&bytes).map_err(|error| format!("record {sequence}: {error}"))
}
