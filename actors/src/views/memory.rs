//! What changed since the view was last written: entities, list rows, milestones, totals. States stay here after
//! they were written, up to a number, so that the next change of a busy entity needs no read.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hint::black_box;
use std::sync::Arc;

use florin_storage::{Position, ViewError, ViewRead, ViewStore};
use serde::{Deserialize, Serialize};

use super::milestones::Milestones;
use super::{ERASURES, QUARANTINED, ROWS, SNAPSHOTS, TOTALS, lists};
use crate::entities::State;
use crate::messages::{
    AccountEvent, CardEvent, Currency, EntityId, Event, Outcome, Record, WalletEvent,
};
use crate::runtime::{IdHasher, Present, Totals, apply, contained, note_quarantine};

/// The projector's unwritten work, over what the store holds.
#[derive(Debug)]
pub(super) struct Memory {
    /// What was written.
    pub(super) store: Arc<ViewStore>,
    /// The last record in here.
    pub(super) sequence: u64,
    /// The last record that the store holds.
    written: u64,
    /// Entities as they are here; those changed since `written` are not in the store yet.
    known: HashMap<EntityId, Present, IdHasher>,
    /// List rows added (true) or removed (false) since then.
    pub(super) rows: BTreeMap<Vec<u8>, bool>,
    /// Records whose personal values are to be erased, noted since then.
    erasures: Vec<u64>,
    /// Milestones since then.
    pub(super) milestones: Milestones,
    /// All postings, by currency.
    pub(super) totals: BTreeMap<Currency, Totals>,
    /// The entities out of service by a record, and why.
    pub(super) quarantined: BTreeMap<EntityId, String>,
    /// Those of them that the store holds.
    quarantined_written: BTreeMap<EntityId, String>,
    /// Entities whose records can't be replayed: they stay as they were.
    broken: BTreeSet<EntityId>,
}

/// A snapshot as the store keeps it.
#[derive(Serialize, Deserialize)]
struct Snapshot {
    version: u64,
    last: u64,
    state: State,
}

impl Memory {
    pub(super) fn new(
        store: Arc<ViewStore>,
        sequence: u64,
        totals: BTreeMap<Currency, Totals>,
        quarantined: BTreeMap<EntityId, String>,
    ) -> Self {
        Self {
            store,
            sequence,
            written: sequence,
            known: HashMap::default(),
            rows: BTreeMap::new(),
            erasures: Vec::new(),
            milestones: Milestones::default(),
            totals,
            quarantined_written: quarantined.clone(),
            quarantined,
            broken: BTreeSet::new(),
        }
    }

    pub(super) fn present(&self, entity: EntityId) -> Option<&Present> {
        self.known.get(&entity)
    }

    /// Brings what these records change into the processor's cache, as commands that come together
    /// do it for theirs.
    pub(super) fn warm(&self, records: &[Record]) {
        let changes = records.iter().flat_map(|record| &record.changes);
        let read = changes.fold(0, |read, change| {
            let present = self.known.get(&change.entity);
            read ^ present.map_or(0, Present::warmth)
        });
        black_box(read);
    }

    /// Takes a record in. `read` is the store as it is; each `milestone_records`-th record of an
    /// entity is a milestone.
    pub(super) fn take(
        &mut self,
        read: &ViewRead,
        record: &Record,
        milestone_records: u64,
    ) -> Result<(), ViewError> {
        for change in &record.changes {
            let entity = change.entity;
            if self.broken.contains(&entity) {
                continue;
            }
            let present = match self.known.entry(entity) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => {
                    let stored = if change.previous == 0 {
                        None
                    } else {
                        read_snapshot(read, entity)?
                    };
                    place.insert(stored.unwrap_or_default())
                }
            };
            let listed = change.events.iter().any(moves_rows);
            let before = if listed {
                lists::rows(entity, present.state.as_ref())
            } else {
                vec![]
            };
            if let Err(fault) = contained(|| apply(present, record, change)) {
                // It alone stays behind: its actor finds the same when it is loaded.
                tracing::error!(id = %entity, sequence = record.sequence, fault,
                    "an entity's record can't be replayed; its view stays as it was");
                self.known.remove(&entity);
                self.broken.insert(entity);
                continue;
            }
            self.milestones.take(
                entity,
                present,
                change.raised,
                record.time,
                milestone_records,
            );
            if listed {
                let after = lists::rows(entity, present.state.as_ref());
                self.rows.extend(before.into_iter().map(|row| (row, false)));
                self.rows.extend(after.into_iter().map(|row| (row, true)));
            }
        }
        self.erasures.extend(record.erased());
        for posting in &record.postings {
            let totals = self.totals.entry(posting.currency).or_default();
            let amount = u128::from(posting.amount.unsigned_abs());
            if posting.amount < 0 {
                totals.debits += amount;
            } else {
                totals.credits += amount;
            }
        }
        note_quarantine(&mut self.quarantined, record);
        if record.outcome == Outcome::Accepted {
            self.rows.insert(lists::accepted(record.sequence), true);
        }
        if let Some(execution) = record.execution {
            self.rows.insert(lists::accepted(execution.accepted), false);
        }
        let listed = lists::of_record(record).into_iter();
        self.rows.extend(listed.map(|row| (row, true)));
        self.sequence = record.sequence;
        Ok(())
    }

    /// Writes every change, sorted, in one transaction; `pause` is called after each. To be followed by [`Self::written`].
    pub(super) fn write(&self, link: [u8; 32], pause: &mut dyn FnMut()) -> Result<(), ViewError> {
        let changed = |present: &Present| present.last > self.written;
        let known = self.known.iter();
        let mut dirty: Vec<_> = known.filter(|(_, present)| changed(present)).collect();
        dirty.sort_unstable_by_key(|(entity, _)| **entity);
        self.store.write(|write| {
            let mut bytes = Vec::new();
            for (entity, present) in dirty {
                let Some(state) = &present.state else {
                    continue;
                };
                bytes.clear();
                let state = state.clone();
                let snapshot = Snapshot {
                    version: present.version,
                    last: present.last,
                    state,
                };
                florin_storage::encode(&snapshot, &mut bytes)?;
                write.put(SNAPSHOTS, &entity.to_bytes(), &bytes)?;
                pause();
            }
            for (row, added) in &self.rows {
                if *added {
                    write.put(ROWS, row, &[])?;
                } else {
                    write.remove(ROWS, row)?;
                }
                pause();
            }
            for beside in &self.erasures {
                write.put(ERASURES, &beside.to_be_bytes(), &[])?;
            }
            self.milestones.write(write, pause)?;
            for (currency, totals) in &self.totals {
                bytes.clear();
                florin_storage::encode(&(totals.debits, totals.credits), &mut bytes)?;
                write.put(TOTALS, currency.recorded().to_string().as_bytes(), &bytes)?;
            }
            if self.quarantined != self.quarantined_written {
                for entity in self.quarantined_written.keys() {
                    write.remove(QUARANTINED, &entity.to_bytes())?;
                }
                for (entity, reason) in &self.quarantined {
                    write.put(QUARANTINED, &entity.to_bytes(), reason.as_bytes())?;
                }
            }
            write.set_position(Position {
                sequence: self.sequence,
                link,
            })
        })
    }

    /// Notes that everything was written; keeps at most `states_max` states, of those that changed
    /// since the last time first.
    pub(super) fn written(&mut self, states_max: usize) {
        if self.known.len() > states_max {
            let written = self.written;
            self.known.retain(|_, present| present.last > written);
            let mut room = states_max;
            self.known.retain(|_, _| {
                let stays = room > 0;
                room = room.saturating_sub(1);
                stays
            });
            self.known.shrink_to(states_max);
        }
        self.written = self.sequence;
        self.quarantined_written.clone_from(&self.quarantined);
        self.rows.clear();
        self.erasures.clear();
        self.milestones.clear();
    }
}

/// Whether an event can change the lists an entity stands in: those of money never do.
const fn moves_rows(event: &Event) -> bool {
    match event {
        Event::Account(event) => {
            matches!(
                event,
                AccountEvent::Opened(_) | AccountEvent::StatusChanged(_)
            )
        }
        Event::Wallet(event) => matches!(event, WalletEvent::Opened(_)),
        Event::Transfer(_) => true,
        Event::Card(event) => !matches!(event, CardEvent::Deleted),
        Event::External(_) | Event::Numbering(_) | Event::CardNumber(_) => false,
    }
}

/// An entity's snapshot in the store.
pub(super) fn read_snapshot(
    read: &ViewRead,
    entity: EntityId,
) -> Result<Option<Present>, ViewError> {
    let Some(bytes) = read.get(SNAPSHOTS, &entity.to_bytes())? else {
        return Ok(None);
    };
    decode_snapshot(&bytes).map(Some)
}

/// A snapshot's bytes as what is known of its entity.
pub(super) fn decode_snapshot(bytes: &[u8]) -> Result<Present, ViewError> {
    let Snapshot {
        version,
        last,
        state,
    } = florin_storage::decode(bytes)?;
    Ok(Present {
        state: Some(state),
        version,
        last,
        holder: None,
    })
}

/// The entities out of service, as the store has them.
pub(super) fn read_quarantined(read: &ViewRead) -> Result<BTreeMap<EntityId, String>, ViewError> {
    let mut all = BTreeMap::new();
    for row in read.range(QUARANTINED, ..)? {
        let (entity, reason) = row?;
        if let Ok(entity) = <[u8; 16]>::try_from(entity.as_slice()) {
            let reason = String::from_utf8_lossy(&reason).into_owned();
            all.insert(EntityId::from_bytes(entity), reason);
        }
    }
    Ok(all)
}

/// The totals in the store.
pub(super) fn read_totals(read: &ViewRead) -> Result<BTreeMap<Currency, Totals>, ViewError> {
    let mut all = BTreeMap::new();
    for row in read.range(TOTALS, ..)? {
        let (code, bytes) = row?;
        let code = String::from_utf8_lossy(&code).into_owned();
        let (debits, credits) = florin_storage::decode(&bytes)?;
        if let Ok(currency) = Currency::of_record(&code) {
            all.insert(currency, Totals { debits, credits });
        }
    }
    Ok(all)
}
