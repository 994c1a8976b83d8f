//! The ledger's state: a few components, each of which owns its part. It lives on one thread.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use actix::{Actor, Addr};
use florin_storage::{Reader, Watermark};

use super::sequencer::{Sequencer, Writer};
use crate::base::{Clock, IdHasher, Random};
use crate::record::Record;
use crate::runtime::beside::Beside;
use crate::runtime::idempotency::index::Index;
use crate::runtime::idempotency::settled::Settled;
use crate::runtime::intercept::{Calls, Intercept};
use crate::runtime::observer::Observer;
use crate::runtime::operations::under_way::{Queued, UnderWay};
use crate::runtime::operations::waiting::{Held, Waiting};
use crate::runtime::replies::confirmation::Left;
use crate::runtime::replies::lane::{Lane, Lanes};
use crate::runtime::replies::reply::{Reply, Unavailable};
use crate::runtime::residency::envelope::{Envelope, Letter, Mode};
use crate::runtime::residency::host::Host;
use crate::runtime::residency::residents::Residents;
use crate::runtime::residency::seat::{Phase, Seat};
use crate::runtime::rules::Rules;
use crate::views::Views;
use crate::words::{EntityId, PersonalRow};

/// The state that all turns of one node share.
#[derive(Debug)]
pub struct Ledger {
    pub(in crate::runtime) clock: Arc<dyn Clock>,
    pub(in crate::runtime) random: Arc<Random>,
    pub(in crate::runtime) observer: Arc<dyn Observer>,
    pub(in crate::runtime) beside: Beside,
    pub(in crate::runtime) reader: Reader,
    pub(in crate::runtime) watermark: Arc<Watermark>,
    pub(in crate::runtime) views: Arc<Views>,
    pub(in crate::runtime) rules: Rules,
    /// The calls of entities' own code.
    pub(in crate::runtime) calls: Calls,
    /// The entities in memory and their actors.
    pub(in crate::runtime) residents: Residents<Addr<Host<Self>>>,
    /// The settled keys and operations.
    pub(in crate::runtime) settled: Settled,
    /// The operations that are not yet decided and durable.
    pub(in crate::runtime) under_way: RefCell<UnderWay>,
    /// The order of records and their way into the journal.
    pub(in crate::runtime) writer: Writer,
    /// The actions that wait for records to become durable.
    waiting: Waiting,
    /// The lanes, where decided commands wait for their records to become durable.
    lanes: Arc<Lanes>,
    /// The lane of this thread.
    pub(in crate::runtime) home: Arc<Lane>,
    /// Set when no more accepted commands are executed; the next start executes the rest.
    closing: Cell<bool>,
    /// Set when the journal has failed.
    failed: Cell<bool>,
}

/// The parts that a ledger is created from.
pub struct Parts {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of ids and salts.
    pub random: Arc<Random>,
    /// The receiver of measurements.
    pub observer: Arc<dyn Observer>,
    /// The runner of blocking work.
    pub beside: Beside,
    /// The journal's reader.
    pub reader: Reader,
    /// The watermark that tells how far the journal is durable.
    pub watermark: Arc<Watermark>,
    /// The views.
    pub views: Arc<Views>,
    /// The rules for actors, and the assets.
    pub rules: Rules,
    /// The hook that makes entities fail in tests.
    pub intercept: Arc<dyn Intercept>,
    /// The last record of every entity that changed since the views' snapshots.
    pub heads: HashMap<EntityId, u64, IdHasher>,
    /// The entities out of service, with the reasons.
    pub quarantined: BTreeMap<EntityId, String>,
    /// The index of idempotency keys.
    pub keys: Index,
    /// The index of operations.
    pub operations: Index,
    /// The sequencer, which gives records their order.
    pub sequencer: Sequencer,
    /// The lanes, without the ledger's own lane.
    pub lanes: Arc<Lanes>,
}

impl Ledger {
    /// Creates a ledger without any entity in memory.
    pub fn new(parts: Parts) -> Rc<Self> {
        Rc::new(Self {
            clock: parts.clock,
            random: parts.random,
            observer: parts.observer,
            beside: parts.beside,
            reader: parts.reader,
            watermark: parts.watermark,
            views: parts.views,
            rules: parts.rules,
            calls: Calls::new(parts.intercept),
            residents: Residents::new(parts.heads, parts.quarantined),
            settled: Settled::new(parts.keys, parts.operations),
            under_way: RefCell::default(),
            writer: Writer::new(parts.sequencer),
            waiting: Waiting::default(),
            home: parts.lanes.add(),
            lanes: parts.lanes,
            closing: Cell::new(false),
            failed: Cell::new(false),
        })
    }

    /// Takes a command and hands it to its entity's actor. An entity that isn't in memory is seated
    /// first.
    pub fn accept(self: &Rc<Self>, envelope: Box<Envelope>) {
        if self.failed.get() {
            self.turn_away(envelope, Unavailable::OutcomeUnknown);
            return;
        }
        if !envelope.context.dry_run && !matches!(envelope.mode, Mode::Execute(_)) {
            let queued = Queued {
                kind: envelope.command.kind(),
                created_at: envelope.reply_to.came.time,
            };
            self.under_way
                .borrow_mut()
                .receive(envelope.operation_id, queued);
        }
        let subject = envelope.subject;
        if self.residents.directory().seat(subject).is_none() {
            // The id of a new entity was just drawn, so there is nothing to load.
            let is_new = envelope.command.routing_entity().is_none();
            self.seat(subject, if is_new { Phase::Live } else { Phase::Loading });
        }
        if let Some((seat, actor)) = self.residents.directory().actor(subject) {
            seat.letters.set(seat.letters.get() + 1);
            actor.do_send(Letter(envelope));
        }
    }

    /// Creates the seat of an entity that isn't in memory. In the phase `Loading` the entity is
    /// also loaded.
    pub(in crate::runtime) fn seat(self: &Rc<Self>, entity: EntityId, phase: Phase) -> Rc<Seat> {
        let start = |seat| Host::new(Rc::clone(self), seat).start();
        let seat = self.residents.enter(entity, phase, start);
        seat.needed.set(self.clock.moment().millis());
        if phase == Phase::Loading {
            actix_rt::spawn(Rc::clone(self).load(Rc::clone(&seat)));
        }
        seat
    }

    /// Seats every entity that is out of service, so that operators see it.
    pub(in crate::runtime) fn seat_quarantined(self: &Rc<Self>) {
        for entity in self.residents.quarantined() {
            self.seat(entity, Phase::Loading);
        }
    }

    /// Removes the seat of an entity that doesn't exist. A seat with queued commands stays, because
    /// the next command may create the entity, as a reversal does for a transfer made at once.
    pub(in crate::runtime) fn forget_vacant(&self, seat: &Seat) {
        let is_vacant = seat.phase() == Phase::Live && seat.present.borrow().state.is_none();
        if is_vacant && seat.letters.get() == 0 {
            self.residents.forget(seat);
        }
    }

    /// Appends a record to the journal's queue, and indexes the keys and operations that it
    /// settles; `key` is the hash of the record's own key.
    ///
    /// # Errors
    /// Returns an error if the record is larger than its limit; then nothing happened.
    pub(in crate::runtime) fn append(
        &self,
        record: &Record,
        personal: Option<&PersonalRow>,
        key: Option<u128>,
    ) -> Result<(), florin_storage::Error> {
        self.writer.append(record, personal)?;
        self.settled.note(record, key);
        Ok(())
    }

    /// Hands the appended records to the journal once per tick; runs forever.
    pub async fn flush_chunks(self: Rc<Self>) {
        self.writer.flush_each_tick().await;
    }

    /// Prepares the next generations of the indexes before they are needed; runs forever.
    pub async fn prepare_generations(self: Rc<Self>) {
        self.settled.prepare_generations(&self.beside).await;
    }

    /// Performs the waiting actions as the watermark moves; runs forever.
    pub async fn release_held(self: Rc<Self>) {
        let mut listener = self.watermark.subscribe();
        loop {
            let until = self.waiting.next().await;
            if until > listener.durable() {
                listener.changed(until - 1).await;
            } else {
                self.release();
            }
        }
    }

    /// Queues an action. It is performed once the record it depends on is durable and all actions
    /// before it are done.
    pub(in crate::runtime) fn hold(&self, rests_on: u64, held: Held) {
        self.waiting.push(rests_on, held);
    }

    /// Runs `then` once a record is durable, or at once if it is already.
    pub(in crate::runtime) fn when_durable(&self, sequence: u64, then: impl FnOnce() + 'static) {
        if sequence <= self.watermark.durable() {
            then();
        } else {
            self.hold(sequence, Held::Then(Box::new(then)));
        }
    }

    /// Waits until a record is durable.
    ///
    /// # Errors
    /// Returns an error if the node ends before.
    pub(in crate::runtime) async fn durable(&self, sequence: u64) -> Result<(), Unavailable> {
        let (sender, durable) = tokio::sync::oneshot::channel();
        self.when_durable(sequence, move || {
            // The send fails only if this task has ended.
            let _ = sender.send(());
        });
        durable.await.map_err(|_| Unavailable::ShuttingDown)
    }

    /// Performs every waiting action whose record is durable.
    fn release(self: &Rc<Self>) {
        let durable = self.watermark.durable();
        while let Some(held) = self.waiting.pop(durable) {
            match held {
                Held::Then(then) => then(),
                Held::Replay(envelope, sequence) => {
                    actix_rt::spawn(Rc::clone(self).replay(envelope, sequence));
                }
                Held::Again(envelope) => self.accept(envelope),
                Held::Answer(decided, reply_to) => self.answer(decided, &reply_to),
            }
        }
    }

    /// Handles a failure of the journal: every waiting caller learns that the outcome is unknown.
    pub fn fail(self: &Rc<Self>) {
        self.failed.set(true);
        let accepted = self.under_way.borrow_mut().abandon_accepted();
        for held in self.waiting.drain().chain(accepted) {
            if let Some(reply_to) = held.reply_to() {
                reply_to.send(Reply::Unavailable(Unavailable::OutcomeUnknown));
            }
        }
        self.lanes.fail();
    }

    /// Answers a command that was not started. A caller that already got 504 can only look up the
    /// operation, so the command then gets a record that says it was not started.
    pub(in crate::runtime) fn turn_away(&self, envelope: Box<Envelope>, unavailable: Unavailable) {
        self.under_way.borrow_mut().end(envelope.operation_id);
        self.tell_listeners(envelope.operation_id);
        self.observer.shed(unavailable.code());
        let slot = &envelope.reply_to.slot;
        match slot.fill(Reply::Unavailable(unavailable)) {
            Ok(()) => slot.wake(),
            Err(Left::TimedOut(_)) if !envelope.context.dry_run && !self.failed.get() => {
                let stamp = self.writer.stamp(self.clock.now());
                self.record_late(envelope, stamp);
            }
            Err(_) => {}
        }
    }

    /// Drops every actor: the actors and the ledger keep each other alive.
    pub fn disband(&self) {
        self.residents.disband();
    }

    /// Stops the execution of accepted commands; the next start continues it.
    pub fn close(&self) {
        self.closing.set(true);
    }

    /// Returns whether the execution of accepted commands has stopped.
    pub(in crate::runtime) fn is_closing(&self) -> bool {
        self.closing.get()
    }
}
