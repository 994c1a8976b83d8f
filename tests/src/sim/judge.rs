//! The judge: replays the journal through the model in its order, and holds every record and
//! everything that was shown against it.

use std::collections::{BTreeMap, BTreeSet};

use florin_actors::messages::{Code, Command, EntityId, Movement, Outcome, PersonalRow, Record};
use florin_actors::{decode_personal, decode_record, encode_record};
use florin_storage::{Reader, verify_chain};

use super::history::{Asked, Fate, History, Observation, Request};
use super::invariants::Walk;
use super::model::{Ledger, Verdict};
use super::names::sealed_name;
use super::verdict::{check_record, place_of};

/// What the journal holds, and what the model makes of it.
#[derive(Debug)]
pub struct Judge {
    /// The model after each record, from none on.
    pub(super) states: Vec<Ledger>,
    pub(super) records: Vec<Record>,
    bytes: Vec<Vec<u8>>,
    /// Which record settled a key.
    pub(super) keys: BTreeMap<(String, String), u64>,
    /// Which record settled a request.
    pub(super) settled: BTreeMap<usize, u64>,
    /// Records that opened an account, and the one that erased the name beside it.
    pub(super) erasures: BTreeMap<u64, u64>,
    /// Records beside which the holder's name wasn't found.
    pub(super) nameless: BTreeSet<u64>,
    pub(super) movements: BTreeMap<EntityId, Vec<(u64, Movement)>>,
    walk: Walk,
    /// Whether entities may fail.
    pub(super) faults: bool,
    /// The entities out of service.
    quarantined: BTreeSet<EntityId>,
    waiting: Vec<Observation>,
    /// Observations held against the model so far.
    pub checked: u64,
}

impl Judge {
    /// A judge of an empty journal; `faults`: entities' code may fail.
    pub fn new(faults: bool) -> Self {
        Self {
            states: vec![Ledger::default()],
            records: Vec::new(),
            bytes: Vec::new(),
            keys: BTreeMap::new(),
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

    /// The last record judged.
    pub fn sequence(&self) -> u64 {
        self.records.len() as u64
    }

    /// The model after the last record judged.
    pub fn now(&self) -> &Ledger {
        &self.states[self.states.len() - 1]
    }

    /// The record that settled a request, if one did.
    pub fn record_of(&self, asked: usize) -> Option<&Record> {
        self.settled
            .get(&asked)
            .map(|sequence| self.record(*sequence))
    }

    /// The record that settled a key.
    pub fn key_of(&self, scope: &(String, String)) -> Option<u64> {
        self.keys.get(scope).copied()
    }

    pub(super) fn record(&self, sequence: u64) -> &Record {
        &self.records[sequence as usize - 1]
    }

    /// Takes what was seen, to be judged once the journal is read that far.
    pub fn saw(&mut self, observation: Observation) {
        self.waiting.push(observation);
    }

    /// Reads the journal anew from its first record, as after every start: whatever was durable
    /// once must be there as it was, and the chain must be whole.
    ///
    /// # Errors
    /// What doesn't hold.
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

    /// Judges every record that became durable, and what was seen of them.
    ///
    /// # Errors
    /// What doesn't hold.
    pub fn catch_up(&mut self, reader: &Reader, history: &History) -> Result<(), String> {
        while self.sequence() < reader.durable() {
            let sequence = self.sequence() + 1;
            let text = |error: &dyn std::fmt::Display| format!("record {sequence}: {error}");
            let bytes = reader.record(sequence).map_err(|error| text(&error))?;
            let bytes = bytes.ok_or_else(|| text(&"it is durable and not there"))?;
            let row = reader.personal(sequence).map_err(|error| text(&error))?;
            let row = row
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
                "the holder's name is not beside record {sequence} and was not erased"
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

    /// Whether nothing waits to be judged.
    pub fn is_done(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether a record that was answered is the journal's own, byte by byte.
    pub(super) fn is_recorded(&self, record: &Record) -> bool {
        let mut bytes = Vec::new();
        encode_record(record, &mut bytes).is_ok()
            && self.bytes.get(record.sequence as usize - 1) == Some(&bytes)
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
        let number = history
            .find(record.operation_id)
            .ok_or("nobody asked for it")?;
        let asked = &history.asked[number];
        let mut ledger = self.now().clone();
        is_asked(&record, asked, &ledger)?;
        let resumes = match &record.command {
            Command::Resume(resume) if matches!(record.outcome, Outcome::Done(_)) => {
                self.quarantined.remove(&resume.entity)
            }
            _ => false,
        };
        match &record.outcome {
            Outcome::Refused(rejection) if rejection.code == Code::ActorFaulted => {
                self.faulted(&record, &asked.request)?;
                let scope = asked.request.scope();
                self.keys
                    .extend(scope.map(|scope| (scope, record.sequence)));
            }
            // What changes nothing and has no key has a record only when it came too late.
            outcome if record.key.is_none() && record.changes.is_empty() && !resumes => {
                let code = match outcome {
                    Outcome::Refused(rejection) => Some(rejection.code),
                    _ => None,
                };
                self.late(&record, code, asked, history)?;
            }
            _ => {
                let scope = asked.request.scope();
                if record.key != asked.request.key || asked.request.dry_run {
                    return Err(format!("its key is {:?}, asked was {scope:?}", record.key));
                }
                if asked
                    .begun_until
                    .is_some_and(|until| record.sequence > until)
                {
                    return Err("it was begun after its deadline".to_owned());
                }
                let verdict = ledger.decide(&asked.request, place_of(&record));
                check_record(&record, &verdict)?;
                if !resumes && !is_stored(&verdict, scope.is_some()) {
                    return Err("it should not have been stored".to_owned());
                }
                if let Verdict::Done { touched, .. } = &verdict {
                    ledger.apply(touched);
                    self.note_erasure(&record, touched)?;
                }
                self.keys
                    .extend(scope.map(|scope| (scope, record.sequence)));
            }
        }
        if !sealed_name(&record, row, &asked.request)? {
            self.nameless.insert(record.sequence);
        }
        self.note_movements(&record, &asked.request);
        self.settled.insert(number, record.sequence);
        self.states.push(ledger);
        self.records.push(record);
        Ok(())
    }

    /// An actor is taken out of service because commands failed, dry runs among them; nothing of
    /// the entity changes.
    fn quarantine(&mut self, record: &Record, entity: EntityId) -> Result<(), String> {
        let changes = record.changes.len() + record.postings.len();
        if !self.faults || changes > 0 || !matches!(record.outcome, Outcome::Done(None)) {
            return Err("an actor is out of service for no reason".to_owned());
        }
        self.quarantined.insert(entity);
        Ok(())
    }

    /// A command that made its actor fail is refused, with a key or without.
    fn faulted(&self, record: &Record, request: &Request) -> Result<(), String> {
        if !self.faults || request.dry_run || record.key != request.key {
            return Err(format!("it failed for no reason: {request:?}"));
        }
        Ok(())
    }

    /// What has neither key nor changes is journalled only when its caller was told 504, or as
    /// `deadline_exceeded`.
    fn late(
        &self,
        record: &Record,
        code: Option<Code>,
        asked: &Asked,
        history: &History,
    ) -> Result<(), String> {
        if code == Some(Code::DeadlineExceeded) {
            return match asked.fate {
                Fate::Answered { recorded: false } => Err("it was answered otherwise".to_owned()),
                _ => Ok(()),
            };
        }
        if asked.fate != Fate::TimedOut {
            return Err(format!(
                "it has neither key nor changes, and its fate is {:?}",
                asked.fate
            ));
        }
        if code == Some(Code::IdempotencyKeyReused) {
            return match self.first_of(&asked.request, history) {
                Some((_, false)) => Ok(()),
                Some((first, true)) if self.is_erased(first, record.sequence) => Ok(()),
                found => Err(format!("its key was not reused: {found:?}")),
            };
        }
        self.unstored_within(asked.after..record.sequence, &asked.request, record)
    }

    /// Whether an outcome that is not stored fits one of these states.
    pub(super) fn unstored_within(
        &self,
        states: std::ops::Range<u64>,
        request: &Request,
        record: &Record,
    ) -> Result<(), String> {
        let mut fault = format!("there is no state in {states:?}");
        for sequence in states.rev() {
            if self.is_claimed(request, sequence) {
                fault = "its key was settled".to_owned();
                continue;
            }
            let verdict = self.states[sequence as usize].decide(request, place_of(record));
            let fits = check_record(record, &verdict).and_then(|()| {
                if !request.dry_run && is_stored(&verdict, request.key.is_some()) {
                    return Err("it should have been stored under its key".to_owned());
                }
                Ok(())
            });
            match fits {
                Ok(()) => return Ok(()),
                Err(why) => fault = why,
            }
        }
        Err(fault)
    }

    /// The record that settled the request's key, and whether it was the same request, as far as
    /// can be told as long as no name was erased.
    pub(super) fn first_of(&self, request: &Request, history: &History) -> Option<(u64, bool)> {
        let sequence = self.key_of(&request.scope()?)?;
        let first = history.find(self.record(sequence).operation_id)?;
        let ledger = self.now();
        let first = normal(&history.asked[first].request.command, ledger);
        Some((sequence, first == normal(&request.command, ledger)))
    }

    /// Whether the request's key was settled by a record up to `sequence`.
    pub(super) fn is_claimed(&self, request: &Request, sequence: u64) -> bool {
        let settled = request.scope().and_then(|scope| self.key_of(&scope));
        settled.is_some_and(|settled| settled <= sequence)
    }

    fn note_movements(&mut self, record: &Record, request: &Request) {
        let (reference, metadata) = request.command.notes();
        let (from, to) = ends(&request.command);
        for posting in &record.postings {
            let change = &record.changes[posting.change as usize];
            let other = if from == Some(change.entity) {
                to
            } else {
                from
            };
            if Some(change.entity) != from && Some(change.entity) != to {
                continue;
            }
            let movement = Movement {
                transaction_id: record.operation_id,
                transaction_type: match request.command {
                    Command::Deposit(_) => "deposit",
                    Command::Withdraw(_) => "withdrawal",
                    _ => "transfer",
                },
                amount: posting.amount,
                balance_after: i64::try_from(posting.balance).unwrap(),
                version: change.version,
                counterparty: other,
                reference: reference.map(str::to_owned),
                metadata: metadata.cloned().unwrap_or_default(),
                timestamp: record.time,
            };
            let line = self.movements.entry(change.entity).or_default();
            line.push((record.sequence, movement));
        }
    }
}

/// Whether a record says that its command made its actor fail.
pub(super) fn is_faulted(record: &Record) -> bool {
    matches!(&record.outcome, Outcome::Refused(rejection) if rejection.code == Code::ActorFaulted)
}

/// Whether an outcome is stored: what changes something, and under a key also what changes
/// nothing and the refusals that the contract stores.
pub fn is_stored(verdict: &Verdict, has_key: bool) -> bool {
    match verdict {
        Verdict::Done { touched, .. } => has_key || !touched.is_empty(),
        Verdict::Refused(code) => has_key && *code != Code::NotFound,
    }
}

fn ends(command: &Command) -> (Option<EntityId>, Option<EntityId>) {
    match command {
        Command::Deposit(deposit) => (None, Some(deposit.to)),
        Command::Withdraw(withdraw) => (Some(withdraw.from), None),
        Command::Transfer(transfer) => (Some(transfer.from), Some(transfer.to)),
        _ => (None, None),
    }
}

/// Whether a record is of the request that it names.
fn is_asked(record: &Record, asked: &Asked, ledger: &Ledger) -> Result<(), String> {
    let mut command = asked.request.command.clone();
    if let (Command::OpenAccount(mine), Command::OpenAccount(theirs)) =
        (&mut command, &record.command)
    {
        mine.holder = theirs.holder.clone();
    }
    if normal(&command, ledger) != normal(&record.command, ledger) {
        return Err(format!(
            "asked was {command:?}, recorded {:?}",
            record.command
        ));
    }
    if record.sequence <= asked.after {
        return Err(format!("record {} was there before", record.sequence));
    }
    if record.caller != asked.request.caller {
        return Err("another caller asked".to_owned());
    }
    match asked.fate {
        Fate::Unavailable(reason) if reason != super::OUTCOME_UNKNOWN => {
            Err(format!("its caller was told {reason:?}"))
        }
        _ => Ok(()),
    }
}

/// A command with the currency left away that is the routing account's own.
pub fn normal(command: &Command, ledger: &Ledger) -> Command {
    let mut command = command.clone();
    let own = command
        .routing_entity()
        .and_then(|id| ledger.account(id))
        .map(|(_, account)| account.currency);
    if let Some(named) = command.currency_mut()
        && *named == own
    {
        *named = None;
    }
    command
}
