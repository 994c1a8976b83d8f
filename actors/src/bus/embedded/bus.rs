//! The handle of the embedded bus, and its thread.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashSet;
use florin_storage::threads::{self, PULSE, ThreadName};
use tokio::sync::watch;
use tokio::task::LocalSet;

use super::dead_letters::EmbeddedDeadLetters;
use super::feed::Feed;
use super::shared::Shared;
use super::store::BusStore;
use super::subscription::Subscription;
use crate::base::{Clock, Outbox};
use crate::bus::bindings::Bindings;
use crate::bus::consumer::Consumer;
use crate::bus::dead_letters::DeadLetters;
use crate::bus::delivery::DeliveryPolicy;
use crate::bus::telemetry::{Counted, Telemetry};

/// The maximum time that a stop waits for messages in flight.
const STOP_WAIT: Duration = Duration::from_secs(2);
/// A running embedded bus. Dropping it stops the bus.
pub struct EmbeddedBus {
    shared: Arc<Shared>,
    ended: watch::Receiver<()>,
}

impl fmt::Debug for EmbeddedBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedBus")
            .field("policy", &self.shared.policy)
            .finish_non_exhaustive()
    }
}

impl EmbeddedBus {
    /// Starts the consumers on the present and future records of the journal.
    ///
    /// # Errors
    /// Returns an error if the thread can't be started.
    pub fn start(
        outbox: Outbox,
        bindings: Bindings,
        consumers: Vec<Arc<dyn Consumer>>,
        store: BusStore,
        telemetry: Arc<Telemetry>,
        clock: Arc<dyn Clock>,
        policy: DeliveryPolicy,
    ) -> std::io::Result<Self> {
        for (topic, letters) in store.waiting() {
            telemetry.set_dead_letters(&topic, letters);
        }
        let shared = Arc::new(Shared {
            consumers,
            store,
            telemetry,
            clock,
            policy,
            redriving: DashSet::new(),
            stop: watch::Sender::new(false),
        });
        let (ends, ended) = watch::channel(());
        let spawner = outbox.upkeep.spawner.clone();
        let running = Running {
            shared: Arc::clone(&shared),
            outbox,
            bindings,
            _ends: ends,
        };
        let stop = shared.stop.subscribe();
        let is_over = move || *stop.borrow();
        spawner.start_and_restart(ThreadName::Bus, is_over, move || running.run())?;
        Ok(Self { shared, ended })
    }

    /// Requests a stop: messages in flight are finished within a time limit, and no further message
    /// is handed over.
    pub fn stop(&self) {
        self.shared.stop.send_replace(true);
    }

    /// Waits until the bus has stopped.
    pub async fn stopped(&self) {
        let mut ended = self.ended.clone();
        // Nothing is ever sent. The channel closes when the thread, which holds the sender, has
        // ended.
        while ended.changed().await.is_ok() {}
    }

    /// Returns the dead letters of the bus.
    pub fn dead_letters(&self) -> Arc<dyn DeadLetters> {
        Arc::new(EmbeddedDeadLetters(Arc::clone(&self.shared)))
    }
}

impl Drop for EmbeddedBus {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The state of the bus thread. Fields are dropped in order of declaration, so waiters for the end
/// are notified only after everything else is dropped.
struct Running {
    shared: Arc<Shared>,
    outbox: Outbox,
    bindings: Bindings,
    _ends: watch::Sender<()>,
}

impl Running {
    fn run(&self) -> Result<(), String> {
        let (outbox, bindings) = (self.outbox.clone(), self.bindings.clone());
        run(&self.shared, outbox, bindings)
    }
}

/// Runs all subscriptions until the bus stops.
fn run(shared: &Arc<Shared>, outbox: Outbox, bindings: Bindings) -> Result<(), String> {
    let topics = shared.consumers.iter().flat_map(|one| one.topics());
    let topics = topics.cloned().collect();
    let feed = Rc::new(Feed::new(outbox, bindings, topics));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
    let local = LocalSet::new();
    for consumer in &shared.consumers {
        for topic in consumer.topics() {
            let (topic, group) = (topic.clone(), consumer.group().to_owned());
            tracing::info!(topic, group, "a consumer started on the embedded bus");
            let none = Counted::Consumed {
                topic: topic.clone(),
                group: group.clone(),
            };
            shared.telemetry.count(none, 0);
            let subscription = Subscription {
                shared: Arc::clone(shared),
                feed: Rc::clone(&feed),
                consumer: Arc::clone(consumer),
                topic,
                group,
            };
            local.spawn_local(Rc::new(subscription).supervised());
        }
    }
    let mut stop = shared.stop.subscribe();
    local.block_on(&runtime, async {
        let mut stopped = std::pin::pin!(stop.wait_for(|stop| *stop));
        loop {
            threads::pulse();
            if tokio::time::timeout(PULSE, stopped.as_mut()).await.is_ok() {
                return;
            }
        }
    });
    // Timers belong to the runtime, so they must be created inside it.
    let drained = runtime.block_on(async { tokio::time::timeout(STOP_WAIT, local).await });
    if drained.is_err() {
        tracing::warn!(
            "the embedded bus stopped before its consumers had handled all their messages"
        );
    }
    Ok(())
}
