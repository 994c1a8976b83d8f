//! A consumer's messages from Kafka: several of a partition are under way at a time, offsets are
//! committed once everything before them is handled, dead letters together with the offset behind
//! them.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use tokio::runtime::Handle;

use super::dead_topics::{self, Letter};
use super::fault::Fault;
use super::lane::{Dead, Lane, Retries};
use super::membership::Membership;
use super::options::KafkaOptions;
use super::producer::Producer;
use super::reach;
use crate::bus::{Consumer, Counted, Failure, Message, Outbox, Reads, Telemetry};
use crate::messages::Timestamp;

/// Messages of a partition that are under way at a time.
const WINDOW: usize = 256;
/// Messages that are taken before results are looked at.
const TAKEN_MAX: usize = 256;
/// How long a look for messages rests while some are under way, and while none is.
const REST_BUSY: Duration = Duration::from_millis(1);
const REST_IDLE: Duration = Duration::from_millis(100);
/// How often offsets are committed.
const COMMIT_EVERY: Duration = Duration::from_millis(500);
/// What is under way when its partition goes to another member, or at the end, may take.
pub(super) const LAST_MESSAGES: Duration = Duration::from_secs(2);
/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(10);
/// The pause before the brokers are tried again; it doubles up to the longest.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// A partition of a topic.
pub(super) type Place = (Arc<str>, i32);

/// What runs a consumer.
#[derive(Clone)]
pub(super) struct Runner {
    pub(super) options: KafkaOptions,
    pub(super) retries: Retries,
    pub(super) outbox: Outbox,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) consumer: Arc<dyn Consumer>,
    pub(super) runtime: Handle,
    pub(super) stop: Arc<AtomicBool>,
}

/// How handling a message ended.
struct Settled {
    place: Place,
    offset: i64,
    result: Result<(), Failure>,
}

/// Tells how handling a message ended, also where it ended by a panic.
struct Report {
    results: Sender<Settled>,
    settled: Option<Settled>,
}

impl Drop for Report {
    fn drop(&mut self) {
        if let Some(settled) = self.settled.take() {
            // A session that has ended takes its messages again.
            let _ = self.results.send(settled);
        }
    }
}

/// The partitions of this member, and what comes back from the consumer.
pub(super) struct Lanes {
    pub(super) all: BTreeMap<Place, Lane>,
    results: Receiver<Settled>,
}

impl Lanes {
    /// Notes what ended meanwhile.
    pub(super) fn settle(&mut self) {
        while let Ok(settled) = self.results.try_recv() {
            if let Some(lane) = self.all.get_mut(&settled.place) {
                lane.settle(settled.offset, settled.result);
            }
        }
    }

    /// Waits, within a bound, until nothing of those partitions is with the consumer.
    pub(super) fn drain(&mut self, of: impl Fn(&Place) -> bool) {
        let deadline = Instant::now() + LAST_MESSAGES;
        loop {
            self.settle();
            let mut lanes = self.all.iter().filter(|(place, _)| of(place));
            let is_away = lanes.any(|(_, lane)| lane.is_away());
            let left = deadline.saturating_duration_since(Instant::now());
            if !is_away || left.is_zero() {
                return;
            }
            if let Ok(settled) = self.results.recv_timeout(left.min(REST_IDLE))
                && let Some(lane) = self.all.get_mut(&settled.place)
            {
                lane.settle(settled.offset, settled.result);
            }
        }
    }
}

/// A session with the brokers: as long as nothing goes wrong.
struct Session<'a> {
    runner: &'a Runner,
    kafka: BaseConsumer<Membership>,
    results: Sender<Settled>,
    /// Made when the first message dies.
    producer: Option<Producer>,
    committed: BTreeMap<Place, i64>,
}

impl Runner {
    /// Runs the consumer until it is told to stop. Blocks: for a thread of its own.
    pub(super) fn run(&self) {
        // Waits of the core have their timers in the runtime.
        let _within = self.runtime.enter();
        for topic in self.consumer.topics() {
            let (topic, group) = (topic.clone(), self.group());
            self.telemetry.count(Counted::Consumed { topic, group }, 0);
        }
        let mut pause = PAUSE_MIN;
        while !self.is_stopping() {
            let began = Instant::now();
            let Err(fault) = self.session() else { break };
            if began.elapsed() > PAUSE_MAX {
                pause = PAUSE_MIN;
            }
            tracing::warn!(
                group = self.consumer.group(), reason = %fault, pause_ms = pause.as_millis() as u64,
                "messages wait: Kafka can't bring them"
            );
            let until = Instant::now() + pause;
            while !self.is_stopping() && Instant::now() < until {
                std::thread::sleep(PAUSE_MIN.min(until.saturating_duration_since(Instant::now())));
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    fn group(&self) -> String {
        self.consumer.group().to_owned()
    }

    fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Takes messages until it is told to stop.
    fn session(&self) -> Result<(), Fault> {
        let partitions = self.topics()?;
        dead_topics::ensure(&self.options, self.consumer.topics())?;
        let (results, receiver) = channel();
        let lanes = Lanes {
            all: BTreeMap::new(),
            results: receiver,
        };
        let membership = Membership::new(self.clone(), Mutex::new(lanes));
        let config = self.options.group(self.consumer.group());
        let kafka: BaseConsumer<Membership> = config.create_with_context(membership)?;
        match self.consumer.reads() {
            Reads::Share => {
                let topics: Vec<&str> = self.consumer.topics().iter().map(String::as_str).collect();
                kafka.subscribe(&topics)?;
            }
            Reads::Everything => {
                let mut all = TopicPartitionList::new();
                for (topic, partition) in &partitions {
                    all.add_partition(topic, *partition);
                }
                kafka.context().begin(&kafka, &mut all)?;
                kafka.assign(&all)?;
            }
        }
        tracing::info!(
            group = self.consumer.group(),
            topics = self.consumer.topics().join(","),
            "Kafka consumer started successfully"
        );
        let mut session = Session {
            runner: self,
            kafka,
            results,
            producer: None,
            committed: BTreeMap::new(),
        };
        session.run()
    }

    /// The partitions of the topics, once there are all of these.
    fn topics(&self) -> Result<Vec<Place>, Fault> {
        loop {
            let metadata = reach::metadata(&self.options, || !self.is_stopping())?;
            let mut partitions = Vec::new();
            let mut missing = None;
            for topic in self.consumer.topics() {
                let mut known = metadata.topics().iter();
                let known = known.find(|known| known.name() == topic);
                match known.filter(|known| !known.partitions().is_empty()) {
                    None => missing = Some(topic),
                    Some(known) => partitions.extend(
                        known
                            .partitions()
                            .iter()
                            .map(|partition| (Arc::from(topic.as_str()), partition.id())),
                    ),
                }
            }
            match missing {
                None => return Ok(partitions),
                Some(topic) if self.is_stopping() => {
                    return Err(Fault::Broken(format!("there is no topic {topic}")));
                }
                // The publisher makes it.
                Some(_) => std::thread::sleep(REST_IDLE),
            }
        }
    }
}

impl Session<'_> {
    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.kafka.context().lanes()
    }

    fn run(&mut self) -> Result<(), Fault> {
        let mut commit_at = Instant::now() + COMMIT_EVERY;
        loop {
            if self.runner.is_stopping() {
                self.lanes().drain(|_| true);
                self.pass()?;
                return self.commit(CommitMode::Sync);
            }
            self.lanes().settle();
            self.pass()?;
            self.hand_over_again();
            self.pause_and_resume()?;
            if Instant::now() >= commit_at {
                self.commit(CommitMode::Async)?;
                commit_at = Instant::now() + COMMIT_EVERY;
            }
            self.take()?;
        }
    }

    /// Takes messages, and hands them over.
    fn take(&mut self) -> Result<(), Fault> {
        self.kafka.context().check()?;
        let (is_busy, is_full) = {
            let lanes = self.lanes();
            let is_full = |lane: &Lane| lane.len() >= WINDOW && !lane.is_stalled();
            let is_full = lanes.all.values().any(is_full);
            (lanes.all.values().any(|lane| lane.len() > 0), is_full)
        };
        if is_full {
            // Its messages go on: what comes back makes room.
            std::thread::sleep(REST_BUSY);
            return Ok(());
        }
        let mut rest = if is_busy { REST_BUSY } else { REST_IDLE };
        for _ in 0..TAKEN_MAX {
            match self.kafka.poll(rest) {
                None => break,
                Some(Ok(message)) => {
                    let message = Arc::new(taken(&message));
                    self.arrived(&message);
                }
                Some(Err(error)) => match error.rdkafka_error_code() {
                    // The group went on without it: it is a member again right after.
                    Some(RDKafkaErrorCode::PollExceeded) => {
                        tracing::warn!(group = self.runner.consumer.group(), %error, "rejoining");
                    }
                    Some(
                        RDKafkaErrorCode::BrokerTransportFailure
                        | RDKafkaErrorCode::AllBrokersDown
                        | RDKafkaErrorCode::OperationTimedOut
                        | RDKafkaErrorCode::PartitionEOF,
                    ) => {
                        tracing::debug!(%error, "kafka");
                    }
                    _ => return Err(error.into()),
                },
            }
            rest = Duration::ZERO;
        }
        Ok(())
    }

    fn arrived(&self, message: &Arc<Message>) {
        let place = (Arc::clone(&message.topic), message.partition);
        let is_taken = {
            let mut lanes = self.lanes();
            let lane = lanes.all.get_mut(&place);
            lane.is_some_and(|lane| lane.take(message))
        };
        if is_taken {
            self.hand_over(message);
        }
    }

    /// Hands a message to the consumer: what has to be in order has happened when this returns.
    fn hand_over(&self, message: &Arc<Message>) {
        let place = (Arc::clone(&message.topic), message.partition);
        let mut report = Report {
            results: self.results.clone(),
            settled: Some(Settled {
                place: place.clone(),
                offset: message.offset,
                result: Err(Failure::Transient {
                    reason: "panicked",
                    detail: "its consumer panicked".to_owned(),
                }),
            }),
        };
        let consumer = &self.runner.consumer;
        let handling = catch_unwind(AssertUnwindSafe(|| {
            let mut handling = consumer.handle(Arc::clone(message));
            let mut context = Context::from_waker(Waker::noop());
            match handling.as_mut().poll(&mut context) {
                Poll::Ready(result) => Err(result),
                Poll::Pending => Ok(handling),
            }
        }));
        let mut ended = move |result| {
            if let Some(settled) = &mut report.settled {
                settled.result = result;
            }
        };
        match handling {
            Ok(Ok(handling)) => {
                self.runner.runtime.spawn(async move {
                    let mut ended = ended;
                    ended(handling.await);
                });
            }
            Ok(Err(result)) => {
                ended(result);
                drop(ended);
                // Known before the next message is taken: that one has to wait for a failure.
                self.lanes().settle();
            }
            Err(_) => {
                drop(ended);
                self.lanes().settle();
            }
        }
    }

    /// Hands those over again whose pause has ended, or that waited for them.
    fn hand_over_again(&self) {
        loop {
            let now = Instant::now();
            let again: Vec<_> = {
                let mut lanes = self.lanes();
                let stalled = lanes.all.values_mut().filter(|lane| lane.is_stalled());
                stalled.filter_map(|lane| lane.again(now)).collect()
            };
            if again.is_empty() {
                return;
            }
            for (message, is_retry) in again {
                if is_retry {
                    let (topic, group) = (message.topic.to_string(), self.runner.group());
                    let counted = Counted::Retried { topic, group };
                    self.runner.telemetry.count(counted, 1);
                }
                self.hand_over(&message);
            }
        }
    }

    /// A partition with a failure brings nothing until it is through with it.
    fn pause_and_resume(&self) -> Result<(), Fault> {
        let (mut pause, mut resume) = (TopicPartitionList::new(), TopicPartitionList::new());
        for ((topic, partition), lane) in &mut self.lanes().all {
            let is_stalled = lane.is_stalled();
            if is_stalled != lane.is_paused {
                lane.is_paused = is_stalled;
                let list = if is_stalled { &mut pause } else { &mut resume };
                list.add_partition(topic, *partition);
            }
        }
        if pause.count() > 0 {
            self.kafka.pause(&pause)?;
        }
        if resume.count() > 0 {
            self.kafka.resume(&resume)?;
        }
        Ok(())
    }

    /// Goes past what is handled; what never will be becomes a dead letter.
    fn pass(&mut self) -> Result<(), Fault> {
        let mut dead = Vec::new();
        {
            let context = self.kafka.context();
            let mut lanes = context.lanes();
            for lane in lanes.all.values_mut() {
                let passed = lane.pass();
                for message in &passed.handled {
                    self.count(message);
                }
                dead.extend(passed.dead);
            }
        }
        if dead.is_empty() {
            return Ok(());
        }
        self.bury(&dead)
    }

    /// Writes dead letters together with the offsets behind them.
    fn bury(&mut self, dead: &[Dead]) -> Result<(), Fault> {
        let runner = self.runner;
        if self.producer.is_none() {
            let options = runner.options.of_dead_letters(runner.consumer.group());
            self.producer = Some(Producer::start(&options, || !runner.is_stopping())?);
        }
        let Some(producer) = &self.producer else {
            return Ok(());
        };
        let failed_at = now();
        let group = runner.consumer.group();
        producer.begin()?;
        for one in dead {
            let letter = Letter {
                message: &one.message,
                group,
                reason: one.reason,
                error: &one.error,
                attempts: one.attempts,
                failed_at,
            };
            letter.send(producer)?;
        }
        let offsets = self.offsets()?;
        if let Some(member) = self.kafka.group_metadata() {
            producer.send_offsets(&offsets, &member)?;
        }
        producer.commit()?;
        self.note_committed(&offsets);
        for one in dead {
            let (topic, partition) = (&one.message.topic, one.message.partition);
            tracing::warn!(
                group, topic = %topic, partition, offset = one.message.offset,
                reason = one.reason, error = one.error, attempts = one.attempts,
                "a message became a dead letter"
            );
            let (topic, group) = (topic.to_string(), group.to_owned());
            let reason = one.reason;
            runner.telemetry.more_dead_letters(&topic, 1);
            let counted = Counted::Failed {
                topic,
                group,
                reason,
            };
            runner.telemetry.count(counted, 1);
            self.count(&one.message);
        }
        Ok(())
    }

    /// A message is through.
    fn count(&self, message: &Message) {
        let telemetry = &self.runner.telemetry;
        let (topic, group) = (message.topic.to_string(), self.runner.group());
        telemetry.count(Counted::Consumed { topic, group }, 1);
        if let Some(written) = message.timestamp_millis {
            let millis = now().as_micros() / 1_000 - written;
            telemetry.took(millis.max(0) as f64 / 1e3);
        }
    }

    /// How far each partition is.
    fn offsets(&self) -> Result<TopicPartitionList, Fault> {
        let mut offsets = TopicPartitionList::new();
        let metadata = self.runner.metadata();
        for ((topic, partition), lane) in &self.lanes().all {
            let mut entry = offsets.add_partition(topic, *partition);
            entry.set_offset(Offset::Offset(lane.position()))?;
            entry.set_metadata(&metadata);
        }
        Ok(offsets)
    }

    /// Commits how far each partition is, where that is news.
    fn commit(&mut self, mode: CommitMode) -> Result<(), Fault> {
        let offsets = self.offsets()?;
        let is_last = matches!(mode, CommitMode::Sync);
        let is_news = is_last
            || offsets.elements().iter().any(|element| {
                let place = (Arc::from(element.topic()), element.partition());
                self.committed.get(&place).copied() != element.offset().to_raw()
            });
        if !is_news {
            return Ok(());
        }
        match self.kafka.commit(&offsets, mode) {
            Ok(()) => self.note_committed(&offsets),
            // Another member has the partition by now, or the next commit tells as much.
            Err(error) => tracing::debug!(%error, "offsets were not committed"),
        }
        Ok(())
    }

    fn note_committed(&mut self, offsets: &TopicPartitionList) {
        for element in offsets.elements() {
            if let Offset::Offset(offset) = element.offset() {
                let place = (Arc::from(element.topic()), element.partition());
                self.committed.insert(place, offset);
            }
        }
    }
}

impl Runner {
    /// What is kept beside an offset: whose effects it stands for.
    pub(super) fn metadata(&self) -> String {
        let durable = self.outbox.reader.durable();
        format!("{}:{durable}", self.outbox.journal_id())
    }

    /// Whether what is kept beside an offset vouches for it: the effects before it are in this
    /// journal. One without is an operator's own, set by Kafka's tools.
    pub(super) fn trusts(&self, metadata: &str) -> bool {
        if metadata.is_empty() {
            return true;
        }
        let Some((journal, durable)) = metadata.split_once(':') else {
            return false;
        };
        let durable = durable.parse::<u64>();
        journal == self.outbox.journal_id()
            && durable.is_ok_and(|durable| durable <= self.outbox.reader.durable())
    }

    /// Notes how many messages of a partition are still to be handled.
    pub(super) fn note_lag(&self, place: &Place, end: i64, position: i64) {
        let messages = u64::try_from(end - position).unwrap_or_default();
        let group = self.consumer.group();
        self.telemetry.set_lag(&place.0, place.1, group, messages);
    }

    pub(super) fn lock(lanes: &Mutex<Lanes>) -> MutexGuard<'_, Lanes> {
        lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_stopping()
    }

    pub(super) fn request_limit() -> Duration {
        REQUEST
    }
}

/// The machine's time of day.
pub(super) fn now() -> Timestamp {
    use crate::runtime::Clock as _;
    crate::runtime::SystemClock.now()
}

/// A message as it came.
pub(super) fn taken(message: &BorrowedMessage<'_>) -> Message {
    let headers = message.headers().map(|headers| {
        let each = headers.iter();
        each.map(|header| {
            let value = header.value.unwrap_or_default();
            (header.key.to_owned(), value.to_vec())
        })
        .collect()
    });
    Message {
        topic: message.topic().into(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp_millis: message.timestamp().to_millis(),
        key: message.key().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
        value: message.payload().map(<[u8]>::to_vec),
    }
}

/// Whether a request may go well later.
pub(super) fn is_passing(error: &KafkaError) -> bool {
    !matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::GroupAuthorizationFailed | RDKafkaErrorCode::TopicAuthorizationFailed
        )
    )
}
