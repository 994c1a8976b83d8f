//! The turn: one command is decided, recorded and applied, without waiting for anything.
//!
//! The steps are: claim the key → decide on every entity → evolve copies → append one record → swap
//! the copies in. Nothing fallible happens between the last two.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use super::checks::Checked;
use super::obstacle::Obstacle;
use super::overlay::{Overlay, Touched, Verdict};
use super::state::Ledger;
use crate::base::panic_text;
use crate::commands::{Acceptance, Command, Known, Original, PlanInput, Stop, decide};
use crate::entities::{Stamp, State, Transfer};
use crate::record::{Change, Execution, Outcome, Posting, Record};
use crate::runtime::replies::lane::ReplyTo;
use crate::runtime::replies::reply::{Decided, Reply, Unavailable};
use crate::runtime::residency::directory::Directory;
use crate::runtime::residency::envelope::{Envelope, Mode};
use crate::runtime::residency::host::{Need, TakeTurns, Turn};
use crate::runtime::residency::seat::{Phase, Seat};
use crate::words::{Code, Currency, EntityId, Moving, PersonalRow, PersonalValues, Rejection};

impl TakeTurns for Ledger {
    fn take_turn(self: &Rc<Self>, seat: &Rc<Seat>, envelope: Box<Envelope>) -> Turn {
        self.turn(seat, envelope)
    }

    async fn fetch_needed(
        self: &Rc<Self>,
        seat: &Seat,
        need: Need,
        envelope: &mut Envelope,
    ) -> Result<(), Unavailable> {
        self.fetch(seat, need, envelope).await
    }

    fn end_unfetched(self: &Rc<Self>, envelope: Box<Envelope>, unavailable: Unavailable) {
        self.out_of_reach(envelope, unavailable);
    }

    fn end_turn(&self, seat: &Seat) {
        self.forget_vacant(seat);
    }
}

impl Ledger {
    /// Takes one command's turn on behalf of its entity's actor.
    pub(in crate::runtime) fn turn(
        self: &Rc<Self>,
        seat: &Rc<Seat>,
        envelope: Box<Envelope>,
    ) -> Turn {
        let parties = envelope.command.parties();
        if !self.are_in_memory(&parties) {
            return Turn::Needs(envelope, Need::Parties);
        }
        let turn = self.turn_among(seat, envelope);
        if matches!(turn, Turn::Ended) {
            for entity in parties {
                let party = self.residents.seat(entity);
                party.iter().for_each(|party| self.forget_vacant(party));
            }
        }
        turn
    }

    /// Takes the turn once every entity that a command of many parts names is in memory.
    fn turn_among(self: &Rc<Self>, seat: &Rc<Seat>, envelope: Box<Envelope>) -> Turn {
        match self.check(seat, envelope) {
            Ok(checked) => self.turn_checked(seat, checked),
            Err(turn) => turn,
        }
    }

    /// Takes the turn of a command that may be decided now.
    fn turn_checked(self: &Rc<Self>, seat: &Rc<Seat>, checked: Checked) -> Turn {
        let Checked {
            mut envelope,
            stamp,
            claim,
        } = checked;
        let is_decided_first = envelope.command.acceptance() == Acceptance::Decided;
        if envelope.mode == Mode::Accept && !is_decided_first {
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
        self.calls.begin();
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

    /// Turns away a command that can't be done now. A command that was accepted is retried instead.
    pub(in crate::runtime) fn out_of_reach(
        self: &Rc<Self>,
        envelope: Box<Envelope>,
        unavailable: Unavailable,
    ) {
        match envelope.mode {
            Mode::Execute(_) => self.postpone(envelope),
            Mode::Confirm | Mode::Accept => self.turn_away(envelope, unavailable),
        }
    }

    /// Decides a command on copies; changes nothing.
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
        let input = PlanInput {
            subject: envelope.subject,
            operation: envelope.operation_id,
            now: stamp.time,
        };
        let parts = match envelope.command.plan(input, &mut overlay) {
            Ok(parts) => parts,
            Err(Stop::Refuse(rejection)) => return Ok(overlay.refused(rejection)),
            Err(Stop::Load(entity)) => return Err(self.obstacle(entity)),
            Err(Stop::Read(transfer)) => return Err(Obstacle::Need(Need::Original(transfer))),
        };
        if let (Some(wanted), Some(kind)) = (envelope.context.kind, seat.kind())
            && wanted != kind
        {
            return Ok(overlay.refused(wanted.not_found().about(seat.entity)));
        }
        // The version that counts is that of a transfer's source. The source is the first part, or
        let about = envelope.command.rules().versioned(input, &parts);
        let version = overlay.version(about);
        if let Some(wanted) = envelope
            .context
            .if_match
            .filter(|wanted| *wanted != version)
        {
            let detail = format!("the version is {version}, not {wanted}");
            let rejection = Rejection::new(Code::VersionMismatch, detail).about(about);
            return Ok(overlay.refused(rejection));
        }
        let events = match decide(&parts, &mut overlay, stamp.time) {
            Ok(events) => events,
            Err(rejection) => return Ok(overlay.refused(rejection)),
        };
        overlay.evolve(parts, events, stamp);
        Ok(overlay.done(&envelope.command, input))
    }

    pub(in crate::runtime) fn obstacle(&self, entity: EntityId) -> Obstacle {
        match self.residents.seat(entity).map(|seat| seat.phase()) {
            Some(Phase::Quarantined) => Obstacle::Unavailable(Unavailable::Quarantined),
            Some(_) | None => Obstacle::Need(Need::Entity(entity)),
        }
    }

    /// Records a verdict, applies its states, and queues its answer.
    pub(in crate::runtime) fn conclude(
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
        let personal = match &row {
            Some(row) => row.values(),
            None => self.personal_shown(&envelope, &outcome, &touched),
        };
        let (seats, changes): (Vec<_>, Vec<_>) = touched
            .into_iter()
            .map(|touched| ((touched.seat, touched.after), touched.change))
            .unzip();
        let dry_run = envelope.context.dry_run;
        let (record, reply_to) = record(envelope, stamp, outcome, changes, postings);
        if stored {
            if let Err(error) = self.append(&record, row.as_ref(), claim) {
                // Nothing was applied yet: the copies are dropped with the verdict.
                tracing::error!(%error, operation = %record.operation_id, "a record was not taken");
                self.under_way.borrow_mut().end(record.operation_id);
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
                if after.personal().is_none() {
                    present.personal = None;
                } else if is_new {
                    present.personal.clone_from(&personal);
                }
                present.state = Some(after);
                present.version = change.version;
                present.last = stamp.sequence;
                drop(present);
                if is_new {
                    self.residents.count(&seat);
                }
            }
        } else {
            // Entities that the command would have created are removed again.
            seats.iter().for_each(|(seat, _)| self.forget_vacant(seat));
        }
        let rests_on = if stored { stamp.sequence } else { rests_on };
        let decided = Decided {
            record,
            stored,
            replayed: false,
            dry_run,
            personal,
        };
        if let Some(execution) = execution {
            self.executed(execution);
        }
        self.promise(rests_on, decided, reply_to);
    }

    /// Returns the personal values that the answer shows: those of the subject, if the answer shows
    /// it and the command doesn't erase them.
    fn personal_shown(
        &self,
        envelope: &Envelope,
        outcome: &Outcome,
        touched: &[Touched],
    ) -> Option<PersonalValues> {
        let Outcome::Done(Some(shown)) = outcome else {
            return None;
        };
        shown.personal()?;
        let after = touched
            .iter()
            .find(|one| one.seat.entity == envelope.subject);
        if after.is_some_and(|one| one.after.personal().is_none()) {
            return None;
        }
        let directory = self.residents.directory();
        let present = directory.seat(envelope.subject)?.present.borrow();
        present.personal.clone()
    }

    /// Ends an accepted command whose effect needs a record above the size limit: the command
    /// fails.
    fn give_up(
        self: &Rc<Self>,
        mut record: Record,
        execution: Execution,
        stamp: Stamp,
        reply_to: ReplyTo,
    ) {
        let detail = "its record would be larger than a record may be";
        let rejection = Rejection::new(Code::ActorFaulted, detail);
        let moving = self.would_move(&record.command, None);
        record.outcome = Outcome::Refused(match moving {
            Some(moving) => rejection.moving(moving),
            None => rejection,
        });
        (record.changes, record.postings) = (Vec::new(), Vec::new());
        if let Err(error) = self.append(&record, None, None) {
            tracing::error!(%error, operation = %record.operation_id, "a record was not taken");
        }
        let decided = Decided {
            record,
            stored: true,
            replayed: false,
            dry_run: false,
            personal: None,
        };
        self.executed(execution);
        self.promise(stamp.sequence, decided, reply_to);
    }

    /// Refuses a command that was not started before its deadline; its operation then shows the
    /// refusal.
    pub(super) fn conclude_late(self: &Rc<Self>, envelope: Box<Envelope>, stamp: Stamp) {
        let dry_run = envelope.context.dry_run;
        let (record, reply_to) = self.record_late(envelope, stamp);
        let decided = Decided {
            record,
            stored: !dry_run,
            replayed: false,
            dry_run,
            personal: None,
        };
        let rests_on = if dry_run { 0 } else { stamp.sequence };
        self.promise(rests_on, decided, reply_to);
    }

    /// Records that a command was not started before its deadline, unless it is a dry run.
    pub(in crate::runtime) fn record_late(
        &self,
        mut envelope: Box<Envelope>,
        stamp: Stamp,
    ) -> (Record, ReplyTo) {
        let rejection = Rejection::new(
            Code::DeadlineExceeded,
            "the command was not begun before its deadline",
        );
        // The personal values are dropped, because nothing was done with them.
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

    /// Handles a panic of an entity's own code. The code worked on copies, so the state and the
    /// journal are unchanged.
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
        let rejection = self.telling_what_moves(&envelope, rejection);
        let mut verdict = Verdict::without_effect(Outcome::Refused(rejection));
        verdict.rests_on = seat.present.borrow().last;
        // The command's record is its dead letter, so it is kept with or without a key.
        verdict.keep = true;
        // Nothing was created that could be erased later, so no personal value is kept. The salt is
        // enough to recognize a repeat of the key.
        let row = row.filter(|_| claim.is_some());
        let row = row.map(|row| PersonalRow::new(row.salt()));
        self.conclude(envelope, stamp, verdict, row, claim);
        let culprit = self
            .calls
            .last()
            .and_then(|entity| self.residents.seat(entity));
        self.supervise(&culprit.unwrap_or_else(|| Rc::clone(seat)), &reason);
    }

    /// Adds to a command's refusal what the command would have moved.
    pub(in crate::runtime) fn telling_what_moves(
        &self,
        envelope: &Envelope,
        rejection: Rejection,
    ) -> Rejection {
        match self.would_move(&envelope.command, envelope.original.as_ref()) {
            Some(moving) => rejection.moving(moving),
            None => rejection,
        }
    }

    /// Returns the amount and currency that a command would move, as far as the entities in memory
    /// tell, or `None` for a command that moves several amounts or nothing. `original` is the
    /// journal's information about a transfer that is no entity.
    pub(in crate::runtime) fn would_move(
        &self,
        command: &Command,
        original: Option<&Original>,
    ) -> Option<Moving> {
        let directory = self.residents.directory();
        command.moving(&InMemory {
            directory: &directory,
            original,
        })
    }
}

/// The entities in memory, as far as they tell what a command would move.
struct InMemory<'d, A> {
    directory: &'d Directory<A>,
    /// The journal's knowledge of a transfer that is not an entity.
    original: Option<&'d Original>,
}

impl<A> Known for InMemory<'_, A> {
    fn currency(&self, entity: EntityId) -> Option<Currency> {
        let present = self.directory.seat(entity)?.present.borrow();
        let (currency, _) = present.state.as_ref()?.money()?;
        Some(currency)
    }

    fn transfer(&self, id: EntityId) -> Option<Transfer> {
        let seat = self.directory.seat(id);
        let present = seat.map(|seat| seat.present.borrow());
        let state = present.as_ref().and_then(|present| present.state.as_ref());
        match (state, self.original) {
            (Some(State::Transfer(transfer)), _) => Some(transfer.clone()),
            (None, Some(Original::Immediate(made))) => Some(Transfer::immediate(made)),
            _ => None,
        }
    }
}

/// Creates the record of a decision, and returns it with the caller's reply address.
pub(in crate::runtime) fn record(
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
