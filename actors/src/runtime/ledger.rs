//! The ledger arbiter's state: what every turn of this node shares. It lives on one thread.

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
use crate::messages::{Assets, CommandKind, EntityId, OperationId, PersonalRow, Record, Timestamp};
use crate::views::Views;

/// How often it is looked whether an index will soon need its next generation.
const PREPARE_CHECK: Duration = Duration::from_secs(1);

/// A command that came and whose answer may not leave yet.
#[derive(Debug, Clone, Copy)]
pub struct Queued {
    /// What was asked.
    pub kind: CommandKind,
    /// When it came.
    pub created_at: Timestamp,
}

/// Everything that the turns of one node share.
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
    /// Entities out of service by a record, and why.
    pub(super) quarantined: RefCell<BTreeMap<EntityId, String>>,
    pub(super) supervision: SupervisionOptions,
    pub(super) passivation: PassivationOptions,
    /// The assets that may move, beside the currencies of ISO 4217.
    pub(super) assets: Assets,
    pub(super) intercept: Arc<dyn Intercept>,
    /// The entity whose code was asked last: whose fault a panic is.
    pub(super) asked: Cell<Option<EntityId>>,
    pub(super) keys: RefCell<Index>,
    pub(super) operations: RefCell<Index>,
    pub(super) queued: RefCell<HashMap<OperationId, Queued, IdHasher>>,
    /// Commands accepted and not yet executed, by the record that accepted them.
    pub(super) accepted: RefCell<BTreeMap<u64, Accepted>>,
    /// Those of them that wait for their entity to come back into service, in their order.
    pub(super) in_line: RefCell<HashMap<EntityId, BTreeMap<u64, Box<Envelope>>, IdHasher>>,
    /// Who listens for an operation that is under way.
    pub(super) listeners: RefCell<HashMap<OperationId, Vec<oneshot::Sender<()>>, IdHasher>>,
    pub(super) sequencer: RefCell<Sequencer>,
    pub(super) chunk_begun: Notify,
    pub(super) waiting: RefCell<Waiting>,
    /// Something was put in line there.
    held: Notify,
    /// Where decided commands wait for their records to be durable.
    lanes: Arc<Lanes>,
    /// The lane of this thread.
    pub(super) home: Arc<Lane>,
    /// The operations that they settle.
    pub(super) settling: RefCell<Settling>,
    /// No more is executed: what was accepted is left to the next start.
    closing: Cell<bool>,
    failed: Cell<bool>,
}

/// What a ledger starts with.
pub struct Parts {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Ids and salts.
    pub random: Arc<Random>,
    /// Measurements.
    pub observer: Arc<dyn Observer>,
    /// The journal, to read.
    pub reader: Reader,
    /// How far the journal is durable.
    pub watermark: Arc<Watermark>,
    /// The lanes, without the ledger's own.
    pub lanes: Arc<Lanes>,
    /// The views.
    pub views: Arc<Views>,
    /// Threads for blocking work.
    pub beside: Beside,
    /// What the journal's tail and the views tell of entities.
    pub known: Known,
    /// When actors are started anew.
    pub supervision: SupervisionOptions,
    /// When entities leave memory.
    pub passivation: PassivationOptions,
    /// The assets that may move, beside the currencies of ISO 4217.
    pub assets: Assets,
    /// What makes entities fail, in tests.
    pub intercept: Arc<dyn Intercept>,
    /// The index of idempotency keys.
    pub keys: Index,
    /// The index of operations.
    pub operations: Index,
    /// The order of records.
    pub sequencer: Sequencer,
}

impl std::fmt::Debug for dyn Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Observer")
    }
}

impl Ledger {
    /// A ledger with nothing in memory yet.
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

    /// Takes a command: hands it to its entity's actor, seating the entity if it isn't in memory.
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
            // A new entity's id was just drawn: nothing can be known of it.
            let is_new = envelope.command.routing_entity().is_none();
            self.seat(subject, if is_new { Phase::Live } else { Phase::Loading });
        }
        if let Some((seat, actor)) = self.directory.borrow().actor(subject) {
            seat.letters.set(seat.letters.get() + 1);
            actor.do_send(Letter(envelope));
        }
    }

    /// Seats an entity that isn't in memory; one in phase `Loading` is loaded.
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

    /// Appends a record to the journal's queue and notes what it settles.
    ///
    /// # Errors
    /// A record past its limit; nothing happened.
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
        // Hashed already.
        if let Some(key) = key {
            keys.insert(key, record.sequence);
        }
        for key in record.item_keys() {
            keys.insert(key_hash(&record.caller, key), record.sequence);
        }
        Ok(())
    }

    /// Hands what was appended to the journal, once a tick: the task that does so runs behind
    /// everything that was ready when the first record came.
    pub async fn flush_chunks(self: Rc<Self>) {
        loop {
            self.chunk_begun.notified().await;
            self.sequencer.borrow_mut().flush();
        }
    }

    /// Does what waits as the watermark moves, for ever.
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

    /// Puts something in line, to be done once what it rests on is durable and nothing is before it.
    pub(super) fn hold(&self, rests_on: u64, held: Held) {
        self.waiting.borrow_mut().push(rests_on, held);
        self.held.notify_one();
    }

    /// Does everything whose ground is durable.
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

    /// The journal failed: whoever waits learns that the outcome is unknown.
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

    /// Answers a command that was not begun. A caller that was told 504 in the meantime has only its
    /// operation to ask: it gets one that says so.
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

    /// Lets every actor go, which hold on to the ledger as it does to them.
    pub fn disband(&self) {
        drop(self.directory.take());
    }

    /// Executes no more of what was accepted: the next start does.
    pub fn close(&self) {
        self.closing.set(true);
    }

    /// Whether nothing more is executed.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// Prepares the indexes' next generations of entries before they are needed, for ever.
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

    /// Takes the index segments on disk as they are now.
    pub fn sealed(&self, keys: Vec<Arc<SortedSegment>>, operations: Vec<Arc<SortedSegment>>) {
        self.keys.borrow_mut().sealed(keys);
        self.operations.borrow_mut().sealed(operations);
    }
}
