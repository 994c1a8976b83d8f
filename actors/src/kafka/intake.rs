//! The intake: the actor that owns the threads of consumers. One that fails is started anew after a
//! pause that grows.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::prelude::*;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::bridge::Stop;
use super::consumer::Runner;
use super::dead_letters::KafkaDeadLetters;
use super::lane::Retries;
use super::options::KafkaOptions;
use crate::bus::{Consumer, Outbox, Telemetry};

/// The pause before a failed thread's first restart; it doubles up to the longest.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// How often dead letters are counted anew: their topics may be changed by others.
const COUNT_EVERY: Duration = Duration::from_secs(60);

/// What a process's consumers are run with.
#[derive(Debug, Clone)]
pub struct IntakeOptions {
    /// How Kafka is reached.
    pub kafka: KafkaOptions,
    /// When what failed is tried again.
    pub retries: Retries,
    /// How often a dead letter may be redriven.
    pub redrives_max: u32,
    /// The journal that consumers' effects are in.
    pub outbox: Outbox,
    /// What is measured.
    pub telemetry: Arc<Telemetry>,
    /// Where confirmations are waited for.
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
    /// Told when all have stopped as they were asked to.
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
    /// An intake of those consumers.
    pub fn new(options: IntakeOptions, consumers: Vec<Arc<dyn Consumer>>) -> Self {
        let letters = KafkaDeadLetters::new(
            options.kafka.clone(),
            options.redrives_max,
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

    /// The dead letters of these consumers.
    pub fn dead_letters(&self) -> KafkaDeadLetters {
        self.letters.clone()
    }

    /// Starts a consumer's thread; its blocking calls would hold an arbiter up.
    fn run(&mut self, index: usize, context: &mut Context<Self>) {
        if self.stop.load(Ordering::Acquire) {
            return;
        }
        let Some(consumer) = self.consumers.get(index) else {
            return;
        };
        let runner = Runner {
            options: self.options.kafka.clone(),
            retries: self.options.retries,
            outbox: self.options.outbox.clone(),
            telemetry: Arc::clone(&self.options.telemetry),
            consumer: Arc::clone(consumer),
            runtime: self.options.runtime.clone(),
            stop: Arc::clone(&self.stop),
        };
        let intake = context.address();
        let run = move || {
            let ended = catch_unwind(AssertUnwindSafe(|| runner.run()));
            let failed = ended.is_err();
            // The intake itself may be gone: then nobody waits.
            intake.do_send(Ended { index, failed });
        };
        let thread = std::thread::Builder::new().name("consumer".to_owned());
        match thread.spawn(run) {
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
            "an actor failed and is started anew"
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

/// A consumer's thread has ended.
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
            // Whoever waited has gone.
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
            // Whoever waited has gone.
            let _ = stopped.send(());
        }
    }
}
