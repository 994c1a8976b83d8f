//! The turn: one command decided, recorded and taken over, without waiting for anything.
//!
//! Claim the key → decide on every entity → evolve copies → append one record → swap the copies
//! in. Nothing fallible stands between the last two.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use super::envelope::{Envelope, Mode};
use super::index::{Found, key_hash};
use super::lane::ReplyTo;
use super::ledger::Ledger;
use super::loading::panic_text;
use super::overlay::{Overlay, Verdict};
use super::reply::{Decided, Reply, Unavailable};
use super::seat::{Phase, Seat};
use crate::entities::{self, Asked, Stamp, State, Stop};
use crate::messages::{
    Change, Code, Command, EntityId, Execution, Outcome, PersonalRow, Posting, Record, Rejection,
};

/// How a turn went.
#[derive(Debug)]
pub enum Turn {
    /// The command is decided; its answer is on its way.
    Ended,
    /// Something has to be fetched first, then the turn is taken again.
    Needs(Box<Envelope>, Need),
}

/// What a turn can't do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The entity whose actor takes the command, in memory.
    Subject,
    /// This other entity in memory.
    Entity(EntityId),
    /// What the index's segments on disk say of the command's key.
    Key(u128),
    /// The record that made this transfer.
    Original(EntityId),
    /// Every entity that a command of many parts names, in memory.
    Parties,
    /// What the journal tells of the keys of a batch's items.
    ItemKeys,
}

/// Why there is no verdict.
pub(super) enum Obstacle {
    Need(Need),
    Unavailable(Unavailable),
    /// An item's key is that of a command, accepted by this record, that is still to be executed.
    Execution(u64),
}

impl Ledger {
    /// Takes one command's turn on behalf of its entity's actor.
    pub(super) fn turn(self: &Rc<Self>, seat: &Rc<Seat>, envelope: Box<Envelope>) -> Turn {
        let parties = envelope.command.parties();
        if !self.are_settled(&parties) {
            return Turn::Needs(envelope, Need::Parties);
        }
        let turn = self.turn_among(seat, envelope);
        if matches!(turn, Turn::Ended) {
            for entity in parties {
                let party = self.directory.borrow().seat(entity).cloned();
                party.iter().for_each(|party| self.forget_vacant(party));
            }
        }
        turn
    }

    /// The turn, once every entity that a command of many parts names is in memory.
    fn turn_among(self: &Rc<Self>, seat: &Rc<Seat>, mut envelope: Box<Envelope>) -> Turn {
        if seat.phase().is_passing() {
            return Turn::Needs(envelope, Need::Subject);
        }
        let now = self.clock.moment();
        seat.needed.set(now.millis());
        let stamp = self.sequencer.borrow().stamp(now.time);
        let is_execution = matches!(envelope.mode, Mode::Execute(_));
        if is_execution && self.is_closing() {
            return Turn::Ended;
        }
        if now.nanos > envelope.deadline_nanos {
            self.conclude_late(envelope, stamp);
            return Turn::Ended;
        }
        let is_resume = matches!(envelope.command, Command::Resume(_));
        if !seat.is_readable() {
            if is_resume && !envelope.read_again {
                envelope.read_again = true;
                self.read_again(seat);
                return Turn::Needs(envelope, Need::Subject);
            }
            if !is_execution && names_currency(&mut envelope) {
                // Whether it is the entity's own can't be told, nor whether a repeat is the same.
                self.turn_away(envelope, Unavailable::Quarantined);
                return Turn::Ended;
            }
        }
        if let Command::Batch(batch) = &envelope.command
            && !is_execution
            && self.names_unreadable_currency(batch)
        {
            self.turn_away(envelope, Unavailable::Quarantined);
            return Turn::Ended;
        }
        self.leave_default_currency_away(seat, &mut envelope);
        if let Command::Batch(batch) = &mut envelope.command {
            self.leave_item_currencies_away(batch);
        }
        let mut claim = None;
        if let Some(key) = envelope
            .context
            .key
            .as_deref()
            .filter(|_| !envelope.context.dry_run && !is_execution)
        {
            let hash = key_hash(&envelope.context.caller, key);
            let found = match self.keys.borrow().find(hash) {
                Found::At(sequence) => Some(sequence),
                Found::Perhaps(segments) if segments.is_empty() => None,
                Found::Perhaps(segments) => match envelope.key_searched {
                    Some(searched) if searched.holds(&segments) => searched.found,
                    _ => return Turn::Needs(envelope, Need::Key(hash)),
                },
            };
            if let Some(sequence) = found {
                self.forget_vacant(seat);
                self.join(envelope, sequence);
                return Turn::Ended;
            }
            claim = Some(hash);
        }
        if let Mode::Execute(execution) = envelope.mode {
            match self.waits_in_line(seat, execution, envelope) {
                Some(back) => envelope = back,
                None => return Turn::Ended,
            }
        }
        if seat.phase() == Phase::Quarantined && !(is_resume && seat.is_readable()) {
            self.out_of_reach(envelope, Unavailable::Quarantined);
            return Turn::Ended;
        }
        let is_about_transfer = matches!(
            envelope.command,
            Command::Post(_) | Command::Void(_) | Command::Reverse(_)
        );
        if envelope.mode == Mode::Accept && !is_about_transfer {
            self.take_on(seat, envelope, stamp, None, claim);
            self.forget_vacant(seat);
            return Turn::Ended;
        }
        if let Command::Resume(resume) = &envelope.command {
            let kind = resume.kind;
            self.resume(seat, envelope, stamp, kind, claim);
            self.forget_vacant(seat);
            return Turn::Ended;
        }
        let row = envelope.command.seal(|| self.random.salt());
        self.asked.set(None);
        let (kind, items) = (envelope.command.kind(), envelope.command.items());
        let began = items.map(|_| self.clock.nanos());
        let verdict = catch_unwind(AssertUnwindSafe(|| self.decide(seat, &envelope, stamp)));
        match verdict {
            Ok(Ok(verdict)) if envelope.mode == Mode::Accept => {
                self.take_on(seat, envelope, stamp, Some(verdict), claim);
            }
            Ok(Ok(verdict)) => self.conclude(envelope, stamp, verdict, row, claim),
            Ok(Err(obstacle)) => {
                if let Some(row) = &row {
                    envelope.command.unseal(row);
                }
                match obstacle {
                    Obstacle::Need(need) => return Turn::Needs(envelope, need),
                    Obstacle::Unavailable(unavailable) => self.out_of_reach(envelope, unavailable),
                    Obstacle::Execution(sequence) => {
                        return self.await_execution(envelope, sequence);
                    }
                }
            }
            Err(panic) => self.conclude_fault(seat, envelope, stamp, &panic, row, claim),
        }
        if let (Some(items), Some(began)) = (items, began) {
            let nanos = self.clock.nanos().saturating_sub(began);
            self.observer.batched(kind, items, nanos as f64 / 1e9);
        }
        self.forget_vacant(seat);
        Turn::Ended
    }

    /// Turns a command away that can't be done now; one that was accepted waits instead.
    pub(super) fn out_of_reach(self: &Rc<Self>, envelope: Box<Envelope>, unavailable: Unavailable) {
        match envelope.mode {
            Mode::Execute(_) => self.postpone(envelope),
            Mode::Confirm | Mode::Accept => self.turn_away(envelope, unavailable),
        }
    }

    /// Decides on copies; changes nothing.
    fn decide(
        self: &Rc<Self>,
        seat: &Rc<Seat>,
        envelope: &Envelope,
        stamp: Stamp,
    ) -> Result<Verdict, Obstacle> {
        let mut overlay = Overlay::new(self, seat, envelope);
        match &envelope.command {
            Command::Transact(transact) => {
                return self.decide_legs(transact, envelope, overlay, stamp);
            }
            Command::Batch(batch) => return self.decide_batch(batch, envelope, overlay, stamp),
            _ => {}
        }
        let asked = Asked {
            subject: envelope.subject,
            operation: envelope.operation_id,
            now: stamp.time,
        };
        let parts = match entities::plan(&envelope.command, asked, &mut overlay) {
            Ok(parts) => parts,
            Err(Stop::Refuse(rejection)) => return Ok(overlay.refused(rejection)),
            Err(Stop::Load(entity)) => return Err(self.obstacle(entity)),
            Err(Stop::Read(transfer)) => return Err(Obstacle::Need(Need::Original(transfer))),
        };
        if let (Some(wanted), Some(kind)) = (envelope.context.kind, seat.kind())
            && wanted != kind
        {
            return Ok(overlay.refused(entities::no_such(wanted)));
        }
        // Of a transfer its source counts, which is its first part; a reversal goes the other way.
        let about = match (&envelope.command, parts.as_slice()) {
            (Command::Reverse(_), [_, source, ..]) => source.entity,
            (Command::Post(_) | Command::Void(_) | Command::Expire(_), [source, ..]) => {
                source.entity
            }
            _ => envelope.subject,
        };
        let version = overlay.version(about);
        if let Some(wanted) = envelope
            .context
            .if_match
            .filter(|wanted| *wanted != version)
        {
            let detail = format!("the version is {version}, not {wanted}");
            return Ok(overlay.refused(Rejection::new(Code::VersionMismatch, detail)));
        }
        let events = match entities::decide(&parts, &mut overlay, stamp.time) {
            Ok(events) => events,
            Err(rejection) => return Ok(overlay.refused(rejection)),
        };
        overlay.evolve(parts, events, stamp);
        Ok(overlay.done(&envelope.command))
    }

    pub(super) fn obstacle(&self, entity: EntityId) -> Obstacle {
        match self
            .directory
            .borrow()
            .seat(entity)
            .map(|seat| seat.phase())
        {
            Some(Phase::Quarantined) => Obstacle::Unavailable(Unavailable::Quarantined),
            Some(_) | None => Obstacle::Need(Need::Entity(entity)),
        }
    }

    /// Records a verdict, takes its states over, and puts its answer in line.
    pub(super) fn conclude(
        self: &Rc<Self>,
        envelope: Box<Envelope>,
        stamp: Stamp,
        verdict: Verdict,
        row: Option<PersonalRow>,
        claim: Option<u128>,
    ) {
        let Verdict {
            outcome,
            touched,
            postings,
            rests_on,
            keep,
        } = verdict;
        let execution = envelope.mode.execution();
        let keeps = keep
            || execution.is_some()
            || envelope.context.input.is_some()
            || match &outcome {
                Outcome::Refused(rejection) => claim.is_some() && rejection.code.is_stored(),
                _ => claim.is_some() || !touched.is_empty(),
            };
        let stored = keeps && !envelope.context.dry_run;
        let holder = match &envelope.command {
            Command::OpenAccount(_) => row.as_ref().and_then(|row| row.value(0).cloned()),
            Command::UpdateAccount(_) | Command::DeleteAccount(_) => self
                .directory
                .borrow()
                .seat(envelope.subject)
                .and_then(|seat| seat.present.borrow().holder.clone()),
            _ => None,
        };
        let (seats, changes): (Vec<_>, Vec<_>) = touched
            .into_iter()
            .map(|touched| ((touched.seat, touched.after), touched.change))
            .unzip();
        let dry_run = envelope.context.dry_run;
        let (record, reply_to) = record(envelope, stamp, outcome, changes, postings);
        if stored {
            if let Err(error) = self.append(&record, row.as_ref(), claim) {
                // Before anything was done: the copies are dropped with the verdict.
                tracing::error!(%error, operation = %record.operation_id, "a record was not taken");
                self.queued.borrow_mut().remove(&record.operation_id);
                if let (Some(execution), false) =
                    (execution, matches!(record.outcome, Outcome::Refused(_)))
                {
                    seats.iter().for_each(|(seat, _)| self.forget_vacant(seat));
                    self.give_up(record, execution, stamp, reply_to);
                    return;
                }
                reply_to.send(Reply::Unavailable(Unavailable::TooLarge));
                seats.iter().for_each(|(seat, _)| self.forget_vacant(seat));
                return;
            }
            for ((seat, after), change) in seats.into_iter().zip(&record.changes) {
                let is_new = change.previous == 0;
                let mut present = seat.present.borrow_mut();
                match &after {
                    State::Account(_) if is_new => present.holder.clone_from(&holder),
                    State::Account(account) if account.is_erased() => present.holder = None,
                    _ => {}
                }
                present.state = Some(after);
                present.version = change.version;
                present.last = stamp.sequence;
                drop(present);
                if is_new {
                    self.directory.borrow_mut().count(&seat);
                }
            }
        } else {
            // What would have come into being.
            seats.iter().for_each(|(seat, _)| self.forget_vacant(seat));
        }
        let rests_on = if stored { stamp.sequence } else { rests_on };
        let decided = Decided {
            record,
            stored,
            replayed: false,
            dry_run,
            holder,
        };
        if let Some(execution) = execution {
            self.executed(execution);
        }
        self.promise(rests_on, decided, reply_to);
    }

    /// Ends a command that was accepted and whose effect makes too large a record: it failed.
    fn give_up(
        self: &Rc<Self>,
        mut record: Record,
        execution: Execution,
        stamp: Stamp,
        reply_to: ReplyTo,
    ) {
        let detail = "its record would be larger than a record may be";
        record.outcome = Outcome::Refused(Rejection::new(Code::ActorFaulted, detail));
        (record.changes, record.postings) = (Vec::new(), Vec::new());
        if let Err(error) = self.append(&record, None, None) {
            tracing::error!(%error, operation = %record.operation_id, "a record was not taken");
        }
        let decided = Decided {
            record,
            stored: true,
            replayed: false,
            dry_run: false,
            holder: None,
        };
        self.executed(execution);
        self.promise(stamp.sequence, decided, reply_to);
    }

    /// Refuses a command that was not begun in time; its operation tells so.
    fn conclude_late(self: &Rc<Self>, envelope: Box<Envelope>, stamp: Stamp) {
        let dry_run = envelope.context.dry_run;
        let (record, reply_to) = self.record_late(envelope, stamp);
        let decided = Decided {
            record,
            stored: !dry_run,
            replayed: false,
            dry_run,
            holder: None,
        };
        let rests_on = if dry_run { 0 } else { stamp.sequence };
        self.promise(rests_on, decided, reply_to);
    }

    /// Records, unless it is a dry run, that a command was not begun in time.
    pub(super) fn record_late(
        &self,
        mut envelope: Box<Envelope>,
        stamp: Stamp,
    ) -> (Record, ReplyTo) {
        let rejection = Rejection::new(
            Code::DeadlineExceeded,
            "the command was not begun before its deadline",
        );
        // The personal values are dropped: nothing was done with them.
        envelope.command.seal(|| self.random.salt());
        envelope.context.key = None;
        let dry_run = envelope.context.dry_run;
        let refused = Outcome::Refused(rejection);
        let (record, reply_to) = record(envelope, stamp, refused, vec![], vec![]);
        if !dry_run && let Err(error) = self.append(&record, None, None) {
            tracing::error!(%error, operation = %record.operation_id, "a record was not taken");
        }
        (record, reply_to)
    }

    /// The entity's own code panicked. It worked on copies: state and journal are as before.
    fn conclude_fault(
        self: &Rc<Self>,
        seat: &Rc<Seat>,
        envelope: Box<Envelope>,
        stamp: Stamp,
        panic: &Box<dyn std::any::Any + Send>,
        row: Option<PersonalRow>,
        claim: Option<u128>,
    ) {
        let reason = panic_text(&**panic);
        tracing::error!(operation = %envelope.operation_id, reason, "a command made an actor fail");
        let rejection = Rejection::new(Code::ActorFaulted, "the command made its actor fail");
        let mut verdict = Verdict::without_effect(Outcome::Refused(rejection));
        verdict.rests_on = seat.present.borrow().last;
        // The command's dead letter is its record, whether it has a key or not.
        verdict.keep = true;
        // Nothing came into being that could be erased, so no personal value is kept: the salt is
        // enough to know a repeat of the key again.
        let row = row.filter(|_| claim.is_some());
        let row = row.map(|row| PersonalRow::new(row.salt()));
        self.conclude(envelope, stamp, verdict, row, claim);
        let asked = self.asked.take();
        let culprit = asked.and_then(|entity| self.directory.borrow().seat(entity).cloned());
        self.supervise(&culprit.unwrap_or_else(|| Rc::clone(seat)), &reason);
    }

    /// A currency that is the entity's own says nothing: the same request with and without it
    /// must be the same command.
    fn leave_default_currency_away(&self, seat: &Seat, envelope: &mut Envelope) {
        if let Some(named) = envelope.command.currency_mut()
            && named.is_some()
        {
            let present = seat.present.borrow();
            let own = present
                .state
                .as_ref()
                .and_then(State::money)
                .map(|(currency, _)| currency);
            if *named == own {
                *named = None;
            }
        }
    }

    /// Forgets a seat that was taken for an entity that doesn't exist. One with letters stays: the
    /// next one may bring the entity into being, as a reversal does with a transfer made at once.
    pub(super) fn forget_vacant(&self, seat: &Seat) {
        let is_vacant = seat.phase() == Phase::Live && seat.present.borrow().state.is_none();
        if is_vacant && seat.letters.get() == 0 {
            self.directory.borrow_mut().leave(seat);
        }
    }
}

fn names_currency(envelope: &mut Envelope) -> bool {
    let named = envelope.command.currency_mut();
    named.is_some_and(|named| named.is_some())
}

/// The record of a decision, and the way back.
pub(super) fn record(
    envelope: Box<Envelope>,
    stamp: Stamp,
    outcome: Outcome,
    changes: Vec<Change>,
    postings: Vec<Posting>,
) -> (Record, ReplyTo) {
    let envelope = *envelope;
    let context = envelope.context;
    let record = Record {
        sequence: stamp.sequence,
        time: stamp.time,
        epoch: 0,
        operation_id: envelope.operation_id,
        caller: context.caller,
        key: context.key,
        request_id: context.request_id,
        correlation_id: context.correlation_id,
        causation_id: None,
        trace: context.trace,
        command: envelope.command,
        execution: envelope.mode.execution(),
        outcome,
        changes,
        postings,
        input: context.input.map(|input| *input),
    };
    (record, envelope.reply_to)
}
