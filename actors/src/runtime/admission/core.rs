//! The handle for the gateway and other components: they submit commands, and get confirmations and
//! reads.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use florin_storage::{Queue, Reader, Watermark};
use tokio::sync::{Notify, oneshot};

use super::inbox::Inbox;
use crate::base::{Clock, GuardedClock, Random};
use crate::commands::{Command, Context};
use crate::conditions::Conditions;
use crate::runtime::beside::Beside;
use crate::runtime::idempotency::index::key_hash;
use crate::runtime::ledger::state::Ledger;
use crate::runtime::observer::Observer;
use crate::runtime::operations::under_way::Queued;
use crate::runtime::permits::{Permits, Room};
use crate::runtime::read_fault::ReadFault;
use crate::runtime::replies::confirmation::{Confirmation, Slot};
use crate::runtime::replies::deadline;
use crate::runtime::replies::lane::{Lane, Lanes, ReplyTo};
use crate::runtime::replies::reply::Unavailable;
use crate::runtime::residency::envelope::{Envelope, Mode};
use crate::upkeep::Upkeep;
use crate::views::Views;
use crate::words::{OperationId, RequestId, Timestamp};

thread_local! {
    /// The ledger of this thread, with the number of its core.
    static HERE: RefCell<Option<(u64, Weak<Ledger>)>> = const { RefCell::new(None) };
    /// The lane of this thread, if the thread is a lane.
    static LANE: RefCell<Option<Rc<OwnLane>>> = const { RefCell::new(None) };
}

/// A function that is run with the ledger, on the ledger's thread.
type Asking = Box<dyn FnOnce(&Rc<Ledger>) + Send>;

/// A message to the ledger arbiter.
pub(in crate::runtime) enum Mail {
    /// A command.
    Command(Box<Envelope>),
    /// A function that needs the ledger.
    Ask(Asking),
}

/// The state of a lane that only the lane's own thread uses.
struct OwnLane {
    lane: Arc<Lane>,
    outgoing: RefCell<Vec<Mail>>,
    begun: Notify,
}

impl OwnLane {
    /// Queues a message to the ledger. It is sent together with the other messages of this tick.
    fn post(&self, mail: Mail) {
        let mut outgoing = self.outgoing.borrow_mut();
        outgoing.push(mail);
        if outgoing.len() == 1 {
            self.begun.notify_one();
        }
    }

    /// Sends the queued messages to the ledger once per tick, so that one wake-up serves all
    /// messages that were ready together.
    async fn forward(&self, ledger: &Inbox<Mail>) {
        let mut batch = Vec::new();
        loop {
            self.begun.notified().await;
            std::mem::swap(&mut *self.outgoing.borrow_mut(), &mut batch);
            ledger.append(&mut batch);
        }
    }
}

/// The state that all handles of a core share.
pub(in crate::runtime) struct Shared {
    pub(in crate::runtime) number: u64,
    pub(in crate::runtime) mail: Inbox<Mail>,
    pub(in crate::runtime) permits: Arc<Permits>,
    /// The permits of commands accepted and not yet executed.
    pub(in crate::runtime) places: Arc<Permits>,
    /// The memory permits for the items of batches in flight.
    pub(in crate::runtime) items: Arc<Permits>,
    /// The memory permits for the items of batches accepted and not yet executed.
    pub(in crate::runtime) accepted_items: Arc<Permits>,
    pub(in crate::runtime) queue: Arc<Queue>,
    pub(in crate::runtime) queue_bytes_max: u64,
    pub(in crate::runtime) lag_records_max: u64,
    pub(in crate::runtime) list_wait: Duration,
    pub(in crate::runtime) read_wait: Duration,
    pub(in crate::runtime) clock: Arc<dyn Clock>,
    /// The same clock with its guard, for operators.
    pub(in crate::runtime) guarded: Arc<GuardedClock>,
    pub(in crate::runtime) random: Arc<Random>,
    pub(in crate::runtime) observer: Arc<dyn Observer>,
    pub(in crate::runtime) watermark: Arc<Watermark>,
    pub(in crate::runtime) lanes: Arc<Lanes>,
    pub(in crate::runtime) reader: Reader,
    pub(in crate::runtime) views: Arc<Views>,
    pub(in crate::runtime) beside: Beside,
    pub(in crate::runtime) draining: AtomicBool,
    pub(in crate::runtime) disk_low: AtomicBool,
    pub(in crate::runtime) disk: Arc<dyn florin_storage::Disk>,
    pub(in crate::runtime) upkeep: Upkeep,
}

/// The handle of a node's core. It can be used from any thread.
#[derive(Clone)]
pub struct Core(pub(in crate::runtime) Arc<Shared>);

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core")
            .field("number", &self.0.number)
            .finish_non_exhaustive()
    }
}

impl Core {
    /// Returns the node's conditions, to which every component reports its problems.
    pub fn conditions(&self) -> &Arc<Conditions> {
        &self.0.upkeep.conditions
    }

    /// Returns the spawner of the node's threads and the node's conditions.
    pub fn upkeep(&self) -> &Upkeep {
        &self.0.upkeep
    }

    /// Hands a command to its entity's actor. `wait` limits how long the confirmation waits; a
    /// command that has not started by then is not started any more.
    ///
    /// # Errors
    /// Returns an error if the command was not started: too many commands are in flight, or the
    /// node can't take commands now.
    pub fn submit(
        &self,
        command: Command,
        context: Context,
        wait: Duration,
    ) -> Result<Confirmation, Unavailable> {
        let shared = &self.0;
        let is_accepted_first = context.asynchronous && !context.dry_run && command.moves_money();
        let (room, place) = self
            .admit(&command, is_accepted_first)
            .inspect_err(|reason| shared.observer.shed(reason.code()))?;
        let came = shared.clock.moment();
        let subject = match command.routing_entity() {
            Some(entity) => entity,
            None => {
                // The shard follows from the key, so that a repeat of the key comes to the same
                // shard.
                let shard = context
                    .key
                    .as_deref()
                    .map(|key| key_hash(&context.caller, key) as u8);
                shared.random.entity_id(came.time, shard)
            }
        };
        let operation_id = shared.random.operation_id(came.time, subject.shard());
        let mode = if is_accepted_first {
            Mode::Accept
        } else {
            Mode::Confirm
        };
        let slot = Arc::new(Slot::new());
        let here = self.here();
        let own = if here.is_some() {
            None
        } else {
            LANE.with(|lane| lane.borrow().clone())
        };
        let reply_to = ReplyTo {
            slot: Arc::clone(&slot),
            lane: own.as_ref().map(|own| Arc::clone(&own.lane)),
            kind: command.kind(),
            came,
            room: Some(room),
        };
        let wait_nanos = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        let envelope = Box::new(Envelope {
            command,
            context,
            operation_id,
            subject,
            mode,
            deadline_nanos: came.nanos.saturating_add(wait_nanos),
            key_searched: None,
            original: None,
            item_keys: None,
            read_again: false,
            place,
            reply_to,
        });
        match (here, own) {
            (Some(ledger), _) => ledger.accept(envelope),
            (None, Some(own)) => own.post(Mail::Command(envelope)),
            (None, None) => shared.mail.push(Mail::Command(envelope)),
        }
        Ok(Confirmation::new(operation_id, slot, wait))
    }

    /// Returns the time of day.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Trusts the machine's current time of day. Returns the size of the jump in microseconds if
    /// the time was not trusted before.
    pub fn confirm_clock(&self) -> Option<i64> {
        self.0.guarded.confirm()
    }

    /// Creates an id for something that is not a command.
    pub fn new_id(&self) -> OperationId {
        self.0.random.operation_id(self.now(), 0)
    }

    /// Creates an id for a request that came without one.
    pub fn request_id(&self) -> RequestId {
        RequestId::Made(self.new_id())
    }

    /// Returns a random draw for a card's number.
    pub fn card_draw(&self) -> u32 {
        let bytes = self.0.random.salt();
        u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    /// Makes this thread a lane. Call it on each arbiter that serves connections, except the
    /// ledger's own.
    pub fn enter_lane(&self) {
        let lane = self.0.lanes.add();
        let own = Rc::new(OwnLane {
            lane: Arc::clone(&lane),
            outgoing: RefCell::default(),
            begun: Notify::new(),
        });
        LANE.with(|current| *current.borrow_mut() = Some(Rc::clone(&own)));
        actix_rt::spawn(deadline::sweep());
        actix_rt::spawn(self.deliver(lane));
        let core = self.clone();
        actix_rt::spawn(async move { own.forward(&core.0.mail).await });
    }

    /// Sends a lane's answers as their records become durable. It must run on the lane's thread.
    pub(in crate::runtime) fn deliver(&self, lane: Arc<Lane>) -> impl Future<Output = ()> + use<> {
        let watermark = Arc::clone(&self.0.watermark);
        let (clock, observer) = (Arc::clone(&self.0.clock), Arc::clone(&self.0.observer));
        lane.deliver(watermark, clock, observer)
    }

    /// Runs `ask` with the ledger on the ledger's thread, and returns the value that `ask` sends.
    pub(in crate::runtime) async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Rc<Ledger>, oneshot::Sender<T>) + Send + 'static,
    ) -> Result<T, Unavailable> {
        let (sender, receiver) = oneshot::channel();
        match self.here() {
            Some(ledger) => ask(&ledger, sender),
            None => self
                .0
                .mail
                .push(Mail::Ask(Box::new(move |ledger| ask(ledger, sender)))),
        }
        receiver.await.map_err(|_| Unavailable::ShuttingDown)
    }

    /// Runs `then` with the ledger on the ledger's thread, without waiting for it.
    pub(in crate::runtime) fn tell(&self, then: impl FnOnce(&Rc<Ledger>) + Send + 'static) {
        self.0.mail.push(Mail::Ask(Box::new(then)));
    }

    /// Runs blocking work off the arbiter. An error is logged and returned as the reason that fits
    /// it; while the views are rebuilt, every error is [`Unavailable::ViewBehind`].
    pub(in crate::runtime) async fn blocking<
        T: Send + 'static,
        E: Into<ReadFault> + Send + 'static,
    >(
        &self,
        work: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<T, Unavailable> {
        match self.0.beside.run(work).await {
            Some(Ok(value)) => Ok(value),
            Some(Err(_)) if self.0.views.is_rebuilding() => Err(Unavailable::ViewBehind),
            Some(Err(fault)) => Err(fault.into().logged()),
            None => Err(Unavailable::ShuttingDown),
        }
    }

    /// Takes the permits for one more command. The first ones are held until its answer is sent. If
    /// `is_accepted_first`, the second ones are held until the command is executed. Commands that
    /// bring the node back to normal are also admitted if disk space is low or the views are
    /// behind.
    fn admit(
        &self,
        command: &Command,
        is_accepted_first: bool,
    ) -> Result<(Room, Option<Room>), Unavailable> {
        let shared = &self.0;
        if shared.draining.load(Ordering::Acquire) {
            return Err(Unavailable::ShuttingDown);
        }
        if !matches!(command, Command::Resume(_) | Command::Expire(_)) {
            if shared.disk_low.load(Ordering::Acquire) {
                return Err(Unavailable::DiskLow);
            }
            if self.lag() > shared.lag_records_max {
                return Err(Unavailable::ViewBehind);
            }
        }
        if shared.queue.backlog_bytes() > shared.queue_bytes_max {
            return Err(Unavailable::Overloaded);
        }
        let full = Unavailable::Overloaded;
        let under_way = shared.permits.take().ok_or(full)?;
        // Accepted batches have memory permits of their own, so that batches waiting for execution
        // don't keep out batches whose callers wait.
        let items = if is_accepted_first {
            &shared.accepted_items
        } else {
            &shared.items
        };
        let items = match command.items_bytes() {
            0 => None,
            bytes => Some(items.take_weighing(bytes).ok_or(full)?),
        };
        if !is_accepted_first {
            let room = Room {
                place: under_way,
                items,
            };
            return Ok((room, None));
        }
        let accepted = shared.places.take().ok_or(full)?;
        let room = |place, items| Room { place, items };
        Ok((room(under_way, None), Some(room(accepted, items))))
    }

    /// Returns the number of durable records that the views have not read yet.
    pub(in crate::runtime) fn lag(&self) -> u64 {
        self.0
            .watermark
            .durable()
            .saturating_sub(self.0.views.position())
    }

    /// Returns the ledger if this is the ledger's own thread.
    fn here(&self) -> Option<Rc<Ledger>> {
        HERE.with(|here| match &*here.borrow() {
            Some((number, ledger)) if *number == self.0.number => ledger.upgrade(),
            _ => None,
        })
    }

    /// Registers `ledger` as the ledger of this thread.
    pub(in crate::runtime) fn enter_ledger(&self, ledger: &Rc<Ledger>) {
        HERE.with(|here| *here.borrow_mut() = Some((self.0.number, Rc::downgrade(ledger))));
    }

    /// Takes the messages of other threads, forever; runs on the ledger arbiter.
    pub(in crate::runtime) async fn read_mail(self, ledger: Rc<Ledger>) {
        let (mut batch, mut named) = (Vec::new(), Vec::new());
        loop {
            self.0.mail.take(&mut batch).await;
            named.clear();
            for mail in &batch {
                if let Mail::Command(envelope) = mail {
                    named.extend(envelope.command.rules().prefetched().into_iter().flatten());
                }
            }
            ledger.warm(&named);
            for mail in batch.drain(..) {
                match mail {
                    Mail::Command(envelope) => ledger.accept(envelope),
                    Mail::Ask(ask) => ask(&ledger),
                }
            }
        }
    }
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Command(_) => "Command",
            Self::Ask(_) => "Ask",
        })
    }
}

/// The result of looking an operation up by its id.
pub(in crate::runtime) enum OperationAt {
    /// The operation is not yet decided and durable.
    Queued(OperationId, Queued),
    /// This record settled the operation, and it is durable now.
    Record(u64),
    /// The operation is not in memory; only these segments can tell.
    Perhaps(Vec<Arc<florin_storage::SortedSegment>>),
}
