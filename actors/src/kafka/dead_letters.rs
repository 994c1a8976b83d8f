//! Dead letters in Kafka: they are read from their topics on request, and redriven to their
//! consumers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use super::dead_letter_topics::{REDRIVES, letter};
use super::fault::Fault;
use super::message::message_from;
use super::options::KafkaOptions;
use crate::base::{Clock as _, SystemClock};
use crate::bus::{
    Asked, Consumer, DEAD_LETTERS_SUFFIX, DeadLetter, DeadLetterId, DeadLetters, DeadLettersError,
    DeliveryPolicy, Failure, Reason, Redriven, Telemetry, consumer_of,
};
use crate::words::Timestamp;

/// The time limit for reading a partition.
const LIMIT: Duration = Duration::from_secs(30);
/// The timeout of one request.
const REQUEST: Duration = Duration::from_secs(5);
/// The pause between two requests for a partition without a leader.
const LOOK: Duration = Duration::from_millis(50);
/// The time limit for handling a redriven message.
const HANDLING: Duration = Duration::from_secs(30);

/// The dead letters of this process's consumers.
#[derive(Clone)]
pub struct KafkaDeadLetters(Arc<Inner>);

struct Inner {
    options: KafkaOptions,
    policy: DeliveryPolicy,
    telemetry: Arc<Telemetry>,
    consumers: Vec<Arc<dyn Consumer>>,
    runtime: Handle,
    /// The dead letters that are being redriven.
    busy: Mutex<BTreeSet<DeadLetterId>>,
}

/// The redrives of a dead letter so far.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Redrives {
    redrives: u32,
    redriven_at: Option<Timestamp>,
    handled: bool,
}

impl fmt::Debug for KafkaDeadLetters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaDeadLetters").finish_non_exhaustive()
    }
}

impl From<Fault> for DeadLettersError {
    fn from(fault: Fault) -> Self {
        Self::Unavailable(fault.to_string())
    }
}

impl From<KafkaError> for DeadLettersError {
    fn from(error: KafkaError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl KafkaDeadLetters {
    /// Creates the dead letters of the consumers. Blocking work runs on the runtime's blocking
    /// threads.
    pub fn new(
        options: KafkaOptions,
        policy: DeliveryPolicy,
        telemetry: Arc<Telemetry>,
        consumers: Vec<Arc<dyn Consumer>>,
        runtime: Handle,
    ) -> Self {
        Self(Arc::new(Inner {
            options,
            policy,
            telemetry,
            consumers,
            runtime,
            busy: Mutex::default(),
        }))
    }

    /// Counts the waiting dead letters, for the metric.
    pub(super) fn count(&self) -> Result<(), DeadLettersError> {
        let inner = &self.0;
        let redrives = inner.redrives()?;
        for topic in inner.source_topics() {
            let mut waiting = 0;
            inner.scan(&[format!("{topic}{DEAD_LETTERS_SUFFIX}")], None, |letter| {
                waiting += u64::from(!is_handled(&redrives, &letter));
                true
            })?;
            inner.telemetry.set_dead_letters(&topic, waiting);
        }
        Ok(())
    }

    fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Inner) -> Result<T, DeadLettersError> + Send + 'static,
    ) -> Asked<T> {
        let inner = Arc::clone(&self.0);
        let runtime = inner.runtime.clone();
        Box::pin(async move {
            let asked = runtime.spawn_blocking(move || ask(&inner)).await;
            asked.unwrap_or_else(|error| Err(DeadLettersError::Unavailable(error.to_string())))
        })
    }
}

impl DeadLetters for KafkaDeadLetters {
    fn list(
        &self,
        source_topic: Option<&str>,
        after: Option<&DeadLetterId>,
        limit: usize,
    ) -> Asked<Vec<DeadLetter>> {
        let (source, after) = (source_topic.map(str::to_owned), after.cloned());
        self.ask(move |inner| {
            let topics = inner.source_topics().into_iter();
            let topics =
                topics.filter(|topic| source.as_ref().is_none_or(|wanted| topic == wanted));
            let mut topics: Vec<String> = topics
                .map(|topic| format!("{topic}{DEAD_LETTERS_SUFFIX}"))
                .collect();
            topics.sort_unstable();
            let redrives = inner.redrives()?;
            let mut found = Vec::new();
            if limit > 0 {
                inner.scan(&topics, after.as_ref(), |mut letter| {
                    if !is_handled(&redrives, &letter) {
                        known(&redrives, &mut letter);
                        found.push(letter);
                    }
                    found.len() < limit
                })?;
            }
            Ok(found)
        })
    }

    fn get(&self, id: &DeadLetterId) -> Asked<DeadLetter> {
        let id = id.clone();
        self.ask(move |inner| inner.get(&id))
    }

    fn redrive(&self, id: &DeadLetterId) -> Asked<Redriven> {
        let id = id.clone();
        self.ask(move |inner| {
            let is_first = inner.busy().insert(id.clone());
            if !is_first {
                return Err(DeadLettersError::Busy);
            }
            let redriven = inner.redrive(&id);
            inner.busy().remove(&id);
            redriven
        })
    }
}

impl Inner {
    fn busy(&self) -> std::sync::MutexGuard<'_, BTreeSet<DeadLetterId>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn source_topics(&self) -> BTreeSet<String> {
        let consumers = self.consumers.iter();
        consumers
            .flat_map(|consumer| consumer.topics().to_vec())
            .collect()
    }

    fn get(&self, id: &DeadLetterId) -> Result<DeadLetter, DeadLettersError> {
        if !self.source_topics().contains(id.source_topic()) {
            return Err(DeadLettersError::NotFound);
        }
        let redrives = self.redrives()?;
        let mut found = None;
        let before = id.offset.checked_sub(1).map(|offset| DeadLetterId {
            offset,
            ..id.clone()
        });
        self.scan(std::slice::from_ref(&id.topic), before.as_ref(), |letter| {
            found = Some(letter);
            false
        })?;
        let mut letter = found
            .filter(|letter| letter.id == *id && !is_handled(&redrives, letter))
            .ok_or(DeadLettersError::NotFound)?;
        known(&redrives, &mut letter);
        Ok(letter)
    }

    fn redrive(&self, id: &DeadLetterId) -> Result<Redriven, DeadLettersError> {
        let letter = self.get(id)?;
        if !self.policy.allows_redrive(letter.redrives) {
            return Err(DeadLettersError::TooOften(letter.redrives));
        }
        let consumer = consumer_of(&self.consumers, &letter.group, id.source_topic())
            .ok_or_else(|| DeadLettersError::NoConsumer(letter.group.clone()))?;
        let message = Arc::new(letter.message);
        let handled = catch_unwind(AssertUnwindSafe(|| {
            let handling = consumer.handle(message);
            let bounded = async { tokio::time::timeout(HANDLING, handling).await };
            self.runtime.block_on(bounded)
        }));
        let late = || Failure::new(Reason::TimedOut, "its consumer takes too long");
        let handled = match handled {
            Ok(handled) => handled.unwrap_or_else(|_| Err(late())),
            Err(_) => Err(Failure::panicked()),
        };
        self.note(
            id,
            &Redrives {
                redrives: letter.redrives + 1,
                redriven_at: Some(SystemClock.now()),
                handled: handled.is_ok(),
            },
        )?;
        tracing::info!(id = %id, group = letter.group, handled = handled.is_ok(), "a dead letter was redriven");
        match handled {
            Ok(()) => {
                self.telemetry.fewer_dead_letters(id.source_topic(), 1);
                Ok(Redriven::Handled)
            }
            Err(failure) => Ok(Redriven::Failed(failure)),
        }
    }

    /// Stores the result of a redrive.
    fn note(&self, id: &DeadLetterId, redrives: &Redrives) -> Result<(), DeadLettersError> {
        let producer: FutureProducer = self.options.plain_producer().create()?;
        // The value consists of numbers and a time, so serialization can't fail.
        let value = serde_json::to_vec(redrives).unwrap_or_default();
        let key = id.to_string();
        let record = FutureRecord::to(REDRIVES).key(&key).payload(&value);
        let sent = self.runtime.block_on(producer.send(record, REQUEST));
        sent.map(|_| ()).map_err(|(error, _)| error.into())
    }

    /// Returns the redrives of all dead letters.
    fn redrives(&self) -> Result<BTreeMap<String, Redrives>, DeadLettersError> {
        let reader: BaseConsumer = self.options.reader(true).create()?;
        let mut all = BTreeMap::new();
        self.read(&reader, REDRIVES, 0, 0, |message| {
            let key = message.key.and_then(|key| String::from_utf8(key).ok());
            let value = message.value.unwrap_or_default();
            if let (Some(key), Ok(redrives)) = (key, serde_json::from_slice(&value)) {
                all.insert(key, redrives);
            }
            true
        })?;
        Ok(all)
    }

    /// Calls `each` with the dead letters of the topics in order, beginning after `after`, until
    /// `each` returns false.
    fn scan(
        &self,
        topics: &[String],
        after: Option<&DeadLetterId>,
        mut each: impl FnMut(DeadLetter) -> bool,
    ) -> Result<(), DeadLettersError> {
        let reader: BaseConsumer = self.options.reader(true).create()?;
        let mut go_on = true;
        for topic in topics {
            let metadata = patiently(|| reader.fetch_metadata(Some(topic), REQUEST))?;
            let partitions = metadata
                .topics()
                .iter()
                .flat_map(|known| known.partitions());
            let mut partitions: Vec<i32> = partitions.map(|partition| partition.id()).collect();
            partitions.sort_unstable();
            for partition in partitions {
                let from = match after {
                    Some(after) if (topic, partition) < (&after.topic, after.partition) => continue,
                    Some(after) if (topic, partition) == (&after.topic, after.partition) => {
                        after.offset.saturating_add(1)
                    }
                    _ => 0,
                };
                self.read(&reader, topic, partition, from, |message| {
                    go_on = letter(message).is_none_or(&mut each);
                    go_on
                })?;
                if !go_on {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Calls `each` with a partition's messages from an offset to its present end, until `each`
    /// returns false.
    fn read(
        &self,
        reader: &BaseConsumer,
        topic: &str,
        partition: i32,
        from: i64,
        mut each: impl FnMut(crate::bus::Message) -> bool,
    ) -> Result<(), DeadLettersError> {
        let ends = patiently(|| reader.fetch_watermarks(topic, partition, REQUEST));
        let (low, high) = match ends {
            Ok(ends) => ends,
            Err(error) if is_missing(&error) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let from = from.max(low);
        if from >= high {
            return Ok(());
        }
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(topic, partition, Offset::Offset(from))?;
        reader.assign(&assignment)?;
        let deadline = Instant::now() + LIMIT;
        while Instant::now() < deadline {
            match reader.poll(Duration::from_millis(100)) {
                None => {}
                Some(Ok(message)) => {
                    let is_last = message.offset() + 1 >= high;
                    if !each(message_from(&message)) || is_last {
                        return Ok(());
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
                Some(Err(error)) => return Err(error.into()),
            }
        }
        let reason = format!("{topic} can't be read to its end in time");
        Err(DeadLettersError::Unavailable(reason))
    }
}

/// Retries a request, with a time limit, while a partition has no leader, for example right after
/// its topic was created.
fn patiently<T>(ask: impl Fn() -> Result<T, KafkaError>) -> Result<T, KafkaError> {
    let deadline = Instant::now() + REQUEST;
    loop {
        match ask() {
            Err(error) if passes(&error) && Instant::now() < deadline => {
                std::thread::sleep(LOOK);
            }
            answer => return answer,
        }
    }
}

/// Returns whether an error is temporary: a new leader is being elected, or the client is replacing
/// the connection on which it asked.
fn passes(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::DestroyBroker
        )
    )
}

fn is_missing(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownPartition)
    )
}

fn is_handled(redrives: &BTreeMap<String, Redrives>, letter: &DeadLetter) -> bool {
    let known = redrives.get(&letter.id.to_string());
    known.is_some_and(|known| known.handled)
}

fn known(redrives: &BTreeMap<String, Redrives>, letter: &mut DeadLetter) {
    if let Some(known) = redrives.get(&letter.id.to_string()) {
        letter.redrives = known.redrives;
        letter.redriven_at = known.redriven_at;
    }
}
