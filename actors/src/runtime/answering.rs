//! The way back: decisions reach their callers, repeats are answered from the journal.

use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::confirmation::Left;
use super::envelope::{Envelope, Mode};
use super::index::{Found, operation_entry, search, unreadable};
use super::lane::{Answer, ReplyTo};
use super::ledger::Ledger;
use super::reply::{Decided, Reply, Unavailable};
use super::turn::record;
use super::waiting::Held;
use crate::messages::{Code, OperationId, Outcome, PersonalRow, Record, Rejection};
use crate::record_codec::{decode_personal, decode_record};

impl Ledger {
    /// Puts a decision in line for its caller: it leaves once what it rests on is durable.
    pub(super) fn promise(self: &Rc<Self>, rests_on: u64, decided: Decided, mut reply_to: ReplyTo) {
        let decided = Box::new(decided);
        if !decided.stored {
            self.hold(rests_on, Held::Answer(decided, reply_to));
            return;
        }
        let id = decided.record.operation_id;
        self.forget_settled();
        self.settling.borrow_mut().push(rests_on, id);
        if self.listeners.borrow().contains_key(&id) {
            self.tell_when_durable(rests_on, id);
        }
        let lane = reply_to.lane.take();
        let lane = lane.as_ref().unwrap_or(&self.home);
        let answer = Answer::new(decided, reply_to);
        lane.push(rests_on, answer, || self.watermark.durable());
    }

    /// Forgets the operations that are settled durably: their records tell of them.
    pub(super) fn forget_settled(&self) {
        let durable = self.watermark.durable();
        let mut settling = self.settling.borrow_mut();
        while let Some(operation) = settling.pop(durable) {
            self.queued.borrow_mut().remove(&operation);
        }
    }

    /// Sends a decision that has no record. A caller that was told 504 in the meantime has only its
    /// operation to ask: it gets one then.
    pub(super) fn answer(&self, decided: Box<Decided>, reply_to: &ReplyTo) {
        reply_to.measure(&decided, &*self.clock, &*self.observer);
        let id = decided.record.operation_id;
        self.queued.borrow_mut().remove(&id);
        self.tell_listeners(id);
        match reply_to.slot.fill(Reply::Decided(decided)) {
            Ok(()) => reply_to.slot.wake(),
            Err(Left::TimedOut(Reply::Decided(decided))) if !decided.dry_run => {
                self.store_late(decided.record);
            }
            Err(_) => {}
        }
    }

    /// Gives a record to a decision without one whose caller was told 504.
    fn store_late(&self, mut record: Record) {
        let stamp = self.sequencer.borrow().stamp(self.clock.now());
        record.sequence = stamp.sequence;
        record.time = stamp.time;
        record.key = None;
        if let Err(error) = self.append(&record, None, None) {
            tracing::error!(%error, operation = %record.operation_id, "an outcome could not be recorded");
        }
    }

    /// Answers a repeat of a key once the record that settled it is durable.
    pub(super) fn join(self: &Rc<Self>, envelope: Box<Envelope>, sequence: u64) {
        // One that was accepted first is answered once it is executed, unless that is no matter.
        if envelope.mode == Mode::Confirm
            && let Some(accepted) = self.accepted.borrow_mut().get_mut(&sequence)
        {
            envelope.reply_to.slot.join(accepted.operation);
            accepted.waiting.push(Held::Replay(envelope, sequence));
            return;
        }
        if let Some(first) = self.settling.borrow().operation_of(sequence) {
            envelope.reply_to.slot.join(first);
        }
        self.hold(sequence, Held::Replay(envelope, sequence));
    }

    /// Answers a repeat from the journal: the first answer, or that the key was used for
    /// something else.
    pub(super) async fn replay(self: Rc<Self>, envelope: Box<Envelope>, sequence: u64) {
        let read = self.recorded(sequence).await;
        let reply = match read {
            Err(unavailable) => Reply::Unavailable(unavailable),
            Ok((mut decided, row)) => {
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
        self.queued.borrow_mut().remove(&envelope.operation_id);
        match envelope.reply_to.slot.fill(reply) {
            Ok(()) => envelope.reply_to.slot.wake(),
            Err(Left::TimedOut(_)) => {
                // The caller was told this operation's id: it leads to the first one's outcome.
                let entry = operation_entry(envelope.operation_id);
                self.operations.borrow_mut().insert(entry, sequence);
            }
            Err(Left::Gone(_)) => {}
        }
    }

    /// Refuses a request whose key came before with another one. A message that is delivered again
    /// was refused then.
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
                Ok(Some((decided, _))) if decided.record.input.as_ref() == Some(&**input) => {
                    self.queued.borrow_mut().remove(&envelope.operation_id);
                    envelope.reply_to.send(Reply::Decided(Box::new(decided)));
                    return;
                }
                Ok(_) => {}
            }
        }
        self.refuse_reuse(envelope);
    }

    /// Refuses a request whose key came before with another one: a refusal of its own, that has
    /// a record only if a message brought it, or if its caller was told 504.
    fn refuse_reuse(self: &Rc<Self>, mut envelope: Box<Envelope>) {
        let rejection = Rejection::new(
            Code::IdempotencyKeyReused,
            "the idempotency key came before with another request",
        );
        drop(envelope.command.seal(|| self.random.salt()));
        let stamp = self.sequencer.borrow().stamp(self.clock.now());
        let outcome = Outcome::Refused(rejection);
        let stored = envelope.context.input.is_some();
        if stored {
            // The key is the first request's.
            envelope.context.key = None;
        }
        let (record, reply_to) = record(envelope, stamp, outcome, vec![], vec![]);
        if stored && let Err(error) = self.append(&record, None, None) {
            tracing::error!(%error, operation = %record.operation_id, "a record was not taken");
            self.queued.borrow_mut().remove(&record.operation_id);
            reply_to.send(Reply::Unavailable(Unavailable::TooLarge));
            return;
        }
        let decided = Decided {
            record,
            stored,
            replayed: false,
            dry_run: false,
            holder: None,
        };
        if stored {
            self.promise(stamp.sequence, decided, reply_to);
        } else {
            self.answer(Box::new(decided), &reply_to);
        }
    }

    /// What became of a command that was accepted first; `None`: it is not executed yet.
    pub(super) async fn execution_of(
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

    /// The record that an entry of the index of operations leads to, once it is durable.
    pub(super) async fn record_of(
        self: &Rc<Self>,
        entry: u128,
    ) -> Result<Option<u64>, Unavailable> {
        let found = self.operations.borrow().find(entry);
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
        let (sender, receiver) = oneshot::channel();
        self.when_durable(sequence, move || {
            // Only this task waits for it.
            let _ = sender.send(());
        });
        receiver.await.map_err(|_| Unavailable::ShuttingDown)?;
        Ok(Some(sequence))
    }

    /// A durable record as an answer, with its personal row.
    pub(super) async fn recorded(
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
            Some(Err(fault)) => {
                tracing::error!(sequence, fault, "a record can't be read");
                Err(Unavailable::Quarantined)
            }
            None => Err(Unavailable::ShuttingDown),
        }
    }
}

/// Reads a durable record as the answer it gave; blocks on the disk.
pub(super) fn read_decided(
    reader: &florin_storage::Reader,
    sequence: u64,
) -> Result<(Decided, Option<PersonalRow>), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let bytes = reader.record(sequence).map_err(|error| text(&error))?;
    let bytes = bytes.ok_or_else(|| "it is not in the journal".to_owned())?;
    let record = decode_record(&bytes).map_err(|error| text(&error))?;
    let row = match reader.personal(sequence).map_err(|error| text(&error))? {
        Some(bytes) => Some(decode_personal(&bytes).map_err(|error| text(&error))?),
        None => None,
    };
    let holder = match record.account() {
        Some(account) if account.opened == sequence => {
            row.as_ref().and_then(|row| row.value(0).cloned())
        }
        Some(account) => read_holder(reader, account.opened)?,
        None => None,
    };
    Ok((
        Decided {
            record,
            stored: true,
            replayed: false,
            dry_run: false,
            holder,
        },
        row,
    ))
}

/// Reads the holder's name beside the record that opened an account; blocks on the disk.
pub(crate) fn read_holder(
    reader: &florin_storage::Reader,
    opened: u64,
) -> Result<Option<Arc<str>>, String> {
    let bytes = reader.personal(opened).map_err(|error| error.to_string())?;
    let Some(bytes) = bytes else { return Ok(None) };
    let row = decode_personal(&bytes).map_err(|error| error.to_string())?;
    Ok(row.value(0).cloned())
}
