//! Answering: decisions are sent to their callers, and repeats are answered from the journal.

use std::rc::Rc;

use florin_storage::PersonalBytes;

use super::state::Ledger;
use super::turn::record;
use crate::base::{
    ReadFault, lost_personal, operation_entry, read_personal, read_record, read_row, search,
};
use crate::record::{Outcome, Record};
use crate::runtime::idempotency::index::{Found, unreadable};
use crate::runtime::operations::waiting::Held;
use crate::runtime::replies::confirmation::Left;
use crate::runtime::replies::lane::{Answer, ReplyTo};
use crate::runtime::replies::reply::{Decided, Reply, Unavailable};
use crate::runtime::residency::envelope::{Envelope, Mode};
use crate::words::{Code, OperationId, PersonalRow, Rejection};

impl Ledger {
    /// Queues a decision for its caller. It is sent once the record it depends on is durable.
    pub(in crate::runtime) fn promise(
        self: &Rc<Self>,
        rests_on: u64,
        decided: Decided,
        mut reply_to: ReplyTo,
    ) {
        let decided = Box::new(decided);
        if !decided.stored {
            self.hold(rests_on, Held::Answer(decided, reply_to));
            return;
        }
        let id = decided.record.operation_id;
        self.forget_settled();
        let has_listeners = {
            let mut under_way = self.under_way.borrow_mut();
            under_way.settle(rests_on, id);
            under_way.has_listeners(id)
        };
        if has_listeners {
            self.tell_when_durable(rests_on, id);
        }
        let lane = reply_to.lane.take();
        let lane = lane.as_ref().unwrap_or(&self.home);
        let answer = Answer::new(decided, reply_to);
        lane.push(rests_on, answer, || self.watermark.durable());
    }

    /// Forgets the operations that are settled durably; from now on their records show them.
    pub(in crate::runtime) fn forget_settled(&self) {
        let durable = self.watermark.durable();
        self.under_way.borrow_mut().forget_settled(durable);
    }

    /// Sends a decision that has no record. A caller that already got 504 can only look up the
    /// operation, so the decision then gets a record.
    pub(in crate::runtime) fn answer(&self, decided: Box<Decided>, reply_to: &ReplyTo) {
        reply_to.measure(&decided, &*self.clock, &*self.observer);
        let id = decided.record.operation_id;
        self.under_way.borrow_mut().end(id);
        self.tell_listeners(id);
        match reply_to.slot.fill(Reply::Decided(decided)) {
            Ok(()) => reply_to.slot.wake(),
            Err(Left::TimedOut(Reply::Decided(decided))) if !decided.dry_run => {
                self.store_late(decided.record);
            }
            Err(_) => {}
        }
    }

    /// Makes a record of a decision that has none and whose caller got 504.
    fn store_late(&self, mut record: Record) {
        let stamp = self.writer.stamp(self.clock.now());
        record.sequence = stamp.sequence;
        record.time = stamp.time;
        record.key = None;
        if let Err(error) = self.append(&record, None, None) {
            tracing::error!(%error, operation = %record.operation_id, "an outcome could not be recorded");
        }
    }

    /// Answers a repeat of a key once the record that settled it is durable.
    pub(in crate::runtime) fn join(self: &Rc<Self>, envelope: Box<Envelope>, sequence: u64) {
        // A repeat of a command that was accepted first is answered once the command is executed,
        // unless the repeat only asks to be accepted.
        let accepted = self.under_way.borrow().accepted_by(sequence);
        if envelope.mode == Mode::Confirm
            && let Some(accepted) = accepted
        {
            envelope.reply_to.slot.join(accepted);
            let replay = Held::Replay(envelope, sequence);
            let waits = self
                .under_way
                .borrow_mut()
                .await_execution(sequence, replay);
            debug_assert!(waits.is_ok(), "nothing is executed within a turn");
            return;
        }
        if let Some(first) = self.under_way.borrow().settled_by(sequence) {
            envelope.reply_to.slot.join(first);
        }
        self.hold(sequence, Held::Replay(envelope, sequence));
    }

    /// Answers a repeat from the journal: with the first answer, or with a refusal because the key
    /// was used for another request.
    pub(in crate::runtime) async fn replay(self: Rc<Self>, envelope: Box<Envelope>, sequence: u64) {
        let read = self.recorded(sequence).await;
        let reply = match read {
            Err(unavailable) => Reply::Unavailable(unavailable),
            Ok((mut decided, row)) => {
                let record = &decided.record;
                if let Some(key) = envelope.context.key.as_deref()
                    && record.key.as_deref() != Some(key)
                    && let Some(index) = record.item_with_key(key)
                    && let Some(alone) = record.item_alone(index)
                {
                    // A batch's item and the same transfer sent alone are one request.
                    decided.record = alone;
                }
                let same = envelope
                    .command
                    .is_same_request(&decided.record.command, row.as_ref())
                    && decided.record.key == envelope.context.key
                    && decided.record.caller == envelope.context.caller;
                if !same {
                    self.refuse_other(envelope).await;
                    return;
                }
                if decided.record.outcome == Outcome::Accepted {
                    match self.execution_of(decided.record.operation_id).await {
                        Ok(Some(executed)) => decided = executed,
                        Ok(None) => {}
                        Err(unavailable) => {
                            self.turn_away(envelope, unavailable);
                            return;
                        }
                    }
                }
                decided.replayed = true;
                let reply_to = &envelope.reply_to;
                reply_to.measure(&decided, &*self.clock, &*self.observer);
                Reply::Decided(Box::new(decided))
            }
        };
        self.under_way.borrow_mut().end(envelope.operation_id);
        match envelope.reply_to.slot.fill(reply) {
            Ok(()) => envelope.reply_to.slot.wake(),
            Err(Left::TimedOut(_)) => {
                // The caller was given this operation's id, so the id leads to the first request's
                // outcome.
                self.settled.lead(envelope.operation_id, sequence);
            }
            Err(Left::Gone(_)) => {}
        }
    }

    /// Refuses a request whose key was used for another request. A message that is delivered again
    /// gets the refusal that was recorded for it.
    async fn refuse_other(self: &Rc<Self>, envelope: Box<Envelope>) {
        if let Some(input) = &envelope.context.input {
            let entry = operation_entry(input.operation_id.external());
            let before = match self.record_of(entry).await {
                Ok(Some(sequence)) => self.recorded(sequence).await.map(Some),
                Ok(None) => Ok(None),
                Err(unavailable) => Err(unavailable),
            };
            match before {
                Err(unavailable) => return self.turn_away(envelope, unavailable),
                Ok(Some((decided, _)))
                    if { &decided.record.input }
                        .as_ref()
                        .is_some_and(|before| before.is_same_message(input)) =>
                {
                    self.under_way.borrow_mut().end(envelope.operation_id);
                    envelope.reply_to.send(Reply::Decided(Box::new(decided)));
                    return;
                }
                Ok(_) => {}
            }
        }
        self.refuse_reuse(envelope);
    }

    /// Refuses a request whose key was used for another request. The refusal has a record only if a
    /// message brought the request, or if the caller got 504.
    fn refuse_reuse(self: &Rc<Self>, mut envelope: Box<Envelope>) {
        let rejection = Rejection::new(
            Code::IdempotencyKeyReused,
            "the idempotency key came before with another request",
        );
        let rejection = self.telling_what_moves(&envelope, rejection);
        drop(envelope.command.seal(|| self.random.salt()));
        let stamp = self.writer.stamp(self.clock.now());
        let outcome = Outcome::Refused(rejection);
        let stored = envelope.context.input.is_some();
        if stored {
            // The key belongs to the first request.
            envelope.context.key = None;
        }
        let (record, reply_to) = record(envelope, stamp, outcome, vec![], vec![]);
        if stored && let Err(error) = self.append(&record, None, None) {
            tracing::error!(%error, operation = %record.operation_id, "a record was not taken");
            self.under_way.borrow_mut().end(record.operation_id);
            reply_to.send(Reply::Unavailable(Unavailable::TooLarge));
            return;
        }
        let decided = Decided {
            record,
            stored,
            replayed: false,
            dry_run: false,
            personal: None,
        };
        if stored {
            self.promise(stamp.sequence, decided, reply_to);
        } else {
            self.answer(Box::new(decided), &reply_to);
        }
    }

    /// Returns the execution of an accepted command, or `None` if the command is not executed yet.
    pub(in crate::runtime) async fn execution_of(
        self: &Rc<Self>,
        operation: OperationId,
    ) -> Result<Option<Decided>, Unavailable> {
        match self
            .record_of(operation_entry(operation.execution()))
            .await?
        {
            Some(sequence) => Ok(Some(self.recorded(sequence).await?.0)),
            None => Ok(None),
        }
    }

    /// Returns the record that an entry of the operation index leads to, once the record is
    /// durable.
    pub(in crate::runtime) async fn record_of(
        self: &Rc<Self>,
        entry: u128,
    ) -> Result<Option<u64>, Unavailable> {
        let found = self.settled.operation(entry);
        let sequence = match found {
            Found::At(sequence) => sequence,
            Found::Perhaps(segments) => {
                let searched = self.beside.run(move || search(&segments, entry)).await;
                let searched = searched.ok_or(Unavailable::ShuttingDown)?;
                match searched.map_err(|error| unreadable(&error))? {
                    Some(sequence) => sequence,
                    None => return Ok(None),
                }
            }
        };
        self.durable(sequence).await?;
        Ok(Some(sequence))
    }

    /// Returns a durable record as an answer, with its personal row.
    pub(in crate::runtime) async fn recorded(
        &self,
        sequence: u64,
    ) -> Result<(Decided, Option<PersonalRow>), Unavailable> {
        let reader = self.reader.clone();
        let read = self
            .beside
            .run(move || read_decided(&reader, sequence))
            .await;
        match read {
            Some(Ok(found)) => Ok(found),
            Some(Err(fault)) => Err(fault.logged()),
            None => Err(Unavailable::ShuttingDown),
        }
    }
}

/// Reads a durable record as the answer it gave; blocks on the disk.
pub(in crate::runtime) fn read_decided(
    reader: &florin_storage::Reader,
    sequence: u64,
) -> Result<(Decided, Option<PersonalRow>), ReadFault> {
    let record = read_record(reader, sequence)?;
    let row = match reader.personal(sequence)? {
        Some(PersonalBytes::Kept(bytes)) => Some(read_row(reader, sequence, &bytes)?),
        Some(PersonalBytes::Erased) => None,
        None if record.has_personal() => return Err(lost_personal(reader, sequence)),
        None => None,
    };
    let personal = match record.personal() {
        Some(beside) if beside == sequence => {
            if let Some(row) = &row {
                prove(row, &record, reader)?;
            }
            row.as_ref().and_then(PersonalRow::values)
        }
        Some(beside) => read_personal(reader, beside)?,
        None => None,
    };
    Ok((
        Decided {
            record,
            stored: true,
            replayed: false,
            dry_run: false,
            personal,
        },
        row,
    ))
}

/// Checks that the personal values beside a record are those that were sealed in it.
fn prove(
    row: &PersonalRow,
    record: &Record,
    reader: &florin_storage::Reader,
) -> Result<(), ReadFault> {
    let mut sealed = record.command.sealed().enumerate();
    if sealed.all(|(place, hash)| row.proves(place, hash)) {
        return Ok(());
    }
    let what = "the personal data beside it does not match its hash";
    Err(reader.damaged(record.sequence, what).into())
}
