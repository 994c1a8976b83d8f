//! The judge: it replays the journal through the model in order, and compares every record and
//! everything that was shown with the model.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use florin_actors::messages::{
    Code, Command, EntityId, Movement, Outcome, PersonalRow, Record, TransferStatus,
};
use florin_actors::{decode_personal, decode_record, encode_record};
use florin_storage::{PersonalBytes, Reader, verify_chain};

use super::claims::{check_asked, is_stored, normal};
use super::history::{History, Observation, Request};
use super::invariants::Walk;
use super::model::{Became, Before, Ledger, Scope, Settled, Verdict};
use super::names::sealed_name;
use super::verdict::{check_record, place_of};

/// The contents of the journal, and the model's states that follow from them.
#[derive(Debug)]
pub struct Judge {
    /// The model after each record. The first state is the empty one.
    pub(super) states: Vec<Ledger>,
    pub(super) records: Vec<Record>,
    bytes: Vec<Vec<u8>>,
    /// The settled keys, including those of batches' items.
    keys: BTreeMap<Scope, Settled>,
    /// Records that accepted a command that is still to be executed, with the number of its
    /// request.
    accepted: BTreeMap<u64, usize>,
    /// Records that accepted a command, with the records that executed it.
    executed: BTreeMap<u64, u64>,
    /// The record that settled each request.
    pub(super) settled: BTreeMap<usize, u64>,
    /// Records that opened an account, with the record that erased the name beside it.
    pub(super) erasures: BTreeMap<u64, u64>,
    /// Records that should have a holder's name beside them, but have none.
    pub(super) nameless: BTreeSet<u64>,
    pub(super) movements: BTreeMap<EntityId, Vec<(u64, Movement)>>,
    walk: Walk,
    /// Set if entities may fail.
    pub(super) faults: bool,
    /// The entities that are out of service.
    quarantined: BTreeSet<EntityId>,
    waiting: Vec<Observation>,
    /// The number of observations that were compared with the model so far.
    pub checked: u64,
}

impl Judge {
    /// Creates a judge of an empty journal. `faults` tells whether the entities' code may fail.
    pub fn new(faults: bool) -> Self {
        Self {
            states: vec![Ledger::default()],
            records: Vec::new(),
            bytes: Vec::new(),
            keys: BTreeMap::new(),
            accepted: BTreeMap::new(),
            executed: BTreeMap::new(),
            settled: BTreeMap::new(),
            erasures: BTreeMap::new(),
            nameless: BTreeSet::new(),
            movements: BTreeMap::new(),
            walk: Walk::default(),
            faults,
            quarantined: BTreeSet::new(),
            waiting: Vec::new(),
            checked: 0,
        }
    }

    /// Returns the sequence of the last judged record.
    pub fn sequence(&self) -> u64 {
        self.records.len() as u64
    }

    /// Returns the model after the last judged record.
    pub fn now(&self) -> &Ledger {
        &self.states[self.states.len() - 1]
    }

    /// Returns the record that settled a request, if there is one.
    pub fn record_of(&self, asked: usize) -> Option<&Record> {
        let sequence = *self.settled.get(&asked)?;
        let executed = self.executed_by(sequence);
        Some(self.record(executed.unwrap_or(sequence)))
    }

    /// Returns the record that executed the command that `accepted` accepted.
    pub fn executed_by(&self, accepted: u64) -> Option<u64> {
        self.executed.get(&accepted).copied()
    }

    /// Returns the accepted commands that are still to be executed.
    pub fn accepted(&self) -> &BTreeMap<u64, usize> {
        &self.accepted
    }

    /// Returns the keys that were settled up to a record.
    pub(super) fn before(&self, up_to: u64) -> Before<'_> {
        let keys = &self.keys;
        Before { keys, up_to }
    }

    /// Returns the record that settled a key.
    pub fn key_of(&self, scope: &(String, String)) -> Option<u64> {
        self.keys.get(scope).map(|settled| settled.sequence)
    }

    /// Returns the command that settled a key, without currencies that are the entity's own.
    pub(super) fn command_of(&self, scope: &(String, String)) -> Option<&Command> {
        self.keys.get(scope).map(|settled| &settled.command)
    }

    pub(super) fn record(&self, sequence: u64) -> &Record {
        &self.records[sequence as usize - 1]
    }

    /// Queues an observation, to be judged once the journal is read that far.
    pub fn saw(&mut self, observation: Observation) {
        self.waiting.push(observation);
    }

    /// Reads the journal again from its first record, as after every start. Everything that was
    /// durable once must still be there unchanged, and the chain must be whole.
    ///
    /// # Errors
    /// Returns an error that says what doesn't hold.
    pub fn restarted(&mut self, reader: &Reader, history: &History) -> Result<(), String> {
        let durable = reader.durable();
        if durable < self.sequence() {
            return Err(format!(
                "record {} was durable, after a restart the journal ends at {durable}",
                self.sequence()
            ));
        }
        let mut difference = None;
        verify_chain(reader, 0, |frame| {
            for (sequence, bytes) in frame.iter() {
                let known = self.bytes.get(sequence as usize - 1);
                if known.is_some_and(|known| known != bytes) {
                    difference = Some(sequence);
                }
            }
            Ok(())
        })
        .map_err(|error| format!("the chain is not whole: {error}"))?;
        if let Some(sequence) = difference {
            return Err(format!("record {sequence} is no longer what it was"));
        }
        self.stay_erased(reader)?;
        self.catch_up(reader, history)
    }

    /// Judges every record that became durable, and the observations that depend on them.
    ///
    /// # Errors
    /// Returns an error that says what doesn't hold.
    pub fn catch_up(&mut self, reader: &Reader, history: &History) -> Result<(), String> {
        while self.sequence() < reader.durable() {
            let sequence = self.sequence() + 1;
            let text = |error: &dyn std::fmt::Display| format!("record {sequence}: {error}");
            let bytes = match reader.record(sequence) {
                // The disk refuses reads of the file until the next start, so the record is judged
                // then.
                Err(error) if !error.is_damage() => return Ok(()),
                read => read.map_err(|error| text(&error))?,
            };
            let bytes = bytes.ok_or_else(|| text(&"it is durable and not there"))?;
            let row = match reader.personal(sequence) {
                Err(error) if !error.is_damage() => return Ok(()),
                read => read.map_err(|error| text(&error))?,
            };
            let row = row
                .and_then(PersonalBytes::kept)
                .map(|row| decode_personal(&row))
                .transpose()
                .map_err(|error| text(&error))?;
            let record = decode_record(&bytes).map_err(|error| text(&error))?;
            self.take(record, row.as_ref(), history)
                .map_err(|fault| format!("record {sequence}: {fault}"))?;
            self.bytes.push(bytes);
        }
        if let Some(sequence) = self.nameless.first() {
            return Err(format!(
                "the personal values are not beside record {sequence} and were not erased"
            ));
        }
        let ready = self.sequence();
        let (now, later) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|seen| seen.to <= ready);
        self.waiting = later;
        for observation in Vec::from_iter::<Vec<Observation>>(now) {
            self.observed(&observation, history)?;
            self.checked += 1;
        }
        Ok(())
    }

    /// Reports whether no observation waits to be judged.
    pub fn is_done(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Reports whether the record of an answer is the journal's own, byte by byte.
    pub(super) fn is_recorded(&self, record: &Record) -> bool {
        let mut bytes = Vec::new();
        encode_record(record, &mut bytes).is_ok()
            && self.bytes.get(record.sequence as usize - 1) == Some(&bytes)
    }

    /// Reports whether the answer to a repeat is what the journal has: a record, or for an item of
    /// a batch its part of the batch's record.
    pub(super) fn is_first_answer(&self, record: &Record) -> bool {
        let Some(of_batch) = self.records.get(record.sequence as usize - 1) else {
            return false;
        };
        if self.is_recorded(record) {
            return true;
        }
        let item = of_batch.item_of(record.operation_id);
        item.and_then(|index| of_batch.item_alone(index)).as_ref() == Some(record)
    }

    fn take(
        &mut self,
        record: Record,
        row: Option<&PersonalRow>,
        history: &History,
    ) -> Result<(), String> {
        self.walk.take(&record)?;
        if let Command::Quarantine(quarantine) = &record.command {
            self.quarantine(&record, quarantine.entity)?;
            self.states.push(self.now().clone());
            self.records.push(record);
            return Ok(());
        }
        if let Command::Expire(expire) = &record.command {
            if row.is_some() || record.key.is_some() || history.find(record.operation_id).is_some()
            {
                return Err("the node alone lets transfers expire".to_owned());
            }
            let ledger = self.expired(&record, expire.transfer)?;
            self.states.push(ledger);
            self.records.push(record);
            return Ok(());
        }
        let number = history
            .find(record.operation_id)
            .ok_or("nobody asked for it")?;
        let asked = &history.asked[number];
        let mut ledger = self.now().clone();
        check_asked(&record, asked, &ledger)?;
        let request = match record.execution {
            Some(_) => &self.executes(&record, number, history)?,
            None => &asked.request,
        };
        let resumes = match &record.command {
            Command::Resume(resume) if matches!(record.outcome, Outcome::Done(_)) => {
                self.quarantined.remove(&resume.entity);
                true
            }
            _ => false,
        };
        match &record.outcome {
            Outcome::Refused(rejection) if rejection.code == Code::ActorFaulted => {
                self.faulted(&record, request)?;
                self.settle_key(&record, request, &ledger);
            }
            // An outcome with neither key nor changes has a record only if it came too late.
            outcome
                if record.key.is_none()
                    && record.changes.is_empty()
                    && !resumes
                    && *outcome != Outcome::Accepted
                    && record.execution.is_none()
                    && record.item_keys().next().is_none() =>
            {
                let code = match outcome {
                    Outcome::Refused(rejection) => Some(rejection.code),
                    _ => None,
                };
                self.late(&record, code, asked, history)?;
            }
            _ => {
                let scope = request.scope();
                if record.key != request.key || request.dry_run {
                    return Err(format!("its key is {:?}, asked was {scope:?}", record.key));
                }
                let is_late = asked
                    .begun_until
                    .is_some_and(|until| record.sequence > until);
                if is_late && record.execution.is_none() {
                    let (operation, until) = (record.operation_id, asked.begun_until);
                    return Err(format!(
                        "{operation} was begun after its deadline: it is over since {until:?}"
                    ));
                }
                let place = place_of(&record);
                let verdict = ledger.decide(request, place, self.before(record.sequence - 1));
                check_record(&record, &verdict)?;
                let is_owed = resumes || record.execution.is_some();
                if !is_owed && !is_stored(&verdict, scope.is_some()) {
                    return Err("it should not have been stored".to_owned());
                }
                if let Verdict::Done(effect) = &verdict {
                    ledger.apply(effect, place);
                    self.note_erasure(&record, &effect.touched)?;
                    self.note_movements(&record, request, effect);
                    for settled in &effect.settles {
                        let scope = (request.caller.name().to_owned(), settled.key.to_string());
                        self.keys.insert(scope, settled.clone());
                    }
                }
                if verdict == Verdict::Accepted {
                    self.accepted.insert(record.sequence, number);
                }
                self.settle_key(&record, request, &ledger);
            }
        }
        if !sealed_name(&record, row, &asked.request)? {
            self.nameless.insert(record.sequence);
        }
        self.settled.entry(number).or_insert(record.sequence);
        self.states.push(ledger);
        self.records.push(record);
        Ok(())
    }

    /// Notes that a record executes what another one accepted. Each command is executed once, and
    /// in the order of acceptance unless failures may keep an entity from its work. Returns the
    /// request that is executed.
    fn executes(
        &mut self,
        record: &Record,
        number: usize,
        history: &History,
    ) -> Result<Request, String> {
        let execution = record.execution.ok_or("it executes nothing")?;
        let accepted = execution.accepted;
        if self.accepted.remove(&accepted) != Some(number) {
            return Err(format!("it executes record {accepted}, again or another's"));
        }
        if self.record(accepted).time != execution.accepted_at {
            return Err("it was accepted at another time".to_owned());
        }
        self.executed.insert(accepted, record.sequence);
        let entity = record.command.routing_entity();
        let earlier = self.accepted.range(..accepted).find(|(_, number)| {
            let command = &history.asked[**number].request.command;
            // A batch waits for the commands whose keys its items have.
            command.routing_entity() == entity && !matches!(command, Command::Batch(_))
        });
        if let Some((earlier, _)) = earlier
            && !self.faults
            && !history.disk_faults
        {
            return Err(format!("record {earlier} was accepted before {accepted}"));
        }
        Ok(history.asked[number].request.execution())
    }

    /// Notes that a record settles its request's key, or that the outcome of an accepted command is
    /// known now.
    fn settle_key(&mut self, record: &Record, request: &Request, ledger: &Ledger) {
        let (Some(scope), Some(key)) = (request.scope(), &record.key) else {
            return;
        };
        let status = match &record.command {
            Command::Hold(_) => TransferStatus::Pending,
            _ => TransferStatus::Posted,
        };
        let became = match &record.outcome {
            Outcome::Accepted => None,
            Outcome::Refused(rejection) => Some(Became::Refused(rejection.code)),
            Outcome::Done(_) => Some(Became::Made(record.operation_id.transfer(), status)),
        };
        let became = became.map(|became| (record.sequence, became));
        if record.execution.is_some() {
            if let Some(settled) = self.keys.get_mut(&scope) {
                settled.became = became;
            }
            return;
        }
        let settled = Settled {
            key: Arc::clone(key),
            sequence: record.sequence,
            command: normal(&record.command, ledger),
            became,
        };
        self.keys.insert(scope, settled);
    }

    /// Checks a record that takes an actor out of service. That happens because commands failed,
    /// dry runs among them, and changes nothing of the entity.
    fn quarantine(&mut self, record: &Record, entity: EntityId) -> Result<(), String> {
        let changes = record.changes.len() + record.postings.len();
        if !self.faults || changes > 0 || !matches!(record.outcome, Outcome::Done(None)) {
            return Err("an actor is out of service for no reason".to_owned());
        }
        self.quarantined.insert(entity);
        Ok(())
    }

    /// Checks the expiry of a pending transfer by the node's own command: it happens when the
    /// transfer's time is over, never before. An expiry without changes is recorded only if it came
    /// too late or made its actor fail.
    fn expired(&self, record: &Record, transfer: EntityId) -> Result<Ledger, String> {
        let mut ledger = self.now().clone();
        match &record.outcome {
            Outcome::Refused(rejection) if record.changes.is_empty() => match rejection.code {
                Code::DeadlineExceeded => {}
                Code::ActorFaulted if self.faults => {}
                code => return Err(format!("an expiry is refused: {code:?}")),
            },
            _ => {
                let place = place_of(record);
                let verdict = ledger.expire(transfer, place);
                check_record(record, &verdict)?;
                if let Verdict::Done(effect) = &verdict {
                    ledger.apply(effect, place);
                }
            }
        }
        Ok(ledger)
    }

    /// Reports whether an entity is out of service.
    pub fn is_out_of_service(&self, entity: EntityId) -> bool {
        self.quarantined.contains(&entity)
    }

    /// Checks a refusal because the command made its actor fail. It is recorded with a key or
    /// without one.
    fn faulted(&self, record: &Record, request: &Request) -> Result<(), String> {
        if !self.faults || request.dry_run || record.key != request.key {
            return Err(format!("it failed for no reason: {request:?}"));
        }
        Ok(())
    }
}

/// Reports whether a record says that its command made its actor fail.
pub(super) fn is_faulted(record: &Record) -> bool {
    matches!(&record.outcome, Outcome::Refused(rejection) if rejection.code == Code::ActorFaulted)
}
