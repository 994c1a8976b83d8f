//! The intake: the actor that owns the consumer threads. A consumer that fails is restarted after a
//! growing backoff.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::prelude::*;
use florin_storage::threads::ThreadName;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::task::ConsumerTask;
use crate::bus::{Consumer, DeliveryPolicy, Outbox, Telemetry};
use crate::conditions::Conditions;
use crate::kafka::dead_letters::KafkaDeadLetters;
use crate::kafka::options::KafkaOptions;
use crate::kafka::stop::Stop;

/// The backoff before the first restart of a failed thread. It doubles up to `BACKOFF_MAX`.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// The interval at which dead letters are recounted, because other programs may change their
/// topics.
const COUNT_EVERY: Duration = Duration::from_secs(60);

/// The options for a process's consumers.
#[derive(Debug, Clone)]
pub struct IntakeOptions {
    /// The connection to Kafka.
    pub kafka: KafkaOptions,
    /// The policy for messages that can't be handled.
    pub policy: DeliveryPolicy,
    /// The journal that contains the effects of the consumers.
    pub outbox: Outbox,
    /// The measurements.
    pub telemetry: Arc<Telemetry>,
    /// The registry of conditions.
    pub conditions: Arc<Conditions>,
    /// The runtime on which message handling runs.
    pub runtime: Handle,
}

/// The consumers of a process.
pub struct Intake {
    options: IntakeOptions,
    consumers: Vec<Arc<dyn Consumer>>,
    letters: KafkaDeadLetters,
    restarts: Vec<u32>,
    running: usize,
    stop: Arc<AtomicBool>,
    /// Notified when all consumers have stopped after a stop request.
    stopped: Option<oneshot::Sender<()>>,
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake")
            .field("consumers", &self.consumers.len())
            .field("running", &self.running)
            .finish_non_exhaustive()
    }
}

impl Intake {
    /// Creates an intake for the consumers.
    pub fn new(options: IntakeOptions, consumers: Vec<Arc<dyn Consumer>>) -> Self {
        let letters = KafkaDeadLetters::new(
            options.kafka.clone(),
            options.policy,
            Arc::clone(&options.telemetry),
            consumers.clone(),
            options.runtime.clone(),
        );
        Self {
            options,
            letters,
            restarts: vec![0; consumers.len()],
            consumers,
            running: 0,
            stop: Arc::default(),
            stopped: None,
        }
    }

    /// Returns the dead letters of these consumers.
    pub fn dead_letters(&self) -> KafkaDeadLetters {
        self.letters.clone()
    }

    /// Starts a consumer on its own thread, because its blocking calls would block an arbiter.
    fn run(&mut self, index: usize, context: &mut Context<Self>) {
        if self.stop.load(Ordering::Acquire) {
            return;
        }
        let Some(consumer) = self.consumers.get(index) else {
            return;
        };
        let task = ConsumerTask {
            options: self.options.kafka.clone(),
            policy: self.options.policy,
            outbox: self.options.outbox.clone(),
            telemetry: Arc::clone(&self.options.telemetry),
            conditions: Arc::clone(&self.options.conditions),
            consumer: Arc::clone(consumer),
            runtime: self.options.runtime.clone(),
            stop: Arc::clone(&self.stop),
        };
        let intake = context.address();
        let run = move || {
            let ended = catch_unwind(AssertUnwindSafe(|| task.run()));
            let failed = ended.is_err();
            // The intake may be gone; then nothing waits for this message.
            intake.do_send(Ended { index, failed });
            if let Err(panic) = ended {
                resume_unwind(panic);
            }
        };
        let spawner = &self.options.outbox.upkeep.spawner;
        match spawner.start(ThreadName::Consumer, run) {
            Ok(_) => self.running += 1,
            Err(error) => self.restart(index, &error.to_string(), context),
        }
    }

    fn restart(&mut self, index: usize, reason: &str, context: &mut Context<Self>) {
        let restarts = self.restarts[index];
        let backoff = BACKOFF_MIN.saturating_mul(1 << restarts.min(20));
        let backoff = backoff.min(BACKOFF_MAX);
        self.restarts[index] += 1;
        tracing::error!(
            actor = "intake",
            id = self.consumers[index].group(),
            reason,
            restarts = self.restarts[index],
            backoff_ms = backoff.as_millis() as u64,
            decision = "restarted",
            "an actor failed and is restarted"
        );
        context.run_later(backoff, move |intake, context| intake.run(index, context));
    }

    fn count(&self) {
        if self.stop.load(Ordering::Acquire) || self.consumers.is_empty() {
            return;
        }
        let letters = self.letters.clone();
        self.options.runtime.spawn_blocking(move || {
            if let Err(error) = letters.count() {
                tracing::debug!(%error, "dead letters are not counted");
            }
        });
    }
}

impl Actor for Intake {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        for index in 0..self.consumers.len() {
            self.run(index, context);
        }
        self.count();
        context.run_interval(COUNT_EVERY, |intake, _| intake.count());
    }
}

/// The message that a consumer's thread has ended.
struct Ended {
    index: usize,
    failed: bool,
}

impl Message for Ended {
    type Result = ();
}

impl Handler<Ended> for Intake {
    type Result = ();

    fn handle(&mut self, Ended { index, failed }: Ended, context: &mut Self::Context) {
        self.running -= 1;
        if failed && !self.stop.load(Ordering::Acquire) {
            self.restart(index, "panic", context);
        }
        if self.running == 0
            && let Some(stopped) = self.stopped.take()
        {
            // The receiver may have been dropped.
            let _ = stopped.send(());
        }
    }
}

impl Handler<Stop> for Intake {
    type Result = ();

    fn handle(&mut self, Stop(stopped): Stop, _: &mut Self::Context) {
        self.stop.store(true, Ordering::Release);
        if self.running > 0 {
            self.stopped = Some(stopped);
        } else {
            // The receiver may have been dropped.
            let _ = stopped.send(());
        }
    }
}
