//! The changes since the view was last written: entities, list rows, milestones, totals. A limited
//! number of states stays in memory after they were written, so that the next change of a busy
//! entity needs no read.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hint::black_box;
use std::sync::Arc;

use florin_storage::{Position, ViewError, ViewRead, ViewStore};
use serde::{Deserialize, Serialize};

use super::lists;
use super::milestones::Milestones;
use super::tables::{ERASURES, INPUTS, QUARANTINED, ROWS, SNAPSHOTS, TOTALS};
use crate::base::{IdHasher, Present, Totals, apply, contained, note_quarantine};
use crate::entities::{Event, State};
use crate::record::{Outcome, Record};
use crate::words::{Currency, EntityId, InputPlace, InputPosition, InputPositions, note_input};

/// The projector's unwritten changes, on top of the store.
#[derive(Debug)]
pub(super) struct Memory {
    /// The store with the written changes.
    pub(super) store: Arc<ViewStore>,
    /// The sequence of the last record that was applied.
    pub(super) sequence: u64,
    /// The sequence of the last record that the store holds.
    written: u64,
    /// The current states of entities. Those that changed since `written` are not in the store yet.
    known: HashMap<EntityId, Present, IdHasher>,
    /// The list rows added (true) or removed (false) since `written`.
    pub(super) rows: BTreeMap<Vec<u8>, bool>,
    /// The records whose personal values are to be erased, noted since `written`.
    erasures: Vec<u64>,
    /// The milestones since `written`.
    pub(super) milestones: Milestones,
    /// The totals of all postings, by currency.
    pub(super) totals: BTreeMap<Currency, Totals>,
    /// The quarantined entities, with the reasons.
    pub(super) quarantined: BTreeMap<EntityId, String>,
    /// The quarantined entities as the store holds them.
    quarantined_written: BTreeMap<EntityId, String>,
    /// The positions up to which partitions of command topics were read.
    pub(super) inputs: InputPositions,
    /// The partitions whose positions changed since `written`.
    inputs_changed: BTreeSet<InputPlace>,
    /// The entities whose records can't be replayed. Their views stay as they were.
    broken: BTreeSet<EntityId>,
}

/// The stored form of a snapshot.
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
        inputs: InputPositions,
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
            inputs,
            inputs_changed: BTreeSet::new(),
            broken: BTreeSet::new(),
        }
    }

    pub(super) fn present(&self, entity: EntityId) -> Option<&Present> {
        self.known.get(&entity)
    }

    /// Brings the entities that these records change into the processor's cache, as the ledger does
    /// for the entities of commands that arrive together.
    pub(super) fn warm(&self, records: &[Record]) {
        let changes = records.iter().flat_map(|record| &record.changes);
        let read = changes.fold(0, |read, change| {
            let present = self.known.get(&change.entity);
            read ^ present.map_or(0, Present::warmth)
        });
        black_box(read);
    }

    /// Applies a record. `read` is the current store. Every `milestone_records`-th record of an
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
            let listed = !change.events.iter().all(Event::only_moves_money);
            let before = if listed {
                lists::rows(entity, present.state.as_ref())
            } else {
                vec![]
            };
            if let Err(fault) = contained(|| apply(present, record, change)) {
                // Only this entity stays behind. Its actor finds the same fault when it is loaded.
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
                if before != after {
                    self.rows.extend(before.into_iter().map(|row| (row, false)));
                    self.rows.extend(after.into_iter().map(|row| (row, true)));
                }
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
        if let Some(input) = &record.input {
            self.inputs_changed
                .insert(note_input(&mut self.inputs, input));
        }
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

    /// Writes all changes, sorted, in one transaction. `pause` is called after each of them. The
    /// caller must call [`Self::written`] afterwards.
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
            for place in &self.inputs_changed {
                let (mut key, mut value) = (Vec::new(), Vec::new());
                florin_storage::encode(place, &mut key)?;
                florin_storage::encode(&self.inputs.get(place), &mut value)?;
                write.put(INPUTS, &key, &value)?;
            }
            write.set_position(Position {
                sequence: self.sequence,
                link,
            })
        })
    }

    /// Notes that all changes were written. Keeps at most `states_max` states; if there are more,
    /// only states that changed since the previous write are kept.
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
        self.inputs_changed.clear();
        self.milestones.clear();
    }
}

/// Reads an entity's snapshot from the store.
pub(super) fn read_snapshot(
    read: &ViewRead,
    entity: EntityId,
) -> Result<Option<Present>, ViewError> {
    let Some(bytes) = read.get(SNAPSHOTS, &entity.to_bytes())? else {
        return Ok(None);
    };
    decode_snapshot(&bytes).map(Some)
}

/// Decodes the bytes of a snapshot.
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
        personal: None,
    })
}

/// Reads the quarantined entities from the store.
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

/// Reads the positions of partitions of command topics from the store.
pub(super) fn read_inputs(read: &ViewRead) -> Result<InputPositions, ViewError> {
    let mut all = InputPositions::new();
    for row in read.range(INPUTS, ..)? {
        let (place, position) = row?;
        let position: Option<InputPosition> = florin_storage::decode(&position)?;
        all.insert(
            florin_storage::decode(&place)?,
            position.unwrap_or_default(),
        );
    }
    Ok(all)
}

/// Reads the totals from the store.
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
