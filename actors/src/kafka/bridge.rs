//! The bridge: the actor that owns Kafka's threads. A thread that fails is started anew after a
//! pause that grows; one that halts is for an operator, and the process ends.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::oneshot;

use super::options::KafkaOptions;
use super::publisher::{Halt, Publisher};
use crate::bus::{Outbox, Telemetry};

/// The pause before a failed thread's first restart; it doubles up to the longest.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// The bridge to Kafka.
#[derive(Debug)]
pub struct Bridge {
    options: KafkaOptions,
    outbox: Outbox,
    telemetry: Arc<Telemetry>,
    stop: Arc<AtomicBool>,
    restarts: u32,
    /// Told when the bridge ended for good.
    halted: Option<oneshot::Sender<Halt>>,
    /// Told when it stopped as it was asked to.
    stopped: Option<oneshot::Sender<()>>,
    running: bool,
}

impl Bridge {
    /// A bridge that publishes what leaves the journal; `halted` learns when that ended for good.
    pub fn new(
        options: KafkaOptions,
        outbox: Outbox,
        telemetry: Arc<Telemetry>,
        halted: oneshot::Sender<Halt>,
    ) -> Self {
        Self {
            options,
            outbox,
            telemetry,
            stop: Arc::default(),
            restarts: 0,
            halted: Some(halted),
            stopped: None,
            running: false,
        }
    }

    /// Starts the publisher's thread; its blocking calls would hold an arbiter up.
    fn publish(&mut self, context: &mut Context<Self>) {
        let publisher = Publisher::new(
            self.options.clone(),
            &self.outbox,
            Arc::clone(&self.telemetry),
            Arc::clone(&self.stop),
        );
        let bridge = context.address();
        let run = move || {
            let ended = catch_unwind(AssertUnwindSafe(|| publisher.run()));
            let ended = match ended {
                Ok(ended) => ended.map_err(Ending::Halted),
                Err(_) => Err(Ending::Failed("panic".to_owned())),
            };
            // The bridge itself may be gone: then nobody waits.
            bridge.do_send(Ended(ended));
        };
        let thread = std::thread::Builder::new().name("publisher".to_owned());
        match thread.spawn(run) {
            Ok(_) => self.running = true,
            Err(error) => self.restart(&error.to_string(), context),
        }
    }

    fn restart(&mut self, reason: &str, context: &mut Context<Self>) {
        let backoff = BACKOFF_MIN.saturating_mul(1 << self.restarts.min(20));
        let backoff = backoff.min(BACKOFF_MAX);
        self.restarts += 1;
        tracing::error!(
            actor = "bridge",
            id = "publisher",
            reason,
            restarts = self.restarts,
            backoff_ms = backoff.as_millis() as u64,
            decision = "restarted",
            "an actor failed and is started anew"
        );
        context.run_later(backoff, Self::publish);
    }
}

impl Actor for Bridge {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.publish(context);
    }
}

/// How the publisher's thread ended where it didn't stop.
#[derive(Debug)]
enum Ending {
    /// For good.
    Halted(Halt),
    /// By a fault of its own.
    Failed(String),
}

/// The publisher's thread has ended.
struct Ended(Result<(), Ending>);

impl Message for Ended {
    type Result = ();
}

impl Handler<Ended> for Bridge {
    type Result = ();

    fn handle(&mut self, Ended(how): Ended, context: &mut Self::Context) {
        self.running = false;
        match how {
            Ok(()) => {}
            Err(Ending::Halted(halt)) => {
                tracing::error!(
                    actor = "bridge", id = "publisher", reason = %halt, restarts = self.restarts,
                    backoff_ms = 0, decision = "halted", "events are published no more"
                );
                if let Some(halted) = self.halted.take() {
                    // Whoever waited is going down already.
                    let _ = halted.send(halt);
                }
            }
            Err(Ending::Failed(reason)) if !self.stop.load(Ordering::Acquire) => {
                self.restart(&reason, context);
            }
            Err(Ending::Failed(_)) => {}
        }
        if let Some(stopped) = self.stopped.take() {
            // Whoever waited has gone.
            let _ = stopped.send(());
        }
    }
}

/// Ends the bridge after the transaction that is open; what isn't published yet stays in the journal.
#[derive(Debug)]
pub struct Stop(pub oneshot::Sender<()>);

impl Message for Stop {
    type Result = ();
}

impl Handler<Stop> for Bridge {
    type Result = ();

    fn handle(&mut self, Stop(stopped): Stop, _: &mut Self::Context) {
        self.stop.store(true, Ordering::Release);
        if self.running {
            self.stopped = Some(stopped);
        } else {
            // Whoever waited has gone.
            let _ = stopped.send(());
        }
    }
}
