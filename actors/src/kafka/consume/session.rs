//! A session of a consumer with the brokers. Several messages of a partition are in flight at a
//! time. An offset is committed when everything before it is settled; a dead letter is committed in
//! one transaction with the offset after it.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use florin_storage::threads;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::continuity::ContinuityWatch;
use super::dead_letter_writer::DeadLetterWriter;
use super::handling::{Handled, hand_over};
use super::membership::Membership;
use super::partition::{Partition, WINDOW};
use super::partitions::Partitions;
use super::task::ConsumerTask;
use crate::base::{Clock as _, SystemClock};
use crate::bus::{Counted, Message};
use crate::kafka::fault::Fault;
use crate::kafka::message::{PartitionId, message_from, partition_in, partition_of};

/// The maximum number of messages that are received before results are processed.
const RECEIVED_MAX: usize = 256;
/// The timeout of a poll while messages are in flight (`REST_BUSY`), and while none is
/// (`REST_IDLE`).
const REST_BUSY: Duration = Duration::from_millis(1);
const REST_IDLE: Duration = Duration::from_millis(100);
/// The interval at which offsets are committed.
const COMMIT_EVERY: Duration = Duration::from_millis(500);

/// A session with the brokers. It lasts until something goes wrong.
pub(super) struct Session<'a> {
    pub(super) task: &'a ConsumerTask,
    pub(super) kafka: BaseConsumer<Membership>,
    results: Sender<Handled>,
    pub(super) writer: DeadLetterWriter,
    /// True if offsets were committed asynchronously since the last synchronous commit. The library
    /// doesn't tell when such a commit has ended.
    pub(super) has_unanswered_commit: bool,
    /// The offsets that this session has committed.
    pub(super) committed: BTreeMap<PartitionId, i64>,
    /// Checks whether the session still reads the log with which it began.
    watch: ContinuityWatch,
}

impl<'a> Session<'a> {
    /// Creates a session of a client that has subscribed to its topics. The consumer's results are
    /// sent to `results`.
    ///
    /// # Errors
    /// Returns an error if the thread for dead letters can't be started.
    pub(super) fn new(
        task: &'a ConsumerTask,
        kafka: BaseConsumer<Membership>,
        results: Sender<Handled>,
    ) -> Result<Self, Fault> {
        let spawner = &task.outbox.upkeep.spawner;
        let writer = DeadLetterWriter::start(&task.options, task.consumer.group(), spawner)?;
        Ok(Self {
            task,
            kafka,
            results,
            writer,
            has_unanswered_commit: false,
            committed: BTreeMap::new(),
            watch: ContinuityWatch::default(),
        })
    }

    pub(super) fn partitions(&self) -> MutexGuard<'_, Partitions> {
        self.kafka.context().partitions()
    }

    /// Consumes messages until the consumer is told to stop, or something goes wrong.
    pub(super) fn run(&mut self) -> Result<(), Fault> {
        let mut commit_at = Instant::now() + COMMIT_EVERY;
        loop {
            threads::pulse();
            if self.task.is_stopping() {
                self.partitions().drain(|_| true);
                self.advance()?;
                self.finish_dead_letters();
                return self.commit(CommitMode::Sync);
            }
            self.partitions().apply_results();
            self.advance()?;
            self.hand_over_due();
            self.pause_and_resume()?;
            if Instant::now() >= commit_at {
                self.commit(CommitMode::Async)?;
                commit_at = Instant::now() + COMMIT_EVERY;
            }
            self.receive()?;
        }
    }

    /// Receives messages and hands them over.
    fn receive(&mut self) -> Result<(), Fault> {
        self.kafka.context().check()?;
        self.watch.check(self.task)?;
        let (is_busy, is_full) = {
            let partitions = self.partitions();
            let is_full = |one: &Partition| one.len() >= WINDOW && !one.is_stalled();
            let is_full = partitions.all.values().any(is_full);
            (partitions.all.values().any(|one| one.len() > 0), is_full)
        };
        if is_full {
            // The messages in flight will complete and make room.
            std::thread::sleep(REST_BUSY);
            return Ok(());
        }
        let mut rest = if is_busy { REST_BUSY } else { REST_IDLE };
        for _ in 0..RECEIVED_MAX {
            match self.kafka.poll(rest) {
                None => break,
                Some(Ok(message)) => {
                    // If the topic was recreated before this message arrived, the session must end
                    // first.
                    self.kafka.context().check()?;
                    self.receive_one(message_from(&message));
                }
                Some(Err(KafkaError::PartitionEOF(_))) => self.note_ends()?,
                Some(Err(error)) => match error.rdkafka_error_code() {
                    // The group removed this member because it polled too late. It rejoins right
                    // after.
                    Some(RDKafkaErrorCode::PollExceeded) => {
                        tracing::warn!(group = self.task.consumer.group(), %error, "the consumer rejoins its group");
                    }
                    Some(
                        RDKafkaErrorCode::BrokerTransportFailure
                        | RDKafkaErrorCode::AllBrokersDown
                        | RDKafkaErrorCode::OperationTimedOut,
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

    fn receive_one(&self, mut message: Message) {
        let id = partition_of(&message);
        message.incarnation = self.kafka.context().incarnation(&message.topic);
        let received = {
            let mut partitions = self.partitions();
            partitions.all.get_mut(&id).and_then(|partition| {
                message.settled_before = partition.position();
                let message = Arc::new(message);
                partition.receive(&message).then_some(message)
            })
        };
        if let Some(message) = received {
            self.hand_over(&message);
        }
    }

    /// Called at the present end of a partition: updates the positions of all partitions.
    fn note_ends(&self) -> Result<(), Fault> {
        let positions = self.kafka.position()?;
        let mut partitions = self.partitions();
        for element in positions.elements() {
            let partition = partitions.all.get_mut(&partition_in(&element));
            if let (Offset::Offset(offset), Some(partition)) = (element.offset(), partition) {
                partition.note_end(offset);
            }
        }
        Ok(())
    }

    /// Hands a message to the consumer.
    fn hand_over(&self, message: &Arc<Message>) {
        let (consumer, runtime) = (self.task.consumer.as_ref(), &self.task.runtime);
        if hand_over(consumer, runtime, &self.results, message) {
            // The result must be applied before the next message is taken, because that message has
            // to wait after a failure.
            self.partitions().apply_results();
        }
    }

    /// Hands over messages whose backoff has ended, and messages that waited for them.
    fn hand_over_due(&self) {
        loop {
            let now = Instant::now();
            let due: Vec<_> = {
                let mut partitions = self.partitions();
                let stalled = partitions.all.values_mut().filter(|one| one.is_stalled());
                stalled.filter_map(|one| one.due(now)).collect()
            };
            if due.is_empty() {
                return;
            }
            for (message, is_retry) in due {
                if is_retry {
                    let (topic, group) = (message.topic.to_string(), self.task.group());
                    let counted = Counted::Retried { topic, group };
                    self.task.telemetry.count(counted, 1);
                }
                self.hand_over(&message);
            }
        }
    }

    /// Pauses partitions with a failure and resumes partitions whose failure is settled.
    fn pause_and_resume(&self) -> Result<(), Fault> {
        let (mut pause, mut resume) = (TopicPartitionList::new(), TopicPartitionList::new());
        for ((topic, number), partition) in &mut self.partitions().all {
            let is_stalled = partition.is_stalled();
            if is_stalled != partition.is_paused {
                partition.is_paused = is_stalled;
                let list = if is_stalled { &mut pause } else { &mut resume };
                list.add_partition(topic, *number);
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

    /// Counts a message that is settled.
    pub(super) fn count(&self, message: &Message) {
        let telemetry = &self.task.telemetry;
        let (topic, group) = (message.topic.to_string(), self.task.group());
        telemetry.count(Counted::Consumed { topic, group }, 1);
        if let Some(written) = message.timestamp_millis {
            let millis = SystemClock.now().as_micros() / 1_000 - written;
            telemetry.took(millis.max(0) as f64 / 1e3);
        }
    }

    /// Returns the metadata to commit with an offset of a topic.
    pub(super) fn offset_metadata(&self, topic: &str) -> String {
        let incarnation = self.kafka.context().incarnation(topic);
        self.task.offset_metadata(incarnation)
    }

    /// Returns the offsets to commit: the position of each partition whose dead letters are not
    /// being written.
    fn offsets(&self) -> Result<TopicPartitionList, Fault> {
        let mut offsets = TopicPartitionList::new();
        for ((topic, number), partition) in &self.partitions().all {
            let Some(offset) = partition.committable() else {
                continue;
            };
            let mut entry = offsets.add_partition(topic, *number);
            entry.set_offset(Offset::Offset(offset))?;
            entry.set_metadata(self.offset_metadata(topic));
        }
        Ok(offsets)
    }

    /// Commits the position of each partition if any has changed.
    fn commit(&mut self, mode: CommitMode) -> Result<(), Fault> {
        let offsets = self.offsets()?;
        if self.kafka.context().is_recreated() {
            return Ok(());
        }
        let is_last = matches!(mode, CommitMode::Sync);
        if offsets.count() == 0 {
            return Ok(());
        }
        let has_news = is_last
            || offsets.elements().iter().any(|element| {
                let known = self.committed.get(&partition_in(element)).copied();
                known != element.offset().to_raw()
            });
        if !has_news {
            return Ok(());
        }
        self.has_unanswered_commit |= !is_last;
        match self.kafka.commit(&offsets, mode) {
            Ok(()) => self.note_committed(&offsets),
            // Another member may own the partition now; otherwise the next commit covers this one.
            Err(error) => tracing::debug!(%error, "offsets were not committed"),
        }
        Ok(())
    }

    pub(super) fn note_committed(&mut self, offsets: &TopicPartitionList) {
        for element in offsets.elements() {
            if let Offset::Offset(offset) = element.offset() {
                self.committed.insert(partition_in(&element), offset);
            }
        }
    }
}
