//! Asynchronous commands: accepted by one record, executed by another, exactly once. What was
//! accepted and not yet executed is known in memory, and after a start from the views and the
//! journal's tail.

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
use super::reply::{Operation, Page};
use super::seat::{Phase, Seat};
use super::waiting::Held;
use crate::entities::{self, Stamp};
use crate::messages::{
    Code, Command, Context, EntityId, Execution, Kind, OperationId, Outcome, Record, Rejection,
};

/// How long the execution of a command waits whose entity is out of service.
const PAUSE: Duration = Duration::from_secs(1);

/// A command that was accepted and not yet executed.
#[derive(Debug)]
pub(super) struct Accepted {
    /// Its operation.
    pub(super) operation: OperationId,
    /// What was asked, and when it was accepted.
    pub(super) queued: Queued,
    /// Repeats of its key that wait for its outcome, and batches with such an item.
    pub(super) waiting: Vec<Held>,
    /// Given back when it is executed.
    #[allow(dead_code, reason = "held, not read")]
    pub(super) place: Option<Room>,
}

impl Ledger {
    /// Accepts a command that is to be executed afterwards, or refuses it at once: one about an
    /// entity that isn't there, or that has another version. `verdict`: what it came to now, of one
    /// about a transfer, whose source's version counts.
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
            // The record was not taken: its caller was told so.
            return;
        }
        self.accepted.borrow_mut().insert(stamp.sequence, accepted);
        self.accept(execute);
    }

    /// A verdict that is told at once; any other one is left to the execution.
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

    /// Executes what was accepted before the node ended, in order. It takes its `places` also when
    /// there are fewer by now: what was accepted is never refused.
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

    /// The letter that executes a command.
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

    /// Whether an execution waits, and its place with it if it does: its entity is out of service,
    /// or an earlier one of that entity waits still.
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

    /// A command can't be executed now, as another entity of it is out of service: it is tried again,
    /// and holds up no other.
    pub(super) fn postpone(self: &Rc<Self>, envelope: Box<Envelope>) {
        let ledger = Rc::clone(self);
        actix_rt::spawn(async move {
            tokio::time::sleep(PAUSE).await;
            ledger.accept(envelope);
        });
    }

    /// Tells `listener` once an operation that is under way is decided and durable; at once where
    /// there is nothing to wait for.
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
            // One that went away has no use for it.
            let _ = listener.send(());
        }
    }

    /// Tells those who listen once the record that settles their operation is durable.
    pub(super) fn tell_when_durable(self: &Rc<Self>, sequence: u64, id: OperationId) {
        // It would hold on to itself.
        let ledger = Rc::downgrade(self);
        let tell = move || {
            if let Some(ledger) = ledger.upgrade() {
                ledger.tell_listeners(id);
            }
        };
        self.hold(sequence, Held::Then(Box::new(tell)));
    }

    /// Tells those who listen that an operation is decided and durable.
    pub(super) fn tell_listeners(&self, id: OperationId) {
        if !self.listeners.borrow().contains_key(&id) || self.is_accepted(id) {
            return;
        }
        let listeners = self.listeners.borrow_mut().remove(&id);
        for listener in listeners.into_iter().flatten() {
            // One that went away has no use for it.
            let _ = listener.send(());
        }
    }

    /// Operations that are not decided and durable yet, in the order of ids.
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

    /// Lets go of those who waited for an execution and have left, for ever: on an entity out of
    /// service that may take days, and each holds a place among the commands under way.
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
                    // Its operation leads to the first one's from now on.
                    Held::Replay(envelope, sequence) => {
                        self.hold(sequence, Held::Replay(envelope, sequence));
                    }
                    // Its turn finds that it is too late, and records so.
                    Held::Again(envelope) => self.accept(envelope),
                    Held::Answer(..) | Held::Then(_) => {}
                }
            }
        }
    }

    /// Notes that a command was executed: whoever repeated it gets its answer.
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
    let named = matches!(
        envelope.command,
        Command::Deposit(_) | Command::Withdraw(_) | Command::Transfer(_) | Command::Hold(_)
    );
    let kind = seat.kind();
    let is_other = envelope
        .context
        .kind
        .is_some_and(|wanted| kind != Some(wanted));
    if is_other || named && !matches!(kind, Some(Kind::Account | Kind::Wallet)) {
        return Err(entities::no_such(
            envelope.context.kind.unwrap_or(Kind::Account),
        ));
    }
    let version = seat.present.borrow().version;
    match envelope.context.if_match {
        Some(wanted) if named && wanted != version => {
            let detail = format!("the version is {version}, not {wanted}");
            Err(Rejection::new(Code::VersionMismatch, detail))
        }
        _ => Ok(()),
    }
}
