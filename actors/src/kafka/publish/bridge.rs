//! The bridge: the actor that owns the publisher's thread. A thread that fails is restarted after a
//! growing backoff. If it halts, an operator must intervene, and the process ends.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::prelude::*;
use florin_storage::Disk;
use florin_storage::threads::ThreadName;
use tokio::sync::oneshot;

use super::publisher::{Halt, Publisher};
use crate::bus::{Outbox, Telemetry};
use crate::kafka::options::KafkaOptions;
use crate::kafka::stop::Stop;

/// The backoff before the first restart of a failed thread. It doubles up to `BACKOFF_MAX`.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// The bridge to Kafka.
#[derive(Debug)]
pub struct Bridge {
    options: KafkaOptions,
    outbox: Outbox,
    telemetry: Arc<Telemetry>,
    disk: Arc<dyn Disk>,
    stop: Arc<AtomicBool>,
    restarts: u32,
    /// Notified when publishing has halted permanently.
    halted: Option<oneshot::Sender<Halt>>,
    /// Notified when the bridge has stopped after a stop request.
    stopped: Option<oneshot::Sender<()>>,
    running: bool,
}

impl Bridge {
    /// Creates a bridge that publishes the journal's events. `disk` is the data folder, for the
    /// mark of published records. `halted` is notified when publishing has halted permanently.
    pub fn new(
        options: KafkaOptions,
        outbox: Outbox,
        telemetry: Arc<Telemetry>,
        disk: Arc<dyn Disk>,
        halted: oneshot::Sender<Halt>,
    ) -> Self {
        Self {
            options,
            outbox,
            telemetry,
            disk,
            stop: Arc::default(),
            restarts: 0,
            halted: Some(halted),
            stopped: None,
            running: false,
        }
    }

    /// Starts the publisher on its own thread, because its blocking calls would block an arbiter.
    fn publish(&mut self, context: &mut Context<Self>) {
        let publisher = Publisher::new(
            self.options.clone(),
            &self.outbox,
            Arc::clone(&self.telemetry),
            Arc::clone(&self.disk),
            Arc::clone(&self.stop),
        );
        let bridge = context.address();
        let run = move || {
            let ended = match catch_unwind(AssertUnwindSafe(|| publisher.run())) {
                Ok(ended) => ended.map_err(Ending::Halted),
                Err(panic) => {
                    // The bridge may be gone; then nothing waits for this message.
                    bridge.do_send(Ended(Err(Ending::Failed("panic".to_owned()))));
                    resume_unwind(panic);
                }
            };
            bridge.do_send(Ended(ended));
        };
        let spawner = &self.outbox.upkeep.spawner;
        match spawner.start(ThreadName::Publisher, run) {
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
            "an actor failed and is restarted"
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

/// The reason why the publisher's thread ended without a stop request.
#[derive(Debug)]
enum Ending {
    /// Publishing has halted permanently.
    Halted(Halt),
    /// The thread failed and can be restarted.
    Failed(String),
}

/// The message that the publisher's thread has ended.
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
                    backoff_ms = 0, decision = "halted", "events are no longer published"
                );
                if let Some(halted) = self.halted.take() {
                    // The receiver is gone if the process is already shutting down.
                    let _ = halted.send(halt);
                }
            }
            Err(Ending::Failed(reason)) if !self.stop.load(Ordering::Acquire) => {
                self.restart(&reason, context);
            }
            Err(Ending::Failed(_)) => {}
        }
        if let Some(stopped) = self.stopped.take() {
            // The receiver may have been dropped.
            let _ = stopped.send(());
        }
    }
}

impl Handler<Stop> for Bridge {
    type Result = ();

    fn handle(&mut self, Stop(stopped): Stop, _: &mut Self::Context) {
        self.stop.store(true, Ordering::Release);
        if self.running {
            self.stopped = Some(stopped);
        } else {
            // The receiver may have been dropped.
            let _ = stopped.send(());
        }
    }
}
