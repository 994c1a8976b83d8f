//! Loading: an entity is restored from its snapshot and the later records, off the arbiter.

use std::rc::Rc;
use std::sync::Arc;

use florin_storage::Reader;

use super::state::Ledger;
pub(in crate::runtime) use crate::base::read_record;
use crate::base::{Present, ReadFault, apply, contained, operation_entry, read_personal, search};
use crate::commands::{Command, Original};
use crate::entities::State;
use crate::record::{Outcome, Record};
use crate::runtime::idempotency::index::{Found, Searched, unreadable};
use crate::runtime::replies::reply::Unavailable;
use crate::runtime::residency::envelope::Envelope;
use crate::runtime::residency::host::Need;
use crate::runtime::residency::seat::{Phase, Seat};
use crate::views::Views;
use crate::words::{EntityId, OperationId};

impl Ledger {
    /// Fetches what a turn needs.
    pub(in crate::runtime) async fn fetch(
        self: &Rc<Self>,
        subject: &Seat,
        need: Need,
        envelope: &mut Envelope,
    ) -> Result<(), Unavailable> {
        match need {
            // The actor waits for its own seat; the directory may hold another one by now.
            Need::Subject => {
                subject.ready().await;
                Ok(())
            }
            Need::Entity(entity) => self.loaded(entity).await.map(drop),
            Need::Parties => {
                self.load_all(&envelope.command.parties()).await;
                Ok(())
            }
            Need::ItemKeys => self.fetch_item_keys(envelope).await,
            Need::Original(transfer) => {
                envelope.original = Some(self.original(transfer.operation()).await?);
                Ok(())
            }
            Need::Key(hash) => {
                let through = self.settled.keys_covered();
                let Found::Perhaps(segments) = self.settled.key(hash) else {
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

    /// Returns the journal's information about the transfer that an operation made.
    async fn original(self: &Rc<Self>, operation: OperationId) -> Result<Original, Unavailable> {
        let Some(sequence) = self.record_of(operation_entry(operation)).await? else {
            return Ok(Original::Absent);
        };
        let (decided, _) = self.recorded(sequence).await?;
        let decided = match decided.record.outcome {
            Outcome::Accepted => self.execution_of(operation).await?,
            _ => Some(decided),
        };
        // A command that is not executed yet has made no transfer yet.
        Ok(decided.map_or(Original::Absent, |decided| {
            original(&decided.record, operation)
        }))
    }

    /// Returns an entity's seat. If the entity isn't in memory, its load is started.
    pub(in crate::runtime) fn seat_of(self: &Rc<Self>, entity: EntityId) -> Rc<Seat> {
        let known = self.residents.seat(entity);
        known.unwrap_or_else(|| self.seat(entity, Phase::Loading))
    }

    /// Returns an entity's seat once the entity is in memory, whether or not it exists.
    pub(in crate::runtime) async fn loaded(
        self: &Rc<Self>,
        entity: EntityId,
    ) -> Result<Rc<Seat>, Unavailable> {
        let seat = self.seat_of(entity);
        seat.ready().await;
        if seat.phase() == Phase::Quarantined {
            return Err(Unavailable::Quarantined);
        }
        Ok(seat)
    }

    /// Reads an entity into its seat.
    pub(in crate::runtime) async fn load(self: Rc<Self>, seat: Rc<Seat>) {
        let head = self.residents.head(seat.entity);
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
                *seat.present.borrow_mut() = present;
                match self.residents.loaded(entity) {
                    None => self.residents.change_phase(&seat, Phase::Live),
                    Some(reason) => self.out_of_service(&seat, reason),
                }
            }
            Some(Err(fault)) => self.unreadable(&seat, fault.to_string()),
            None => self.unreadable(&seat, "the read was given up".to_owned()),
        }
    }

    /// Takes an entity that can't be read out of service; other entities are not affected. There is
    /// no record of it: the next reader finds the fault again, and the next start may find none.
    fn unreadable(&self, seat: &Seat, fault: String) {
        tracing::error!(
            actor = "entity", id = %seat.entity, reason = fault, restarts = seat.restarts(),
            backoff_ms = 0, decision = "quarantined",
            resume = format!(
                "POST /admin/actors/{}/{}/resume", seat.kind().map_or("KIND", crate::entities::Kind::name), seat.entity
            ),
            "an entity can't be read; it is out of service until it is resumed"
        );
        *seat.present.borrow_mut() = Present::default();
        self.out_of_service(seat, fault);
    }

    fn out_of_service(&self, seat: &Seat, reason: String) {
        seat.troubles.borrow_mut().get_or_insert_default().last = reason;
        self.residents.change_phase(seat, Phase::Quarantined);
    }
}

/// Returns a record's information about the transfer that its operation made.
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

/// Reads an entity from the views and the journal; blocks on the disk. `head` is the entity's last
/// record, if it is known to be newer than the views.
fn read_entity(
    reader: &Reader,
    views: &Views,
    entity: EntityId,
    head: Option<u64>,
) -> Result<Present, ReadFault> {
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
        return Err(format!("its records don't lead to its snapshot at {}", present.last).into());
    }
    for record in line.into_iter().rev() {
        let change = record.changes.iter().find(|change| change.entity == entity);
        if let Some(change) = change {
            apply(&mut present, &record, change)?;
        }
    }
    if let Some(beside) = present.state.as_ref().and_then(State::personal) {
        present.personal = read_personal(reader, beside)?;
    }
    Ok(present)
}
