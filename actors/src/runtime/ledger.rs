//! The state of the ledger arbiter, which all turns of a node share. It lives on one thread.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::Actor;
use florin_storage::{Reader, SortedSegment, Watermark};
use tokio::sync::{Notify, oneshot};

use super::accepting::Accepted;
use super::beside::Beside;
use super::clock::Clock;
use super::confirmation::Left;
use super::directory::Directory;
use super::envelope::{Envelope, Letter, Mode};
use super::heads::Heads;
use super::host::Host;
use super::id_hasher::IdHasher;
use super::index::{Index, key_hash, operation_entry, prepared};
use super::intercept::Intercept;
use super::lane::{Lane, Lanes};
use super::observer::Observer;
use super::passivation::PassivationOptions;
use super::random::Random;
use super::recovery::Known;
use super::reply::{Reply, Unavailable};
use super::seat::{Phase, Seat};
use super::sequencing::Sequencer;
use super::supervision::SupervisionOptions;
use super::waiting::{Held, Settling, Waiting};
use crate::commands::CommandKind;
use crate::record::Record;
use crate::views::Views;
use crate::words::{Assets, EntityId, OperationId, PersonalRow, Timestamp};

/// The interval at which an index is checked for whether it will soon need its next generation.
const PREPARE_CHECK: Duration = Duration::from_secs(1);

/// A command that was received and whose answer may not be sent yet.
#[derive(Debug, Clone, Copy)]
pub struct Queued {
    /// The command's kind.
    pub kind: CommandKind,
    /// The time when the command was received, or accepted if it is executed later.
    pub created_at: Timestamp,
}

/// The state that all turns of one node share.
#[derive(Debug)]
pub struct Ledger {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<Random>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) reader: Reader,
    pub(super) watermark: Arc<Watermark>,
    pub(super) views: Arc<Views>,
    pub(super) beside: Beside,
    pub(super) directory: RefCell<Directory>,
    pub(super) heads: RefCell<Heads>,
    /// The entities that a record took out of service, with the reasons.
    pub(super) quarantined: RefCell<BTreeMap<EntityId, String>>,
    pub(super) supervision: SupervisionOptions,
    pub(super) passivation: PassivationOptions,
    /// The declared assets that money may move in, in addition to the currencies of ISO 4217.
    pub(super) assets: Assets,
    pub(super) intercept: Arc<dyn Intercept>,
    /// The entity whose code was called last: a panic is its fault.
    pub(super) asked: Cell<Option<EntityId>>,
    pub(super) keys: RefCell<Index>,
    pub(super) operations: RefCell<Index>,
    pub(super) queued: RefCell<HashMap<OperationId, Queued, IdHasher>>,
    /// The commands accepted and not yet executed, by the record that accepted them.
    pub(super) accepted: RefCell<BTreeMap<u64, Accepted>>,
    /// The executions that wait for their entity to be back in service, by the record that accepted
    /// them.
    pub(super) in_line: RefCell<HashMap<EntityId, BTreeMap<u64, Box<Envelope>>, IdHasher>>,
    /// The listeners of each operation in flight.
    pub(super) listeners: RefCell<HashMap<OperationId, Vec<oneshot::Sender<()>>, IdHasher>>,
    pub(super) sequencer: RefCell<Sequencer>,
    pub(super) chunk_begun: Notify,
    pub(super) waiting: RefCell<Waiting>,
    /// Notified when an entry is added to `waiting`.
    held: Notify,
    /// The lanes, where decided commands wait for their records to become durable.
    lanes: Arc<Lanes>,
    /// The lane of this thread.
    pub(super) home: Arc<Lane>,
    /// The operations of the decided commands that wait in the lanes.
    pub(super) settling: RefCell<Settling>,
    /// Set when no more accepted commands are executed; the next start executes the rest.
    closing: Cell<bool>,
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
    /// The journal's reader.
    pub reader: Reader,
    /// The watermark that tells how far the journal is durable.
    pub watermark: Arc<Watermark>,
    /// The lanes, without the ledger's own lane.
    pub lanes: Arc<Lanes>,
    /// The views.
    pub views: Arc<Views>,
    /// The runner of blocking work.
    pub beside: Beside,
    /// The facts about entities that recovery read from the journal's tail and the views.
    pub known: Known,
    /// The rules for restarting actors and for taking them out of service.
    pub supervision: SupervisionOptions,
    /// The rules for removing entities from memory.
    pub passivation: PassivationOptions,
    /// The declared assets that money may move in, in addition to the currencies of ISO 4217.
    pub assets: Assets,
    /// The hook that makes entities fail in tests.
    pub intercept: Arc<dyn Intercept>,
    /// The index of idempotency keys.
    pub keys: Index,
    /// The index of operations.
    pub operations: Index,
    /// The sequencer, which gives records their order.
    pub sequencer: Sequencer,
}

impl std::fmt::Debug for dyn Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Observer")
    }
}

impl Ledger {
    /// Creates a ledger without any entity in memory.
    pub fn new(parts: Parts) -> Rc<Self> {
        Rc::new(Self {
            clock: parts.clock,
            random: parts.random,
            observer: parts.observer,
            reader: parts.reader,
            watermark: parts.watermark,
            views: parts.views,
            beside: parts.beside,
            directory: RefCell::default(),
            heads: RefCell::new(Heads::new(parts.known.heads)),
            quarantined: RefCell::new(parts.known.quarantined),
            supervision: parts.supervision,
            passivation: parts.passivation,
            assets: parts.assets,
            intercept: parts.intercept,
            asked: Cell::new(None),
            keys: RefCell::new(parts.keys),
            operations: RefCell::new(parts.operations),
            queued: RefCell::default(),
            accepted: RefCell::default(),
            in_line: RefCell::default(),
            listeners: RefCell::default(),
            sequencer: RefCell::new(parts.sequencer),
            chunk_begun: Notify::new(),
            waiting: RefCell::default(),
            held: Notify::new(),
            home: parts.lanes.add(),
            lanes: parts.lanes,
            settling: RefCell::default(),
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
        let queued = Queued {
            kind: envelope.command.kind(),
            created_at: envelope.reply_to.came.time,
        };
        if !envelope.context.dry_run && !matches!(envelope.mode, Mode::Execute(_)) {
            self.queued
                .borrow_mut()
                .insert(envelope.operation_id, queued);
        }
        let subject = envelope.subject;
        if self.directory.borrow().seat(subject).is_none() {
            // The id of a new entity was just drawn, so there is nothing to load.
            let is_new = envelope.command.routing_entity().is_none();
            self.seat(subject, if is_new { Phase::Live } else { Phase::Loading });
        }
        if let Some((seat, actor)) = self.directory.borrow().actor(subject) {
            seat.letters.set(seat.letters.get() + 1);
            actor.do_send(Letter(envelope));
        }
    }

    /// Creates the seat of an entity that isn't in memory. In the phase `Loading` the entity is
    /// also loaded.
    pub(super) fn seat(self: &Rc<Self>, entity: EntityId, phase: Phase) -> Rc<Seat> {
        let seat = self.directory.borrow_mut().enter(entity, phase, |seat| {
            Host::new(Rc::clone(self), seat).start()
        });
        seat.needed.set(self.clock.moment().millis());
        if phase == Phase::Loading {
            actix_rt::spawn(Rc::clone(self).load(Rc::clone(&seat)));
        }
        seat
    }

    /// Seats every entity that is out of service, so that operators see it.
    pub(super) fn seat_quarantined(self: &Rc<Self>) {
        let entities: Vec<EntityId> = self.quarantined.borrow().keys().copied().collect();
        for entity in entities {
            self.seat(entity, Phase::Loading);
        }
    }

    /// Appends a record to the journal's queue, and indexes the keys and operations that it
    /// settles.
    ///
    /// # Errors
    /// Returns an error if the record is larger than its limit; then nothing happened.
    pub(super) fn append(
        &self,
        record: &Record,
        personal: Option<&PersonalRow>,
        key: Option<u128>,
    ) -> Result<(), florin_storage::Error> {
        if self.sequencer.borrow_mut().append(record, personal)? {
            self.chunk_begun.notify_one();
        }
        let mut operations = self.operations.borrow_mut();
        for operation in record.operations() {
            operations.insert(operation_entry(operation), record.sequence);
        }
        let mut keys = self.keys.borrow_mut();
        // This key is hashed already.
        if let Some(key) = key {
            keys.insert(key, record.sequence);
        }
        for key in record.item_keys() {
            keys.insert(key_hash(&record.caller, key), record.sequence);
        }
        Ok(())
    }

    /// Hands the appended records to the journal once per tick. This task runs after all tasks that
    /// were ready when the first record was appended.
    pub async fn flush_chunks(self: Rc<Self>) {
        loop {
            self.chunk_begun.notified().await;
            self.sequencer.borrow_mut().flush();
        }
    }

    /// Performs the waiting actions as the watermark moves; runs forever.
    pub async fn release_held(self: Rc<Self>) {
        let mut listener = self.watermark.subscribe();
        loop {
            let next = self.waiting.borrow().next();
            match next {
                None => self.held.notified().await,
                Some(until) if until > listener.durable() => {
                    listener.changed(until - 1).await;
                }
                Some(_) => self.release(),
            }
        }
    }

    /// Queues an action. It is performed once the record it depends on is durable and all actions
    /// before it are done.
    pub(super) fn hold(&self, rests_on: u64, held: Held) {
        self.waiting.borrow_mut().push(rests_on, held);
        self.held.notify_one();
    }

    /// Performs every waiting action whose record is durable.
    fn release(self: &Rc<Self>) {
        let durable = self.watermark.durable();
        loop {
            let next = self.waiting.borrow_mut().pop(durable);
            match next {
                None => break,
                Some(Held::Then(then)) => then(),
                Some(Held::Replay(envelope, sequence)) => {
                    actix_rt::spawn(Rc::clone(self).replay(envelope, sequence));
                }
                Some(Held::Again(envelope)) => self.accept(envelope),
                Some(Held::Answer(decided, reply_to)) => self.answer(decided, &reply_to),
            }
        }
    }

    /// Handles a failure of the journal: every waiting caller learns that the outcome is unknown.
    pub fn fail(self: &Rc<Self>) {
        self.failed.set(true);
        let accepted = std::mem::take(&mut *self.accepted.borrow_mut());
        let accepted = accepted.into_values().flat_map(|accepted| accepted.waiting);
        let mut held: Vec<Held> = self.waiting.borrow_mut().drain().collect();
        held.extend(accepted);
        for held in held {
            let reply_to = match &held {
                Held::Answer(_, reply_to) => reply_to,
                Held::Replay(envelope, _) | Held::Again(envelope) => &envelope.reply_to,
                Held::Then(_) => continue,
            };
            reply_to.send(Reply::Unavailable(Unavailable::OutcomeUnknown));
        }
        self.lanes.fail();
    }

    /// Answers a command that was not started. A caller that already got 504 can only look up the
    /// operation, so the command then gets a record that says it was not started.
    pub(super) fn turn_away(&self, envelope: Box<Envelope>, unavailable: Unavailable) {
        self.queued.borrow_mut().remove(&envelope.operation_id);
        self.tell_listeners(envelope.operation_id);
        self.observer.shed(unavailable.code());
        let slot = &envelope.reply_to.slot;
        match slot.fill(Reply::Unavailable(unavailable)) {
            Ok(()) => slot.wake(),
            Err(Left::TimedOut(_)) if !envelope.context.dry_run && !self.failed.get() => {
                let stamp = self.sequencer.borrow().stamp(self.clock.now());
                self.record_late(envelope, stamp);
            }
            Err(_) => {}
        }
    }

    /// Drops every actor: the actors and the ledger keep each other alive.
    pub fn disband(&self) {
        drop(self.directory.take());
    }

    /// Stops the execution of accepted commands; the next start continues it.
    pub fn close(&self) {
        self.closing.set(true);
    }

    /// Returns whether the execution of accepted commands has stopped.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// Prepares the next generations of the indexes before they are needed; runs forever.
    pub async fn prepare_generations(self: Rc<Self>) {
        loop {
            tokio::time::sleep(PREPARE_CHECK).await;
            for index in [&self.keys, &self.operations] {
                let Some(entries) = index.borrow().wants_spare() else {
                    continue;
                };
                if let Some(spare) = self.beside.run(move || prepared(entries)).await {
                    index.borrow_mut().keep_spare(spare);
                }
            }
        }
    }

    /// Replaces the index segments on disk with the current ones.
    pub fn sealed(&self, keys: Vec<Arc<SortedSegment>>, operations: Vec<Arc<SortedSegment>>) {
        self.keys.borrow_mut().sealed(keys);
        self.operations.borrow_mut().sealed(operations);
    }
}
