//! The world of a run: one node on a simulated disk in virtual time, with its lives and deaths, and
//! the notes of all participants.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use florin_actors::messages::Assets;
use florin_actors::runtime::{Clock, Core, Intercept, Node, NodeOptions, StartError, Threads};
use florin_storage::{CrashMode, Disk, SimulatedDisk};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::sync::Notify;

use super::book::Book;
use super::clock::SimulatedClock;
use super::history::{History, Observation, Seen};
use super::intruder::Intruder;
use super::judge::Judge;
use super::settings::Settings;
use super::trace::Trace;

/// How long a shutdown may take.
const SHUTDOWN_MAX: Duration = Duration::from_secs(30);

/// The way in which a node's life ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// The machine crashes and loses everything that was not synced.
    LoseAll,
    /// The machine crashes and loses a part of what was not synced.
    Torn,
    /// The process is killed, and the machine keeps running.
    Kill,
}

/// The current life of the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// The number of the life, from 1.
    pub number: u32,
    pub is_up: bool,
}

/// Circumstances that last for one life.
#[derive(Debug, Default)]
pub struct Circumstances {
    /// A disk fault was set.
    pub disk_faulty: Cell<bool>,
    /// The disk was made to look full.
    pub disk_full: Cell<bool>,
    /// The projector was told to stop.
    pub views_stopped: Cell<bool>,
    /// Bytes of the views were corrupted.
    pub views_rotten: Cell<bool>,
}

/// The state of one run.
#[derive(Debug)]
pub struct World {
    pub seed: u64,
    pub settings: Settings,
    pub disk: SimulatedDisk,
    pub clock: Arc<SimulatedClock>,
    pub rng: RefCell<SmallRng>,
    /// Makes the entities fail.
    pub intruder: Arc<Intruder>,
    pub node: RefCell<Option<Node>>,
    pub life: Cell<Life>,
    /// Wakes the tasks that wait for a life to begin or end, in the order in which they started to
    /// wait.
    turned: Notify,
    pub circumstances: RefCell<Rc<Circumstances>>,
    pub history: RefCell<History>,
    pub judge: RefCell<Judge>,
    pub book: RefCell<Book>,
    pub trace: RefCell<Trace>,
    /// The number of clients that still work.
    pub working: Cell<u32>,
    /// The lives that ended with a clean shutdown.
    pub ended_well: RefCell<BTreeSet<u32>>,
    violation: RefCell<Option<String>>,
}

impl World {
    /// Creates the empty world of a seed.
    pub fn new(seed: u64, print: bool) -> Rc<Self> {
        let mut rng = SmallRng::seed_from_u64(seed);
        let settings = Settings::draw(&mut rng);
        let (panics, to_midnight) = (settings.panics, settings.to_midnight);
        let first = Life {
            number: 0,
            is_up: false,
        };
        let mut history = History::default();
        history.disk_faults = settings.disk_faults;
        let world = Self {
            seed,
            settings,
            disk: SimulatedDisk::new(),
            clock: Arc::new(SimulatedClock::start(to_midnight)),
            rng: RefCell::new(rng),
            node: RefCell::new(None),
            life: Cell::new(first),
            turned: Notify::new(),
            circumstances: RefCell::default(),
            history: RefCell::new(history),
            intruder: Arc::new(Intruder::new(seed, panics)),
            judge: RefCell::new(Judge::new(panics > 0)),
            book: RefCell::default(),
            trace: RefCell::new(Trace::new(print)),
            working: Cell::new(0),
            ended_well: RefCell::default(),
            violation: RefCell::new(None),
        };
        world.step(|| format!("{:?}", world.settings));
        Rc::new(world)
    }

    /// Notes a step.
    pub fn step(&self, step: impl FnOnce() -> String) {
        self.trace.borrow_mut().step(self.clock.nanos(), step());
    }

    /// Notes that a promise is broken. Only the first one is kept.
    pub fn violated(&self, what: String) {
        self.step(|| format!("VIOLATION {what}"));
        self.violation.borrow_mut().get_or_insert(what);
        self.turned.notify_waiters();
    }

    /// Returns the first broken promise, if there is one.
    pub fn violation(&self) -> Option<String> {
        self.violation.borrow().clone()
    }

    /// Notes a broken promise if `held` is an error.
    pub fn hold_to(&self, held: Result<(), String>) {
        if let Err(what) = held {
            self.violated(what);
        }
    }

    /// Returns true with this probability in a thousand, drawn from the world's own generator.
    pub fn chance(&self, of_thousand: u32) -> bool {
        self.rng.borrow_mut().random_range(0..1_000) < of_thousand
    }

    /// Returns the node's core and the number of its life, if it lives.
    pub fn core(&self) -> Option<(Core, u32)> {
        let core = self.node.borrow().as_ref().map(|node| node.core().clone());
        core.map(|core| (core, self.life.get().number))
    }

    /// Waits for the node to live and returns its core. Returns `None` if the run is over.
    pub async fn alive(&self) -> Option<(Core, u32)> {
        loop {
            if self.violation.borrow().is_some() {
                return None;
            }
            if let Some(found) = self.core() {
                return Some(found);
            }
            self.turned.notified().await;
        }
    }

    /// Waits for the end of a life.
    pub async fn death(&self, number: u32) {
        let is_up = true;
        while self.life.get() == (Life { number, is_up }) {
            self.turned.notified().await;
        }
    }

    /// Returns the durable sequence, as the holder of `core` sees it.
    pub fn durable(core: &Core) -> u64 {
        core.health().journal_durable
    }

    /// Notes an observation.
    pub fn saw(&self, core: &Core, from: u64, seen: Seen) {
        let to = Self::durable(core);
        self.judge.borrow_mut().saw(Observation { from, to, seen });
    }

    /// Judges the records that became durable.
    pub fn judge_now(&self) {
        if let Some(node) = &*self.node.borrow() {
            let judged = self
                .judge
                .borrow_mut()
                .catch_up(node.reader(), &self.history.borrow());
            self.hold_to(judged);
        }
    }

    /// Ends the node's life at once.
    pub fn die(&self, death: Death) {
        let Some(node) = self.node.borrow_mut().take() else {
            return;
        };
        self.judge_last(&node);
        drop(node);
        let seed = self.rng.borrow_mut().random();
        match death {
            Death::LoseAll => self.disk.crash(seed, CrashMode::LoseAll),
            Death::Torn => self.disk.crash(seed, CrashMode::Torn),
            Death::Kill => self.disk.kill(),
        }
        self.step(|| format!("the node dies: {death:?}, {} I/Os", self.disk.io_count()));
        self.turn(false);
    }

    fn turn(&self, is_up: bool) {
        let number = self.life.get().number + u32::from(is_up);
        self.life.set(Life { number, is_up });
        self.turned.notify_waiters();
    }

    /// Judges everything that was durable before a death, because it must be there after it.
    fn judge_last(&self, node: &Node) {
        let judged = self
            .judge
            .borrow_mut()
            .catch_up(node.reader(), &self.history.borrow());
        self.hold_to(judged);
    }

    /// Returns the reason if the journal failed. Its callers are told then.
    pub fn failure(&self) -> Option<String> {
        let node = self.node.borrow();
        let failed = pin!(node.as_ref()?.failed());
        match failed.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(reason) => Some(reason),
            Poll::Pending => None,
        }
    }

    /// Starts the node. With a `fault`, the disk fails after this many I/Os, so the start may fail.
    pub fn live(&self, fault: Option<u64>) {
        if let Some(after) = fault {
            self.disk.fail_at(self.disk.io_count() + after);
        }
        self.disk.set_free_bytes(1 << 40);
        let circumstances = Rc::new(Circumstances::default());
        circumstances.disk_faulty.set(fault.is_some());
        // A corrupted block is found only when it is read.
        let rotten = self.circumstances.borrow().views_rotten.get();
        circumstances.views_rotten.set(rotten);
        self.step(|| {
            let views = self.disk.list("views").unwrap_or_default();
            format!("the node starts with views {views:?}, fault {fault:?}")
        });
        *self.circumstances.borrow_mut() = Rc::clone(&circumstances);
        match self.start(circumstances) {
            Ok(node) => {
                let judged = self
                    .judge
                    .borrow_mut()
                    .restarted(node.reader(), &self.history.borrow());
                self.hold_to(judged);
                *self.node.borrow_mut() = Some(node);
                self.turn(true);
                let durable = self.judge.borrow().sequence();
                self.step(|| format!("the node lives, {durable} records"));
            }
            Err(error) if fault.is_some() && !is_damage(&error) => {
                self.step(|| format!("the start fails with the disk: {error}"));
                self.disk.kill();
            }
            Err(error) => self.violated(format!("the node doesn't start: {error}")),
        }
    }

    fn start(&self, circumstances: Rc<Circumstances>) -> Result<Node, StartError> {
        let mut rng = self.rng.borrow_mut();
        let mut fork = || SmallRng::seed_from_u64(rng.random());
        let (mut commits, mut projections) = (fork(), fork());
        let reads = Mutex::new(fork());
        let seed = rng.random();
        let Settings {
            commit,
            project,
            read,
            ..
        } = self.settings;
        Node::start(NodeOptions {
            disk: Arc::new(self.disk.clone()),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            seed,
            limits: self.settings.limits,
            assets: Assets::default(),
            observer: Arc::new(()),
            intercept: Arc::clone(&self.intruder) as Arc<dyn Intercept>,
            upkeep: florin_actors::upkeep::Upkeep::default(),
            threads: Threads::Simulated {
                commit: Box::new(move || commit.draw(&mut commits)),
                project: Box::new(move || {
                    let pause = project.draw(&mut projections);
                    (!circumstances.views_stopped.get()).then_some(pause)
                }),
                read: Arc::new(move || {
                    read.draw(&mut reads.lock().unwrap_or_else(PoisonError::into_inner))
                }),
            },
        })
    }

    /// Shuts the node down cleanly. Every waiting caller must get its answer.
    pub async fn shutdown(&self) {
        let Some(node) = self.node.borrow_mut().take() else {
            return;
        };
        self.judge_last(&node);
        let faulty = self.circumstances.borrow().disk_faulty.get();
        let core = node.core().clone();
        self.step(|| "the node is asked to shut down".to_owned());
        let ended = tokio::time::timeout(SHUTDOWN_MAX, node.shutdown()).await;
        match ended {
            Ok(Ok(())) => {
                let health = core.health();
                if health.in_flight > 0 || health.journal_backlog > 0 {
                    self.violated(format!("a shutdown leaves work behind: {health:?}"));
                }
                if !self.disk.exists("journal/clean").unwrap_or(false) {
                    self.violated("a shutdown leaves no clean mark".to_owned());
                }
                self.ended_well.borrow_mut().insert(self.life.get().number);
            }
            Ok(Err(error)) if faulty => self.step(|| format!("the shutdown fails: {error}")),
            Err(_) if faulty => self.step(|| "the shutdown takes too long".to_owned()),
            Ok(Err(error)) => self.violated(format!("a shutdown fails: {error}")),
            Err(_) => self.violated(format!("a shutdown takes too long: {:?}", core.health())),
        }
        self.disk.kill();
        self.step(|| "the node has shut down".to_owned());
        self.turn(false);
    }

    /// Removes every view, as an operator may while the node is down.
    pub fn remove_views(&self) -> std::io::Result<()> {
        for file in self.disk.list("views")? {
            self.disk.remove(&format!("views/{file}"))?;
        }
        Ok(())
    }
}

fn is_damage(error: &StartError) -> bool {
    matches!(
        error,
        StartError::Damaged(_) | StartError::Storage(florin_storage::Error::Damaged { .. })
    )
}
