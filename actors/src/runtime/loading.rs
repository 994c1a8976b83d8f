//! Loading: an entity wakes from its snapshot and the records since, off the arbiter.

use std::rc::Rc;
use std::sync::Arc;

use florin_storage::Reader;

use super::answering::read_holder;
use super::directory::{Phase, Present, Seat};
use super::envelope::Envelope;
use super::index::{Found, Searched, search, unreadable};
use super::ledger::Ledger;
use super::reply::Unavailable;
use super::turn::Need;
use crate::entities::{Stamp, State};
use crate::messages::{EntityId, Record};
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

    /// An entity's seat once it is in memory, whether or not there is such an entity.
    pub(super) async fn settled(
        self: &Rc<Self>,
        entity: EntityId,
    ) -> Result<Rc<Seat>, Unavailable> {
        let known = self.directory.borrow().seat(entity).cloned();
        let seat = known.unwrap_or_else(|| self.seat(entity, Phase::Loading));
        seat.settled().await;
        match seat.phase() {
            Phase::Quarantined => Err(Unavailable::Quarantined),
            Phase::Live | Phase::Loading => Ok(seat),
        }
    }

    /// Reads an entity into its seat.
    pub(super) async fn load(self: Rc<Self>, seat: Rc<Seat>) {
        let head = self.heads.borrow().get(&seat.entity).copied();
        let (reader, views, entity) = (self.reader.clone(), Arc::clone(&self.views), seat.entity);
        let read = loop {
            self.views.whole().await;
            let (reader, views) = (reader.clone(), Arc::clone(&views));
            let read = self
                .beside
                .run(move || read_entity(&reader, &views, entity, head))
                .await;
            let again = self.views.is_rebuilding() && self.views.is_running();
            if !again || !matches!(read, Some(Err(_))) {
                break read;
            }
        };
        match read {
            Some(Ok(present)) => {
                self.heads.borrow_mut().remove(&entity);
                seat.loaded(present);
            }
            Some(Err(fault)) => {
                tracing::error!(
                    actor = "entity", id = %entity, reason = fault, decision = "quarantined",
                    "an entity can't be read"
                );
                seat.quarantine(fault);
            }
            None => seat.quarantine("the read was given up".to_owned()),
        }
        self.directory.borrow_mut().count(&seat);
    }
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
        apply(&mut present, entity, &record)?;
    }
    if let Some(State::Account(account)) = &present.state {
        let opened = account.view(entity, present.version).opened;
        present.holder = read_holder(reader, opened)?;
    }
    Ok(present)
}

/// The entity after a record.
pub(crate) fn apply(
    present: &mut Present,
    entity: EntityId,
    record: &Record,
) -> Result<(), String> {
    let stamp = Stamp {
        sequence: record.sequence,
        time: record.time,
    };
    for change in record
        .changes
        .iter()
        .filter(|change| change.entity == entity)
    {
        if change.previous != present.last || change.version != present.version + 1 {
            return Err(format!(
                "record {} doesn't follow the one before",
                record.sequence
            ));
        }
        let mut state = present.state.take();
        for event in &change.events {
            state = State::evolve(state, event, stamp);
        }
        if state.is_none() {
            return Err(format!("record {} can't follow the state", record.sequence));
        }
        present.state = state;
        present.version = change.version;
        present.last = record.sequence;
    }
    Ok(())
}

/// Reads one durable record; blocks on the disk.
pub(crate) fn read_record(reader: &Reader, sequence: u64) -> Result<Record, String> {
    let bytes = reader.record(sequence).map_err(|error| error.to_string())?;
    let bytes = bytes.ok_or_else(|| format!("record {sequence} is not in the journal"))?;
    decode_record(&bytes).map_err(|error| format!("record {sequence}: {error}"))
}
