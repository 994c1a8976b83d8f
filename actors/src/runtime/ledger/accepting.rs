//! Asynchronous commands: one record accepts a command and another one executes it, exactly once.
//! Commands accepted and not yet executed are known in memory; after a start they are known from
//! the views and the journal's tail.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::overlay::Verdict;
use super::state::Ledger;
use crate::base::Page;
use crate::commands::{Acceptance, Command, Context};
use crate::entities::{Kind, Stamp};
use crate::record::{Execution, Outcome, Record};
use crate::runtime::operations::under_way::Queued;
use crate::runtime::operations::waiting::Held;
use crate::runtime::permits::{Permits, Room};
use crate::runtime::replies::confirmation::Slot;
use crate::runtime::replies::lane::ReplyTo;
use crate::runtime::replies::reply::Operation;
use crate::runtime::residency::envelope::{Envelope, Mode};
use crate::runtime::residency::seat::{Phase, Seat};
use crate::words::{Code, EntityId, OperationId, Rejection};

/// The interval at which executions are retried whose entity is out of service, and at which
/// callers that have left are released.
const PAUSE: Duration = Duration::from_secs(1);

impl Ledger {
    /// Accepts a command that is to be executed later, or refuses it at once if its entity doesn't
    /// exist or has another version. `verdict` is the result of deciding the command now. It is
    /// given only for a command about a transfer, because the version that counts there is that of
    /// the transfer's source.
    pub(in crate::runtime) fn take_on(
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
        let operation = envelope.operation_id;
        let queued = Queued {
            kind: envelope.command.kind(),
            created_at: stamp.time,
        };
        let room = envelope.place.take();
        self.conclude(envelope, stamp, verdict, None, claim);
        if self.writer.stamp(stamp.time).sequence == stamp.sequence {
            // The record was not taken, and the caller has been told.
            return;
        }
        self.under_way
            .borrow_mut()
            .accept(stamp.sequence, operation, queued, room);
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
    pub(in crate::runtime) fn resume_accepted(
        self: &Rc<Self>,
        records: Vec<Record>,
        (places, items): (&Arc<Permits>, &Arc<Permits>),
    ) {
        for record in records {
            let Some(subject) = record.command.routing_entity() else {
                continue;
            };
            let queued = Queued {
                kind: record.command.kind(),
                created_at: record.time,
            };
            let room = Room {
                place: places.occupy(1),
                items: Some(items.occupy(record.command.items_bytes())),
            };
            let (sequence, operation) = (record.sequence, record.operation_id);
            self.under_way
                .borrow_mut()
                .accept(sequence, operation, queued, Some(room));
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
    pub(in crate::runtime) fn waits_in_line(
        self: &Rc<Self>,
        seat: &Seat,
        execution: Execution,
        envelope: Box<Envelope>,
    ) -> Option<Box<Envelope>> {
        let entity = seat.entity;
        let mut under_way = self.under_way.borrow_mut();
        let has_earlier = under_way.has_earlier_in_line(entity, execution.accepted);
        if seat.phase() != Phase::Quarantined && !has_earlier {
            return Some(envelope);
        }
        if under_way.stand_in_line(entity, execution.accepted, envelope) {
            let ledger = Rc::clone(self);
            actix_rt::spawn(async move {
                tokio::time::sleep(PAUSE).await;
                let line = ledger.under_way.borrow_mut().take_line(entity);
                line.for_each(|envelope| ledger.accept(envelope));
            });
        }
        None
    }

    /// Retries a command later, because another entity that it needs is out of service. It doesn't
    /// hold up other commands.
    pub(in crate::runtime) fn postpone(self: &Rc<Self>, envelope: Box<Envelope>) {
        let ledger = Rc::clone(self);
        actix_rt::spawn(async move {
            tokio::time::sleep(PAUSE).await;
            ledger.accept(envelope);
        });
    }

    /// Notifies `listener` once an operation in flight is decided and durable, or at once if there
    /// is nothing to wait for.
    pub(in crate::runtime) fn listen(
        self: &Rc<Self>,
        id: OperationId,
        listener: oneshot::Sender<()>,
    ) {
        self.forget_settled();
        let listening = self.under_way.borrow_mut().listen(id, listener);
        match listening {
            Ok(Some(sequence)) => self.tell_when_durable(sequence, id),
            Ok(None) => {}
            Err(listener) => {
                // A listener that has gone needs no notification.
                let _ = listener.send(());
            }
        }
    }

    /// Notifies the listeners of an operation once the record that settles it is durable.
    pub(in crate::runtime) fn tell_when_durable(self: &Rc<Self>, sequence: u64, id: OperationId) {
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
    pub(in crate::runtime) fn tell_listeners(&self, id: OperationId) {
        let listeners = self.under_way.borrow_mut().take_listeners(id);
        for listener in listeners {
            // A listener that has gone needs no notification.
            let _ = listener.send(());
        }
    }

    /// Returns the operations that are not yet decided and durable, in the order of their ids.
    pub(in crate::runtime) fn pending(
        &self,
        after: Option<OperationId>,
        limit: usize,
    ) -> Page<Operation, OperationId> {
        self.forget_settled();
        self.under_way.borrow().page(after, limit)
    }

    /// Releases the callers that waited for an execution and have left; runs forever. On an entity
    /// out of service an execution may take days, and each waiting caller holds an in-flight
    /// permit.
    pub async fn leave_accepted(self: Rc<Self>) {
        loop {
            tokio::time::sleep(PAUSE).await;
            let left = self.under_way.borrow_mut().take_left();
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
    pub(in crate::runtime) fn executed(self: &Rc<Self>, execution: Execution) {
        let waiting = self.under_way.borrow_mut().executed(execution.accepted);
        for held in waiting {
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
