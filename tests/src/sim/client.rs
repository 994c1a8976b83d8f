//! A simulated client: it sends commands, waits for their answers, and notes what it learns.

use std::rc::Rc;
use std::time::Duration;

use florin_actors::messages::{Code, Command, Context, Outcome, RequestId};
use florin_actors::runtime::{
    Clock, Confirmation, Core, Decided, Operation, Reply, SLACK, Unavailable,
};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::history::{Asked, Fate, Request, Seen};
use super::world::{Death, World};
use super::{OUTCOME_UNKNOWN, operations};

/// The usual wait for an answer.
pub const WAIT: Duration = Duration::from_secs(5);
/// How much later than its wait an answer may come: the resolution of the timer.
const GRAIN: Duration = Duration::from_millis(2);

/// One simulated client.
#[derive(Debug)]
pub struct Client {
    pub world: Rc<World>,
    pub name: String,
    pub rng: SmallRng,
    pub core: Core,
    pub life: u32,
}

/// A command that waits for its answer.
#[derive(Debug)]
pub struct Sent {
    pub asked: usize,
    pub confirmation: Confirmation,
}

impl Client {
    /// Runs the client's operations.
    pub async fn work(world: Rc<World>, number: u32) {
        let rng =
            SmallRng::seed_from_u64(world.seed ^ (u64::from(number) + 1).wrapping_mul(0x9E37_79B9));
        if let Some((core, life)) = world.alive().await {
            let name = format!("client {number}");
            let mut client = Self {
                world: Rc::clone(&world),
                name,
                rng,
                core,
                life,
            };
            for _ in 0..world.settings.operations {
                let Some((core, life)) = world.alive().await else {
                    break;
                };
                (client.core, client.life) = (core, life);
                let pause = world.settings.think.draw(&mut client.rng);
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
                operations::run(&mut client).await;
            }
        }
        world.working.set(world.working.get() - 1);
    }

    /// Creates a copy of this client for another connection.
    pub fn fork(&mut self) -> Self {
        Self {
            world: Rc::clone(&self.world),
            name: self.name.clone(),
            rng: SmallRng::seed_from_u64(self.rng.random()),
            core: self.core.clone(),
            life: self.life,
        }
    }

    /// Notes a step of this client.
    pub fn step(&self, step: impl FnOnce() -> String) {
        self.world.step(|| format!("{}: {}", self.name, step()));
    }

    /// Sends a command.
    pub fn send(&mut self, mut request: Request) -> Option<Sent> {
        // The gateway refuses a batch whose own key is also the key of one of its items.
        if let Command::Batch(batch) = &mut request.command {
            let own = request.key.clone();
            for item in &mut batch.items {
                item.key = item.key.take().filter(|key| own.as_ref() != Some(key));
            }
        }
        let world = Rc::clone(&self.world);
        world.book.borrow_mut().remember(&request);
        let number = world.history.borrow().asked.len();
        let context = Context {
            caller: request.caller.clone(),
            key: request.key.clone(),
            request_id: RequestId::given(&format!("request-{number}")).unwrap(),
            correlation_id: None,
            trace: None,
            kind: request.kind,
            if_match: request.if_match,
            dry_run: request.dry_run,
            asynchronous: request.asynchronous,
            input: None,
        };
        let after = World::durable(&self.core);
        let sent_at = self.core.now();
        let sent = self
            .core
            .submit(request.command.clone(), context, request.wait);
        let confirmation = match sent {
            Ok(confirmation) => confirmation,
            Err(reason) => {
                self.step(|| format!("is turned away: {reason:?}"));
                self.check_unavailable(reason);
                return None;
            }
        };
        let operation = confirmation.operation_id();
        self.step(|| format!("asks #{number} {operation} {request:?}"));
        let asked = world.history.borrow_mut().add(Asked {
            operation,
            request,
            after,
            sent: sent_at,
            sent_nanos: world.clock.nanos(),
            life: self.life,
            fate: Fate::Waiting,
            begun_until: None,
        });
        Some(Sent {
            asked,
            confirmation,
        })
    }

    /// Sends a command and waits for its answer.
    pub async fn ask(&mut self, request: Request) -> Option<Decided> {
        let sent = self.send(request)?;
        self.settle(sent, None).await
    }

    /// Waits for an answer, at most as long as `patience`.
    pub async fn settle(&mut self, sent: Sent, patience: Option<Duration>) -> Option<Decided> {
        let world = Rc::clone(&self.world);
        let Sent {
            asked,
            confirmation,
        } = sent;
        let impatient = async {
            match patience {
                Some(patience) => tokio::time::sleep(patience).await,
                None => std::future::pending().await,
            }
        };
        let reply = tokio::select! {
            biased;
            // An answer that would come after the node's death is never delivered.
            () = world.death(self.life) => Err(Fate::Cut),
            reply = confirmation => Ok(reply),
            () = impatient => Err(Fate::Dropped),
        };
        let (fate, decided) = match reply {
            Ok(reply) => self.take(asked, reply),
            Err(fate) => (fate, None),
        };
        self.step(|| format!("#{asked} is {fate:?} {}", summary(decided.as_ref())));
        if fate == Fate::Cut && world.ended_well.borrow().contains(&self.life) {
            world.violated(format!("#{asked} is cut by a clean shutdown"));
        }
        world.history.borrow_mut().asked[asked].fate = fate;
        if fate == Fate::TimedOut {
            self.note_deadline(asked);
        }
        // Once all clients are done, the node is kept alive, because its promises must come true.
        let is_finale = world.working.get() == 0;
        if decided.is_some() && !is_finale && world.chance(world.settings.crash_at_reply) {
            world.die(if self.rng.random() {
                Death::LoseAll
            } else {
                Death::Torn
            });
        }
        if let Some(decided) = decided.as_ref().filter(|_| !is_finale)
            && decided.record.outcome == Outcome::Accepted
            && self.rng.random_bool(0.3)
        {
            self.follow(asked).await;
        }
        decided
    }

    /// Follows an accepted operation until the core reports that it is settled. Then it must be
    /// settled.
    async fn follow(&mut self, asked: usize) {
        let world = Rc::clone(&self.world);
        let operation = world.history.borrow().asked[asked].operation;
        let core = self.core.clone();
        let settled = tokio::select! {
            biased;
            () = world.death(self.life) => false,
            () = core.wait_for_operation(operation) => true,
            () = tokio::time::sleep(WAIT) => false,
        };
        let found = operations::look_up::read(self, asked).await;
        // Listening also ends when the journal fails and the node is about to end.
        let has_failed = world.failure().is_some();
        if settled
            && !has_failed
            && let Some(Some(Operation::Pending { .. })) = found
        {
            world.violated(format!("#{asked} is told to be settled and is pending"));
        }
    }

    /// Takes a reply and returns the fate of the request.
    fn take(&mut self, asked: usize, reply: Reply) -> (Fate, Option<Decided>) {
        let world = Rc::clone(&self.world);
        let (after, wait, took) = {
            let history = world.history.borrow();
            let asked = &history.asked[asked];
            let took = Duration::from_nanos(world.clock.nanos() - asked.sent_nanos);
            (asked.after, asked.request.wait, took)
        };
        if took > wait + SLACK + GRAIN {
            world.violated(format!("#{asked} waited {took:?}, not {wait:?}"));
        }
        match reply {
            Reply::Decided(decided) => {
                self.take_decided(asked, after, (wait, took), &decided);
                let recorded = decided.stored && !decided.replayed;
                (Fate::Answered { recorded }, Some(*decided))
            }
            Reply::TimedOut(_) => {
                if took < wait {
                    world.violated(format!("#{asked} is given up after {took:?} of {wait:?}"));
                }
                let healthy = !world.settings.slow && !self.is_disk_faulty();
                if wait >= WAIT && healthy && !self.may_wait(asked) {
                    world.violated(format!("#{asked} is not answered within {wait:?}"));
                }
                (Fate::TimedOut, None)
            }
            Reply::Unavailable(reason) => {
                self.check_unavailable(reason);
                (Fate::Unavailable(reason), None)
            }
        }
    }

    fn take_decided(
        &self,
        asked: usize,
        after: u64,
        (wait, took): (Duration, Duration),
        decided: &Decided,
    ) {
        let world = &self.world;
        let durable = World::durable(&self.core);
        if decided.stored && decided.record.sequence > durable {
            world.violated(format!(
                "#{asked} is answered by record {}, durable is {durable}",
                decided.record.sequence
            ));
        }
        if decided.record.time > world.clock.latest() {
            world.violated(format!("#{asked} is answered from the future"));
        }
        let late = matches!(&decided.record.outcome, Outcome::Refused(rejection)
            if rejection.code == Code::DeadlineExceeded);
        if late && took + GRAIN < wait {
            world.violated(format!(
                "#{asked} is told that its deadline is over after {took:?} of {wait:?}"
            ));
        }
        world.book.borrow_mut().learn(decided);
        world.saw(
            &self.core,
            after,
            Seen::Answer {
                asked,
                decided: Box::new(decided.clone()),
            },
        );
    }

    /// Notes the end of the journal's queue shortly after a deadline. By then everything that was
    /// begun in time is in the queue.
    fn note_deadline(&self, asked: usize) {
        let (world, core) = (Rc::clone(&self.world), self.core.clone());
        tokio::task::spawn_local(async move {
            tokio::time::sleep(GRAIN).await;
            let health = core.health();
            let until = health.journal_durable + health.journal_backlog;
            world.history.borrow_mut().asked[asked].begun_until = Some(until);
        });
    }

    /// Reports whether the request may depend on a command that was accepted and waits for an
    /// entity that is out of service.
    fn may_wait(&self, asked: usize) -> bool {
        let history = self.world.history.borrow();
        let request = &history.asked[asked].request;
        let has_keys = match &request.command {
            Command::Batch(batch) => batch.items.iter().any(|item| item.key.is_some()),
            _ => false,
        };
        self.world.settings.panics > 0 && (has_keys || request.key.is_some())
    }

    fn is_disk_faulty(&self) -> bool {
        self.world.circumstances.borrow().disk_faulty.get()
    }

    /// Checks that the core has a reason to answer that it is unavailable.
    pub fn check_unavailable(&self, reason: Unavailable) {
        let world = &self.world;
        let life = world.life.get();
        if life.number != self.life || !life.is_up || world.node.borrow().is_none() {
            return;
        }
        let circumstances = world.circumstances.borrow();
        let settings = &world.settings;
        let right = match reason {
            Unavailable::Overloaded => settings.tight,
            // No simulated command is that large.
            Unavailable::TooLarge => false,
            Unavailable::DiskLow => circumstances.disk_full.get(),
            Unavailable::ViewBehind => {
                settings.slow_views
                    || circumstances.views_stopped.get()
                    || circumstances.views_rotten.get()
                    || circumstances.disk_faulty.get()
            }
            reason if reason == OUTCOME_UNKNOWN => circumstances.disk_faulty.get(),
            Unavailable::ShuttingDown => circumstances.disk_faulty.get(),
            // Only views are corrupted here, never the journal. An entity is quarantined if the
            // disk refuses to read it, or if it failed too often.
            Unavailable::JournalDamaged => false,
            Unavailable::Quarantined => circumstances.disk_faulty.get() || settings.panics > 0,
            // A read that hangs ends when the reader's own timeout expires.
            Unavailable::ReadTimedOut => settings.slow || circumstances.disk_faulty.get(),
            Unavailable::OutcomeUnknown => false,
        };
        if !right {
            world.violated(format!("{}: told {reason:?} for no reason", self.name));
        }
    }

    /// Awaits a read, unless the node dies first.
    pub async fn read<T>(
        &mut self,
        read: impl Future<Output = Result<T, Unavailable>>,
    ) -> Option<T> {
        let world = Rc::clone(&self.world);
        let bound = Duration::from_secs(20);
        let read = tokio::select! {
            biased;
            () = world.death(self.life) => None,
            read = read => Some(read),
            () = tokio::time::sleep(bound) => {
                if !self.is_disk_faulty() {
                    world.violated(format!("{}: a read takes more than {bound:?}", self.name));
                }
                None
            }
        };
        match read? {
            Ok(value) => Some(value),
            Err(reason) => {
                self.step(|| format!("can't read: {reason:?}"));
                self.check_unavailable(reason);
                None
            }
        }
    }
}

fn summary(decided: Option<&Decided>) -> String {
    let Some(decided) = decided else {
        return String::new();
    };
    let flags = [
        (decided.stored, "stored"),
        (decided.replayed, "replayed"),
        (decided.dry_run, "dry"),
    ];
    let flags: Vec<&str> = flags
        .iter()
        .filter_map(|(holds, name)| holds.then_some(*name))
        .collect();
    let outcome = match &decided.record.outcome {
        Outcome::Refused(rejection) => rejection.to_string(),
        Outcome::Accepted => "accepted".to_owned(),
        _ => "done".to_owned(),
    };
    format!("by record {} {flags:?}: {outcome}", decided.record.sequence)
}
