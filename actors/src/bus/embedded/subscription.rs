//! A subscription reads one topic for one consumer. It hands over messages in order, several at a
//! time, and moves its cursor only past messages that are handled or stored as dead letters.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::feed::{Feed, Look, Reading};
use super::shared::Shared;
use super::store::GroupCursor;
use crate::bus::consumer::Consumer;
use crate::bus::continuity::{self, JOURNAL, Seen};
use crate::bus::delivery::{Decision, Failure};
use crate::bus::message::Message;
use crate::bus::telemetry::Counted;

/// The maximum number of messages of a subscription that are handed over and not yet handled.
const WINDOW_MAX: usize = 256;
/// The interval at which a subscription saves its cursor. After a crash, the messages handled since the
/// last save are delivered again.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// The number of examined records without a message after which a subscription saves how far it has looked.
const LOOKED_RECORDS: u64 = 100_000;
/// A subscription: one consumer's reading of one topic.
pub(super) struct Subscription {
    pub(super) shared: Arc<Shared>,
    pub(super) feed: Rc<Feed>,
    pub(super) consumer: Arc<dyn Consumer>,
    pub(super) topic: String,
    pub(super) group: String,
}

/// A message in flight.
struct Handed {
    message: Arc<Message>,
    handling: JoinHandle<Result<(), Failure>>,
}

impl Subscription {
    /// Runs the subscription, and restarts it after a backoff if it fails.
    pub(super) async fn supervised(self: Rc<Self>) {
        let mut restarts = 0;
        loop {
            let subscription = Rc::clone(&self);
            let ended = tokio::task::spawn_local(async move { subscription.run().await }).await;
            let reason = match ended {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error,
                Err(error) => error.to_string(),
            };
            restarts += 1;
            let backoff = self.shared.policy.backoff(restarts);
            tracing::error!(
                actor = "consumer",
                id = self.group,
                topic = self.topic,
                reason,
                restarts,
                backoff_ms = backoff.as_millis() as u64,
                decision = "restarted",
                "an actor failed and is restarted"
            );
            if !self.rest(backoff).await {
                return;
            }
        }
    }

    /// Hands over messages and waits for their handling, until the bus stops.
    async fn run(&self) -> Result<(), String> {
        let mut cursor = self.resume()?;
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
            self.report_lag(window.len(), &reading);
            if let Some(handed) = window.pop_front() {
                let next = handed.message.offset + 1;
                if !self.finish(handed, cursor).await? {
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
                // A subscription that is far behind must not block others.
                tokio::task::yield_now().await;
                continue;
            }
            self.report_lag(0, &reading);
            let pause = tokio::time::sleep(SAVE_EVERY);
            tokio::select! {
                () = reading.wait(&self.feed) => {}
                _ = stop.changed() => {}
                () = pause => {}
            }
        }
    }

    /// Returns the cursor at which the subscription resumes: from the consumer's own position if it keeps
    /// one, otherwise from the group's stored cursor.
    fn resume(&self) -> Result<GroupCursor, String> {
        let stored = self.shared.store.cursor(&self.group, &self.topic);
        let stored = stored
            .map_err(|error| error.to_string())?
            .unwrap_or_default();
        if let Some(continuity) = self.consumer.continuity() {
            let known = continuity.known(&self.topic);
            let position = known.partitions.get(&0).copied();
            // The journal is complete and never changes, so the message at the last read offset is
            // still the same.
            let whole = Seen {
                low: 0,
                high: i64::MAX,
                last: position.and_then(|position| position.last),
            };
            let seen = BTreeMap::from([(0, whole)]);
            let begin = continuity::begin(&self.topic, &known, JOURNAL, &seen);
            continuity.begin(&self.topic, JOURNAL, &begin)?;
        }
        Ok(match self.consumer.position(&self.topic, 0) {
            // The consumer is at least where it was when the cursor was stored. The stored cursor
            // is preferred: the consumer's position ignores dead letters and records without
            // messages for it, and it may be past a message that is not stored as a dead letter
            // yet.
            Some(own) if stored.own.is_some_and(|noted| own >= noted) => stored,
            Some(own) => at(own),
            None => stored,
        })
    }

    /// Hands a message over. A panic of the consumer is the result of the handling.
    fn hand(&self, message: Arc<Message>) -> JoinHandle<Result<(), Failure>> {
        let begun = catch_unwind(AssertUnwindSafe(|| self.consumer.handle(message)));
        tokio::task::spawn(async move {
            match begun {
                Ok(handling) => handling.await,
                Err(_) => Err(Failure::panicked()),
            }
        })
    }

    /// Waits until a message is handled or stored as a dead letter. Returns `false` if the bus
    /// stopped before that.
    async fn finish(&self, handed: Handed, cursor: GroupCursor) -> Result<bool, String> {
        let Handed {
            message,
            mut handling,
        } = handed;
        let mut attempts = 1;
        loop {
            let outcome = handling.await.unwrap_or_else(|_| Err(Failure::panicked()));
            let Err(failure) = outcome else { break };
            match self.shared.policy.decide(&failure, attempts) {
                Decision::Retry(backoff) => {
                    self.count_retry(&failure);
                    if !self.rest(backoff).await {
                        return Ok(false);
                    }
                }
                Decision::DeadLetter => {
                    if !self
                        .store_dead_letter(&message, &failure, attempts, cursor)
                        .await
                    {
                        return Ok(false);
                    }
                    break;
                }
            }
            attempts = attempts.saturating_add(1);
            handling = self.hand(Arc::clone(&message));
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

    /// Stores a message as a dead letter. Returns `false` if the bus stopped before the disk
    /// accepted it.
    async fn store_dead_letter(
        &self,
        message: &Message,
        failure: &Failure,
        attempts: u32,
        before: GroupCursor,
    ) -> bool {
        let reason = failure.reason.code();
        let cursor = GroupCursor {
            own: self.consumer.position(&self.topic, 0),
            ..at((message.offset + 1).max(before.handled))
        };
        let mut failures = 0;
        loop {
            let now = self.shared.clock.now();
            let store = &self.shared.store;
            match store.put_dead_letter(message, &self.group, failure, attempts, now, cursor) {
                Ok(()) => break,
                Err(error) => {
                    tracing::warn!(%error, topic = self.topic, "a dead letter can't be stored yet");
                }
            }
            failures += 1;
            if !self
                .rest(self.shared.policy.dead_letter_backoff(failures))
                .await
            {
                return false;
            }
        }
        tracing::error!(
            topic = self.topic,
            group = self.group,
            offset = message.offset,
            reason,
            error = failure.detail,
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
        tracing::warn!(
            topic = self.topic,
            group = self.group,
            reason = failure.reason.code(),
            error = failure.detail,
            "a message is retried"
        );
        let (topic, group) = (self.topic.clone(), self.group.clone());
        self.shared
            .telemetry
            .count(Counted::Retried { topic, group }, 1);
    }

    fn report_lag(&self, handed: usize, reading: &Reading) {
        let messages = handed as u64 + reading.ahead(&self.feed);
        self.shared
            .telemetry
            .set_lag(&self.topic, 0, &self.group, messages);
    }

    /// Saves the cursor. If the disk fails, messages handled since the last save may be
    /// delivered again.
    fn save(&self, saved: &mut GroupCursor, cursor: GroupCursor) {
        let own = self.consumer.position(&self.topic, 0);
        let cursor = GroupCursor { own, ..cursor };
        if *saved == cursor {
            return;
        }
        match self.shared.store.save(&self.group, &self.topic, cursor) {
            Ok(()) => *saved = cursor,
            // The store raises its own condition, and the cursor is saved later.
            Err(error) => tracing::debug!(%error, group = self.group, "a cursor was not stored"),
        }
    }

    /// Waits for the backoff. Returns `false` if the bus stops.
    async fn rest(&self, pause: Duration) -> bool {
        let mut stop = self.shared.stop.subscribe();
        tokio::time::timeout(pause, stop.wait_for(|stop| *stop))
            .await
            .is_err()
    }
}

/// Returns a cursor for which everything before an offset is done.
const fn at(offset: i64) -> GroupCursor {
    GroupCursor {
        handled: offset,
        looked: offset,
        own: None,
    }
}
