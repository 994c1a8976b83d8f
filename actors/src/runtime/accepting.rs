//! Asynchronous commands: one record accepts a command and another one executes it, exactly once.
//! Commands accepted and not yet executed are known in memory; after a start they are known from
//! the views and the journal's tail.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::confirmation::Slot;
use super::envelope::{Envelope, Mode};
use super::lane::ReplyTo;
use super::ledger::{Ledger, Queued};
use super::overlay::Verdict;
use super::permits::{Permits, Room};
use super::reply::Operation;
use super::seat::{Phase, Seat};
use super::waiting::Held;
use crate::base::Page;
use crate::commands::{Acceptance, Command, Context};
use crate::entities::{Kind, Stamp};
use crate::record::{Execution, Outcome, Record};
use crate::words::{Code, EntityId, OperationId, Rejection};

/// The interval at which executions are retried whose entity is out of service, and at which
/// callers that have left are released.
const PAUSE: Duration = Duration::from_secs(1);

/// A command that was accepted and not yet executed.
#[derive(Debug)]
pub(super) struct Accepted {
    /// The command's operation.
    pub(super) operation: OperationId,
    /// The command's kind, and the time when it was accepted.
    pub(super) queued: Queued,
    /// The repeats of the command's key that wait for its outcome, and the batches that have an
    /// item with its key.
    pub(super) waiting: Vec<Held>,
    /// The permits that are given back when the command is executed.
    #[allow(dead_code, reason = "held, not read")]
    pub(super) place: Option<Room>,
}

impl Ledger {
    /// Accepts a command that is to be executed later, or refuses it at once if its entity doesn't
    /// exist or has another version. `verdict` is the result of deciding the command now. It is
    /// given only for a command about a transfer, because the version that counts there is that of
    /// the transfer's source.
    pub(super) fn take_on(
        self: &Rc<Self>,
        seat: &Rc<Seat>,
        mut envelope: Box<Envelope>,
        stamp: Stamp,
        verdict: Option<Verdict>,
        claim: Option<u128>,
    ) {
        let refused = match verdict {
            Some(verdict) => self.told_at_once(verdict),
            None => may_be_taken_on(seat, &envelope).err().map(|rejection| {
                let rejection = self.telling_what_moves(&envelope, rejection);
                let mut verdict = Verdict::without_effect(Outcome::Refused(rejection));
                verdict.rests_on = seat.present.borrow().last;
                verdict
            }),
        };
        if let Some(verdict) = refused {
            self.conclude(envelope, stamp, verdict, None, claim);
            return;
        }
        let mut verdict = Verdict::without_effect(Outcome::Accepted);
        verdict.keep = true;
        let execution = Execution {
            accepted: stamp.sequence,
            accepted_at: stamp.time,
        };
        let execute = self.execution(
            &envelope.command,
            &envelope.context,
            envelope.operation_id,
            envelope.subject,
            execution,
        );
        let accepted = Accepted {
            operation: envelope.operation_id,
            queued: Queued {
                kind: envelope.command.kind(),
                created_at: stamp.time,
            },
            waiting: Vec::new(),
            place: envelope.place.take(),
        };
        self.conclude(envelope, stamp, verdict, None, claim);
        if self.sequencer.borrow().stamp(stamp.time).sequence == stamp.sequence {
            // The record was not taken, and the caller has been told.
            return;
        }
        self.accepted.borrow_mut().insert(stamp.sequence, accepted);
        self.accept(execute);
    }

    /// Returns a verdict that is answered at once; any other verdict is left to the execution.
    fn told_at_once(&self, verdict: Verdict) -> Option<Verdict> {
        for touched in &verdict.touched {
            self.forget_vacant(&touched.seat);
        }
        match &verdict.outcome {
            Outcome::Refused(rejection)
                if matches!(rejection.code, Code::NotFound | Code::VersionMismatch) =>
            {
                Some(verdict)
            }
            _ => None,
        }
    }

    /// Executes, in order, the commands that were accepted before the node ended. Their permits are
    /// taken even if the limits are lower now, because an accepted command is never refused.
    pub(super) fn resume_accepted(
        self: &Rc<Self>,
        records: Vec<Record>,
        (places, items): (&Arc<Permits>, &Arc<Permits>),
    ) {
        for record in records {
            let Some(subject) = record.command.routing_entity() else {
                continue;
            };
            let accepted = Accepted {
                operation: record.operation_id,
                queued: Queued {
                    kind: record.command.kind(),
                    created_at: record.time,
                },
                waiting: Vec::new(),
                place: Some(Room {
                    place: places.occupy(1),
                    items: Some(items.occupy(record.command.items_bytes())),
                }),
            };
            self.accepted.borrow_mut().insert(record.sequence, accepted);
            let context = Context {
                caller: record.caller,
                key: record.key,
                request_id: record.request_id,
                correlation_id: record.correlation_id,
                trace: record.trace,
                kind: None,
                if_match: None,
                dry_run: false,
                asynchronous: false,
                input: record.input.map(Box::new),
            };
            let execution = Execution {
                accepted: record.sequence,
                accepted_at: record.time,
            };
            let operation = record.operation_id;
            let execute = self.execution(&record.command, &context, operation, subject, execution);
            self.accept(execute);
        }
    }

    /// Creates the envelope that executes an accepted command.
    fn execution(
        &self,
        command: &Command,
        context: &Context,
        operation_id: OperationId,
        subject: EntityId,
        execution: Execution,
    ) -> Box<Envelope> {
        Box::new(Envelope {
            command: command.clone(),
            context: Context {
                kind: None,
                if_match: None,
                asynchronous: false,
                ..context.clone()
            },
            operation_id,
            subject,
            mode: Mode::Execute(execution),
            deadline_nanos: u64::MAX,
            key_searched: None,
            original: None,
            item_keys: None,
            read_again: false,
            place: None,
            reply_to: ReplyTo {
                slot: Arc::new(Slot::new()),
                lane: None,
                kind: command.kind(),
                came: self.clock.moment(),
                room: None,
            },
        })
    }

    /// Queues an execution, in the order of acceptance, if its entity is out of service or an
    /// earlier execution of that entity still waits. Otherwise returns the envelope.
    pub(super) fn waits_in_line(
        self: &Rc<Self>,
        seat: &Seat,
        execution: Execution,
        envelope: Box<Envelope>,
    ) -> Option<Box<Envelope>> {
        let mut line = self.in_line.borrow_mut();
        let has_earlier = line.get(&seat.entity).is_some_and(|waiting| {
            let first = waiting.first_key_value();
            first.is_some_and(|(first, _)| *first < execution.accepted)
        });
        if seat.phase() != Phase::Quarantined && !has_earlier {
            return Some(envelope);
        }
        let waiting = line.entry(seat.entity).or_insert_with(|| {
            let (ledger, entity) = (Rc::clone(self), seat.entity);
            actix_rt::spawn(async move {
                tokio::time::sleep(PAUSE).await;
                let line = ledger.in_line.borrow_mut().remove(&entity);
                for envelope in line.into_iter().flat_map(BTreeMap::into_values) {
                    ledger.accept(envelope);
                }
            });
            BTreeMap::new()
        });
        waiting.insert(execution.accepted, envelope);
        None
    }

    /// Retries a command later, because another entity that it needs is out of service. It doesn't
    /// hold up other commands.
    pub(super) fn postpone(self: &Rc<Self>, envelope: Box<Envelope>) {
        let ledger = Rc::clone(self);
        actix_rt::spawn(async move {
            tokio::time::sleep(PAUSE).await;
            ledger.accept(envelope);
        });
    }

    /// Notifies `listener` once an operation in flight is decided and durable, or at once if there
    /// is nothing to wait for.
    pub(super) fn listen(self: &Rc<Self>, id: OperationId, listener: oneshot::Sender<()>) {
        self.forget_settled();
        if self.queued.borrow().contains_key(&id) || self.is_accepted(id) {
            if let Some(sequence) = self.settling.borrow().record_of(id) {
                self.tell_when_durable(sequence, id);
            }
            self.listeners
                .borrow_mut()
                .entry(id)
                .or_default()
                .push(listener);
        } else {
            // A listener that has gone needs no notification.
            let _ = listener.send(());
        }
    }

    /// Notifies the listeners of an operation once the record that settles it is durable.
    pub(super) fn tell_when_durable(self: &Rc<Self>, sequence: u64, id: OperationId) {
        // With a strong reference the ledger would keep itself alive.
        let ledger = Rc::downgrade(self);
        let tell = move || {
            if let Some(ledger) = ledger.upgrade() {
                ledger.tell_listeners(id);
            }
        };
        self.hold(sequence, Held::Then(Box::new(tell)));
    }

    /// Notifies the listeners of an operation that it is decided and durable.
    pub(super) fn tell_listeners(&self, id: OperationId) {
        if !self.listeners.borrow().contains_key(&id) || self.is_accepted(id) {
            return;
        }
        let listeners = self.listeners.borrow_mut().remove(&id);
        for listener in listeners.into_iter().flatten() {
            // A listener that has gone needs no notification.
            let _ = listener.send(());
        }
    }

    /// Returns the operations that are not yet decided and durable, in the order of their ids.
    pub(super) fn pending(
        &self,
        after: Option<OperationId>,
        limit: usize,
    ) -> Page<Operation, OperationId> {
        self.forget_settled();
        let queued = self.queued.borrow();
        let accepted = self.accepted.borrow();
        let accepted = accepted.values().map(|one| (one.operation, one.queued));
        let all = queued
            .iter()
            .map(|(id, queued)| (*id, *queued))
            .chain(accepted);
        let mut all: Vec<_> = all
            .filter(|(id, _)| after.is_none_or(|after| *id > after))
            .collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all.dedup_by_key(|(id, _)| *id);
        let has_more = all.len() > limit;
        all.truncate(limit);
        let next = all.last().map(|(id, _)| *id).filter(|_| has_more);
        let entries = all.into_iter().map(|(id, queued)| Operation::Pending {
            id,
            kind: queued.kind,
            created_at: queued.created_at,
        });
        Page {
            entries: entries.collect(),
            next,
        }
    }

    fn is_accepted(&self, id: OperationId) -> bool {
        let accepted = self.accepted.borrow();
        let mut waiting = accepted.values();
        waiting.any(|accepted| accepted.operation == id)
    }

    /// Releases the callers that waited for an execution and have left; runs forever. On an entity
    /// out of service an execution may take days, and each waiting caller holds an in-flight
    /// permit.
    pub async fn leave_accepted(self: Rc<Self>) {
        loop {
            tokio::time::sleep(PAUSE).await;
            let mut left = Vec::new();
            for accepted in self.accepted.borrow_mut().values_mut() {
                left.extend(accepted.waiting.extract_if(.., |held| match held {
                    Held::Replay(envelope, _) | Held::Again(envelope) => {
                        envelope.reply_to.slot.is_left()
                    }
                    Held::Answer(..) | Held::Then(_) => false,
                }));
            }
            for held in left {
                match held {
                    // From the replay on, its operation leads to the outcome of the first request.
                    Held::Replay(envelope, sequence) => {
                        self.hold(sequence, Held::Replay(envelope, sequence));
                    }
                    // Its turn finds that the deadline has passed, and records that.
                    Held::Again(envelope) => self.accept(envelope),
                    Held::Answer(..) | Held::Then(_) => {}
                }
            }
        }
    }

    /// Notes that a command was executed, and continues with the repeats and batches that waited
    /// for it.
    pub(super) fn executed(self: &Rc<Self>, execution: Execution) {
        let accepted = self.accepted.borrow_mut().remove(&execution.accepted);
        for held in accepted.into_iter().flat_map(|accepted| accepted.waiting) {
            match held {
                Held::Replay(envelope, sequence) => self.join(envelope, sequence),
                Held::Again(envelope) => self.accept(envelope),
                Held::Answer(..) | Held::Then(_) => {}
            }
        }
    }
}

fn may_be_taken_on(seat: &Seat, envelope: &Envelope) -> Result<(), Rejection> {
    let is_checked = envelope.command.acceptance() == Acceptance::Checked;
    let kind = seat.kind();
    let is_other = envelope
        .context
        .kind
        .is_some_and(|wanted| kind != Some(wanted));
    let has_money = seat
        .present
        .borrow()
        .state
        .as_ref()
        .is_some_and(|state| state.money().is_some());
    if is_other || is_checked && !has_money {
        let wanted = envelope.context.kind.unwrap_or(Kind::Account);
        return Err(wanted.not_found().about(seat.entity));
    }
    let version = seat.present.borrow().version;
    match envelope.context.if_match {
        Some(wanted) if is_checked && wanted != version => {
            let detail = format!("the version is {version}, not {wanted}");
            Err(Rejection::new(Code::VersionMismatch, detail).about(seat.entity))
        }
        _ => Ok(()),
    }
}
