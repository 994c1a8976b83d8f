//! The embedded bus: consumers over the own journal, on a thread of its own.
//!
//! A lane is one consumer's reading of one topic. It hands messages over in order, some ahead of
//! what is handled, and goes on only past what is handled or a dead letter.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashSet;
use florin_storage::ViewError;
use tokio::sync::watch;
use tokio::task::{JoinHandle, LocalSet};

use super::bindings::Bindings;
use super::consumer::{Consumer, Failure, consumer_of};
use super::dead_letters::{
    Asked, DeadLetter, DeadLetterId, DeadLetters, DeadLettersError, Redriven,
};
use super::embedded_feed::{Feed, Look, Reading};
use super::embedded_store::{BusStore, Cursor};
use super::message::Message;
use super::outbox::Outbox;
use super::telemetry::{Counted, Telemetry};
use crate::runtime::Clock;

/// Messages of a lane handed over and not yet handled.
const WINDOW_MAX: usize = 256;
/// How often a lane notes how far it is. After a crash what it handled since comes again.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// So far ahead a lane notes that there was nothing for it.
const LOOKED_RECORDS: u64 = 100_000;
/// How long a stop waits for what was handed over.
const STOP_WAIT: Duration = Duration::from_secs(2);
/// Reasons that are the node's, not the message's: it is tried again for ever.
const PATIENT: [&str; 6] = [
    "overloaded",
    "disk_low",
    "view_behind",
    "shutting_down",
    "actor_quarantined",
    "disk",
];

/// How messages are tried again.
#[derive(Debug, Clone, Copy)]
pub struct EmbeddedOptions {
    /// How often a message is tried before it becomes a dead letter.
    pub attempts_max: u32,
    /// The pause before the first further attempt; each one doubles it.
    pub retry_min: Duration,
    /// The longest pause.
    pub retry_max: Duration,
    /// How often a dead letter may be redriven.
    pub redrives_max: u32,
}

/// What the lanes and the handle share.
struct Shared {
    consumers: Vec<Arc<dyn Consumer>>,
    store: BusStore,
    telemetry: Arc<Telemetry>,
    clock: Arc<dyn Clock>,
    options: EmbeddedOptions,
    redriving: DashSet<DeadLetterId>,
    stop: watch::Sender<bool>,
}

/// A running embedded bus. It ends with its value.
pub struct EmbeddedBus {
    shared: Arc<Shared>,
    ended: watch::Receiver<bool>,
}

impl fmt::Debug for EmbeddedBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedBus")
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}

impl EmbeddedBus {
    /// Starts the consumers on what the journal holds and will hold.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        outbox: Outbox,
        bindings: Bindings,
        consumers: Vec<Arc<dyn Consumer>>,
        store: BusStore,
        telemetry: Arc<Telemetry>,
        clock: Arc<dyn Clock>,
        options: EmbeddedOptions,
    ) -> std::io::Result<Self> {
        for (topic, letters) in store.waiting() {
            telemetry.set_dead_letters(&topic, letters);
        }
        let shared = Arc::new(Shared {
            consumers,
            store,
            telemetry,
            clock,
            options,
            redriving: DashSet::new(),
            stop: watch::Sender::new(false),
        });
        let (tell, ended) = watch::channel(false);
        let own = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("bus".to_owned())
            .spawn(move || {
                let ran = catch_unwind(AssertUnwindSafe(|| run(&own, outbox, bindings)));
                if !matches!(ran, Ok(Ok(()))) {
                    tracing::error!("the embedded bus ended: consumers stand still");
                }
                drop(own);
                tell.send_replace(true);
            })?;
        Ok(Self { shared, ended })
    }

    /// Has it stop: what was handed over is finished, within a bound, and nothing more begun.
    pub fn stop(&self) {
        self.shared.stop.send_replace(true);
    }

    /// Waits until it has stopped.
    pub async fn stopped(&self) {
        let mut ended = self.ended.clone();
        // The thread that would tell is gone: it has ended too.
        let _ = ended.wait_for(|ended| *ended).await;
    }

    /// Its dead letters.
    pub fn dead_letters(&self) -> Arc<dyn DeadLetters> {
        Arc::new(Letters(Arc::clone(&self.shared)))
    }
}

impl Drop for EmbeddedBus {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Runs all lanes until the bus stops.
fn run(shared: &Arc<Shared>, outbox: Outbox, bindings: Bindings) -> std::io::Result<()> {
    let topics = shared.consumers.iter().flat_map(|one| one.topics());
    let topics = topics.cloned().collect();
    let feed = Rc::new(Feed::new(outbox, bindings, topics));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
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
            let lane = Lane {
                shared: Arc::clone(shared),
                feed: Rc::clone(&feed),
                consumer: Arc::clone(consumer),
                topic,
                group,
            };
            local.spawn_local(Rc::new(lane).supervised());
        }
    }
    let mut stop = shared.stop.subscribe();
    local.block_on(&runtime, async {
        // The sender is shared: it outlives this.
        let _ = stop.wait_for(|stop| *stop).await;
    });
    // Timers belong to the runtime: they are made inside it.
    let drained = runtime.block_on(async { tokio::time::timeout(STOP_WAIT, local).await });
    if drained.is_err() {
        tracing::warn!("the embedded bus stopped before everything handed over was handled");
    }
    Ok(())
}

/// One consumer's reading of one topic.
struct Lane {
    shared: Arc<Shared>,
    feed: Rc<Feed>,
    consumer: Arc<dyn Consumer>,
    topic: String,
    group: String,
}

/// A message that was handed over.
struct Handed {
    message: Arc<Message>,
    handling: JoinHandle<Result<(), Failure>>,
}

impl Lane {
    /// Runs the lane, and again after a pause where it failed by itself.
    async fn supervised(self: Rc<Self>) {
        let mut restarts = 0;
        loop {
            let lane = Rc::clone(&self);
            let ended = tokio::task::spawn_local(async move { lane.run().await }).await;
            let reason = match ended {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error,
                Err(error) => error.to_string(),
            };
            let backoff = self.pause(restarts);
            restarts += 1;
            tracing::error!(
                actor = "consumer",
                id = self.group,
                topic = self.topic,
                reason,
                restarts,
                backoff_ms = backoff.as_millis() as u64,
                decision = "restarted",
                "an actor failed and is started anew"
            );
            if !self.rest(backoff).await {
                return;
            }
        }
    }

    /// Hands messages over and waits for them, until the bus stops.
    async fn run(&self) -> Result<(), String> {
        let mut cursor = self.begin()?;
        let mut saved = cursor;
        let mut saved_at = self.shared.clock.nanos();
        let mut reading = Reading::new(&self.topic, cursor.handled.max(cursor.looked));
        let mut window: VecDeque<Handed> = VecDeque::new();
        let mut stop = self.shared.stop.subscribe();
        loop {
            let stopping = *stop.borrow_and_update();
            let mut is_behind = false;
            while window.len() < WINDOW_MAX && !stopping {
                match reading.look(&self.feed)? {
                    Look::Message(message) => {
                        let handling = self.hand(Arc::clone(&message));
                        window.push_back(Handed { message, handling });
                    }
                    Look::Further => {
                        is_behind = true;
                        break;
                    }
                    Look::End => break,
                }
            }
            self.tell_lag(window.len(), &reading);
            if let Some(handed) = window.pop_front() {
                let next = handed.message.offset + 1;
                let settled = self.settle(handed, cursor).await?;
                if !settled {
                    self.save(&mut saved, cursor);
                    return Ok(());
                }
                cursor = at(next);
            } else if stopping {
                self.save(&mut saved, cursor);
                return Ok(());
            }
            if window.is_empty()
                && let Some(looked) = reading.looked()
            {
                cursor.looked = looked;
            }
            let now = self.shared.clock.nanos();
            let is_due = now.saturating_sub(saved_at) >= SAVE_EVERY.as_nanos() as u64;
            let far = (LOOKED_RECORDS as i64) << 16;
            if is_due && (cursor.handled != saved.handled || cursor.looked - saved.looked > far) {
                self.save(&mut saved, cursor);
                saved_at = now;
            }
            if !window.is_empty() {
                continue;
            }
            if is_behind {
                // A long way back must not keep other lanes waiting.
                tokio::task::yield_now().await;
                continue;
            }
            self.tell_lag(0, &reading);
            let pause = tokio::time::sleep(SAVE_EVERY);
            tokio::select! {
                () = reading.wait(&self.feed) => {}
                _ = stop.changed() => {}
                () = pause => {}
            }
        }
    }

    /// Where the lane goes on: where its consumer is, if that keeps it itself, or where the group is.
    fn begin(&self) -> Result<Cursor, String> {
        let stored = self.shared.store.cursor(&self.group, &self.topic);
        let stored = stored
            .map_err(|error| error.to_string())?
            .unwrap_or_default();
        Ok(match self.consumer.position(&self.topic, 0) {
            // It is where it was when the group's place was noted, or further: that place says more. The
            // consumer doesn't know of dead letters, nor of records that had nothing for it, and may be
            // past a message that wasn't kept as a dead letter yet.
            Some(own) if stored.own.is_some_and(|noted| own >= noted) => stored,
            Some(own) => at(own),
            None => stored,
        })
    }

    /// Hands a message over; a consumer that panics has a message that it can't handle.
    fn hand(&self, message: Arc<Message>) -> JoinHandle<Result<(), Failure>> {
        let begun = catch_unwind(AssertUnwindSafe(|| self.consumer.handle(message)));
        tokio::task::spawn(async move {
            match begun {
                Ok(handling) => handling.await,
                Err(_) => Err(panicked()),
            }
        })
    }

    /// Waits until a message is handled or a dead letter; `false`: the bus stopped before.
    async fn settle(&self, handed: Handed, cursor: Cursor) -> Result<bool, String> {
        let Handed {
            message,
            mut handling,
        } = handed;
        let mut attempts = 1;
        let failure = loop {
            let outcome = handling.await.unwrap_or_else(|_| Err(panicked()));
            let failure = match outcome {
                Ok(()) => break None,
                Err(failure @ Failure::Poison { .. }) => break Some(failure),
                Err(failure) => failure,
            };
            if attempts >= self.shared.options.attempts_max && !is_patient(&failure) {
                break Some(failure);
            }
            self.count_retry(&failure);
            if !self.rest(self.pause(attempts - 1)).await {
                return Ok(false);
            }
            attempts = attempts.saturating_add(1);
            handling = self.hand(Arc::clone(&message));
        };
        if let Some(failure) = failure
            && !self.bury(&message, &failure, attempts, cursor).await
        {
            return Ok(false);
        }
        let (topic, group) = (self.topic.clone(), self.group.clone());
        let telemetry = &self.shared.telemetry;
        telemetry.count(Counted::Consumed { topic, group }, 1);
        if let Some(made) = message.timestamp_millis {
            let now = self.shared.clock.now().as_micros() / 1_000;
            telemetry.took(now.saturating_sub(made).max(0) as f64 / 1e3);
        }
        Ok(true)
    }

    /// Makes a message a dead letter; `false`: the bus stopped before the disk took it.
    async fn bury(
        &self,
        message: &Message,
        failure: &Failure,
        attempts: u32,
        before: Cursor,
    ) -> bool {
        let (Failure::Transient { reason, detail } | Failure::Poison { reason, detail }) = failure;
        let cursor = Cursor {
            own: self.consumer.position(&self.topic, 0),
            ..at((message.offset + 1).max(before.handled))
        };
        let mut tries = 0;
        loop {
            let now = self.shared.clock.now();
            let store = &self.shared.store;
            match store.bury(message, &self.group, failure, attempts, now, cursor) {
                Ok(()) => break,
                Err(error) => {
                    tracing::error!(%error, topic = self.topic, "a dead letter can't be kept");
                }
            }
            if !self.rest(self.pause(tries)).await {
                return false;
            }
            tries += 1;
        }
        tracing::error!(
            topic = self.topic,
            group = self.group,
            offset = message.offset,
            reason,
            error = detail,
            attempts,
            "a message became a dead letter"
        );
        let telemetry = &self.shared.telemetry;
        let (topic, group) = (self.topic.clone(), self.group.clone());
        telemetry.count(
            Counted::Failed {
                topic,
                group,
                reason,
            },
            1,
        );
        for (topic, letters) in self.shared.store.waiting() {
            telemetry.set_dead_letters(&topic, letters);
        }
        true
    }

    fn count_retry(&self, failure: &Failure) {
        let (Failure::Transient { reason, detail } | Failure::Poison { reason, detail }) = failure;
        tracing::warn!(
            topic = self.topic,
            group = self.group,
            reason,
            error = detail,
            "a message is tried again"
        );
        let (topic, group) = (self.topic.clone(), self.group.clone());
        self.shared
            .telemetry
            .count(Counted::Retried { topic, group }, 1);
    }

    fn tell_lag(&self, handed: usize, reading: &Reading) {
        let messages = handed as u64 + reading.ahead(&self.feed);
        self.shared
            .telemetry
            .set_lag(&self.topic, 0, &self.group, messages);
    }

    /// Notes how far the lane is. Where the disk refuses, what was handled comes again.
    fn save(&self, saved: &mut Cursor, cursor: Cursor) {
        let own = self.consumer.position(&self.topic, 0);
        let cursor = Cursor { own, ..cursor };
        if *saved == cursor {
            return;
        }
        match self.shared.store.save(&self.group, &self.topic, cursor) {
            Ok(()) => *saved = cursor,
            Err(error) => tracing::warn!(%error, group = self.group, "a cursor was not noted"),
        }
    }

    /// The pause after so many failures before.
    fn pause(&self, failures: u32) -> Duration {
        let options = &self.shared.options;
        let doubled = options.retry_min.saturating_mul(1 << failures.min(20));
        doubled.min(options.retry_max)
    }

    /// Waits so long; `false`: the bus stops.
    async fn rest(&self, pause: Duration) -> bool {
        let mut stop = self.shared.stop.subscribe();
        tokio::time::timeout(pause, stop.wait_for(|stop| *stop))
            .await
            .is_err()
    }
}

/// A lane that has nothing to do with what lies before an offset.
const fn at(offset: i64) -> Cursor {
    Cursor {
        handled: offset,
        looked: offset,
        own: None,
    }
}

fn panicked() -> Failure {
    Failure::Poison {
        reason: "panic",
        detail: "the consumer panicked on this message".to_owned(),
    }
}

fn is_patient(failure: &Failure) -> bool {
    matches!(failure, Failure::Transient { reason, .. } if PATIENT.contains(reason))
}

/// The dead letters of the embedded bus.
struct Letters(Arc<Shared>);

impl DeadLetters for Letters {
    fn list(
        &self,
        source_topic: Option<&str>,
        after: Option<&DeadLetterId>,
        limit: usize,
    ) -> Asked<Vec<DeadLetter>> {
        let found = self.0.store.letters(source_topic, after, limit);
        Box::pin(async move { found.map_err(unavailable) })
    }

    fn get(&self, id: &DeadLetterId) -> Asked<DeadLetter> {
        let found = self.0.letter(id);
        Box::pin(async move { found })
    }

    fn redrive(&self, id: &DeadLetterId) -> Asked<Redriven> {
        let (shared, id) = (Arc::clone(&self.0), id.clone());
        Box::pin(async move {
            if !shared.redriving.insert(id.clone()) {
                return Err(DeadLettersError::Busy);
            }
            let _under_way = UnderWay(&shared, &id);
            shared.redrive(&id).await
        })
    }
}

/// A redrive, until it ends, however it does.
struct UnderWay<'a>(&'a Shared, &'a DeadLetterId);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.redriving.remove(self.1);
    }
}

impl Shared {
    fn letter(&self, id: &DeadLetterId) -> Result<DeadLetter, DeadLettersError> {
        let found = self.store.letter(id).map_err(unavailable)?;
        found.ok_or(DeadLettersError::NotFound)
    }

    async fn redrive(&self, id: &DeadLetterId) -> Result<Redriven, DeadLettersError> {
        let letter = self.letter(id)?;
        if letter.redrives >= self.options.redrives_max {
            return Err(DeadLettersError::TooOften(letter.redrives));
        }
        let message = &letter.message;
        let consumer = consumer_of(&self.consumers, &letter.group, &message.topic)
            .ok_or_else(|| DeadLettersError::NoConsumer(letter.group.clone()))?;
        let message = Arc::new(message.clone());
        let begun = catch_unwind(AssertUnwindSafe(|| consumer.handle(message)));
        let outcome = match begun {
            Ok(handling) => tokio::task::spawn(handling)
                .await
                .unwrap_or_else(|_| Err(panicked())),
            Err(_) => Err(panicked()),
        };
        match outcome {
            Ok(()) => {
                self.store.remove(id).map_err(unavailable)?;
                for (topic, letters) in self.store.waiting() {
                    self.telemetry.set_dead_letters(&topic, letters);
                }
                Ok(Redriven::Handled)
            }
            Err(failure) => {
                let noted = self.store.note_redrive(&letter, self.clock.now());
                noted.map_err(unavailable)?;
                Ok(Redriven::Failed(failure))
            }
        }
    }
}

fn unavailable(error: ViewError) -> DeadLettersError {
    DeadLettersError::Unavailable(error.to_string())
}
