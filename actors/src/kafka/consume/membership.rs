//! A consumer's membership in its group: where assigned partitions are resumed, and how revoked
//! partitions are released. All of it runs inside the consumer's `poll`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::base_consumer::BaseConsumer;
use rdkafka::consumer::{CommitMode, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use super::incarnations::Incarnations;
use super::partition::Partition;
use super::partitions::Partitions;
use super::resume::{PartitionFacts, group_offset};
use super::task::ConsumerTask;
use crate::bus::Reads;
use crate::kafka::fault::Fault;
use crate::kafka::message::{PartitionId, partition_in};
use crate::kafka::options::StartFrom;
use crate::words::{Incarnation, InputPositions};

/// The timeout of a request for committed offsets.
const REQUEST: Duration = Duration::from_secs(10);
/// The timeout for asking a partition's leader for the partition's first and last offset.
const ENDS: Duration = Duration::from_secs(3);
/// The pause before committed offsets or the journal's positions are requested again.
const PAUSE: Duration = Duration::from_millis(200);

/// The partitions that are assigned to a consumer.
pub(super) struct Membership {
    task: ConsumerTask,
    partitions: Mutex<Partitions>,
    /// The incarnations of the topics at the beginning of the session.
    incarnations: Incarnations,
    /// The fault that ends the session.
    failed: Mutex<Option<Fault>>,
    /// True if a topic was recreated during the session. The session's offsets are invalid then.
    is_recreated: AtomicBool,
}

impl Membership {
    pub(super) fn new(
        task: ConsumerTask,
        partitions: Partitions,
        incarnations: Incarnations,
    ) -> Self {
        Self {
            task,
            partitions: Mutex::new(partitions),
            incarnations,
            is_recreated: AtomicBool::new(false),
            failed: Mutex::default(),
        }
    }

    /// Locks the partitions. The lock must not be held while the consumer is polled.
    pub(super) fn partitions(&self) -> MutexGuard<'_, Partitions> {
        let partitions = self.partitions.lock();
        partitions.unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the incarnation of the topic to which the session's messages belong.
    pub(super) fn incarnation(&self, topic: &str) -> Incarnation {
        self.incarnations.of(topic)
    }

    /// Returns whether a topic was recreated. The offsets of this session are invalid then.
    pub(super) fn is_recreated(&self) -> bool {
        self.is_recreated.load(Ordering::Acquire)
    }

    /// Returns an error if the session has to end.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.take().map_or(Ok(()), Err)
    }

    fn fail(&self, fault: Fault) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
    }

    /// Starts partitions at the position of the consumer or of the journal. Returns the partitions
    /// that are read.
    pub(super) fn resume(
        &self,
        kafka: &BaseConsumer<Self>,
        partitions: &TopicPartitionList,
    ) -> Result<TopicPartitionList, Fault> {
        let mut begun = TopicPartitionList::new();
        if partitions.count() == 0 {
            return Ok(begun);
        }
        if self.task.consumer.reads() == Reads::Everything {
            for element in &partitions.elements() {
                let (topic, partition) = (element.topic(), element.partition());
                let own = self.task.consumer.position(topic, partition);
                let offset = own.map_or(Offset::Beginning, Offset::Offset);
                begun.add_partition_offset(topic, partition, offset)?;
                let resumed = Partition::new(own.unwrap_or(0), self.task.policy, true);
                self.partitions().all.insert(partition_in(element), resumed);
            }
            return Ok(begun);
        }
        let committed = self.committed_offsets(kafka, partitions)?;
        let positions = self.journal_positions()?;
        let ends: BaseConsumer = self.task.options.reader(false).create()?;
        for element in &partitions.elements() {
            let (topic, partition) = (element.topic(), element.partition());
            let incarnation = self.incarnations.of(topic);
            let group = committed.find_partition(topic, partition);
            let group = group.and_then(|known| {
                group_offset(&known, |metadata| {
                    self.task.origin_of(metadata, incarnation)
                })
            });
            let ends = ends
                .fetch_watermarks(topic, partition, ENDS)
                .unwrap_or_else(|error| {
                    // If this offset is out of range, the leader rejects it later, and the next
                    // session decides again.
                    tracing::debug!(topic, partition, %error, "no leader reports the partition's first and last offset");
                    (0, i64::MAX)
                });
            let facts =
                PartitionFacts::new((topic, partition, incarnation), &positions, group, ends);
            let id = partition_in(element);
            if let Some(offset) = self.task.resume_at(&id, &facts) {
                begun.add_partition_offset(topic, partition, Offset::Offset(offset))?;
                let mut resumed = Partition::new(offset, self.task.policy, false);
                if self.task.options.start_from != StartFrom::Group {
                    resumed.set_recorded(facts.recorded);
                }
                self.partitions().all.insert(id, resumed);
            }
        }
        Ok(begun)
    }

    /// Returns how far partitions were read according to the journal. Waits until the journal can
    /// tell.
    fn journal_positions(&self) -> Result<InputPositions, Fault> {
        loop {
            match self.task.consumer.inputs() {
                Ok(positions) => return Ok(positions),
                Err(failure) if self.task.is_stopping() => {
                    return Err(Fault::Broken(format!("{failure:?}")));
                }
                Err(failure) => {
                    tracing::debug!(?failure, "the journal can't report its positions yet");
                    std::thread::sleep(PAUSE);
                }
            }
        }
    }

    fn committed_offsets(
        &self,
        kafka: &BaseConsumer<Self>,
        partitions: &TopicPartitionList,
    ) -> Result<TopicPartitionList, Fault> {
        loop {
            let committed = kafka.committed_offsets(partitions.clone(), REQUEST);
            match committed {
                Ok(committed) => return Ok(committed),
                Err(error) if is_passing(&error) && !self.task.is_stopping() => {
                    tracing::debug!(%error, "the committed offsets can't be read yet");
                    std::thread::sleep(PAUSE);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Releases partitions after waiting for their messages in flight, with a time limit. Messages
    /// that are not finished by then are delivered again to the next owner.
    fn release(&self, kafka: &BaseConsumer<Self>, partitions: &TopicPartitionList) {
        let mut held = self.partitions();
        let elements = partitions.elements();
        let revoked: Vec<PartitionId> = elements.iter().map(partition_in).collect();
        held.drain(|id| revoked.contains(id));
        let mut offsets = TopicPartitionList::new();
        for id in &revoked {
            if let Some(mut partition) = held.all.remove(id) {
                // A failed message without a committed dead letter stops the offset here, and is
                // delivered again.
                partition.advance();
                if let Some(offset) = partition.committable() {
                    let mut entry = offsets.add_partition(&id.0, id.1);
                    if entry.set_offset(Offset::Offset(offset)).is_ok() {
                        entry.set_metadata(self.task.offset_metadata(self.incarnation(&id.0)));
                    }
                }
                self.task.note_lag(id, 0, 0);
            }
        }
        drop(held);
        if offsets.count() > 0 && !kafka.assignment_lost() && !self.is_recreated() {
            // If the commit fails, the next owner of the partitions reads some messages again.
            if let Err(error) = kafka.commit(&offsets, CommitMode::Sync) {
                tracing::debug!(%error, "offsets were not committed");
            }
        }
    }
}

impl ClientContext for Membership {
    fn log(&self, level: RDKafkaLogLevel, what: &str, message: &str) {
        tracing::debug!(?level, what, message, "kafka client");
        let Some((topic, id)) = self.incarnations.changed(message) else {
            return;
        };
        let (before, cluster) = self.incarnations.ids(&topic);
        tracing::warn!(
            group = self.task.consumer.group(),
            topic,
            before,
            id,
            cluster,
            "the topic was recreated: it is read from its beginning"
        );
        self.is_recreated.store(true, Ordering::Release);
        self.fail(Fault::Broken(format!("the topic {topic} was recreated")));
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka client");
    }

    fn stats(&self, statistics: Statistics) {
        let partitions = self.partitions();
        for (id, partition) in &partitions.all {
            let topic = statistics.topics.get(&*id.0);
            let known = topic.and_then(|topic| topic.partitions.get(&id.1));
            // This is the end for readers of uncommitted messages: messages of an open transaction
            // count as lag too.
            let end = known.map(|known| known.hi_offset);
            if let Some(end) = end.filter(|end| *end >= 0) {
                self.task.note_lag(id, end, partition.position());
            }
        }
        if self.task.consumer.reads() == Reads::Everything {
            let known = statistics
                .topics
                .values()
                .flat_map(|topic| topic.partitions.keys());
            let known = known.filter(|partition| **partition >= 0).count();
            if known > partitions.all.len() {
                self.fail(Fault::Broken("a topic has more partitions now".to_owned()));
            }
        }
    }
}

impl ConsumerContext for Membership {
    fn rebalance(
        &self,
        kafka: &BaseConsumer<Self>,
        what: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let incremental = matches!(kafka.rebalance_protocol(), RebalanceProtocol::Cooperative);
        let done = match what {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                match self.resume(kafka, partitions) {
                    Err(fault) => {
                        self.fail(fault);
                        kafka.unassign()
                    }
                    Ok(begun) if incremental => kafka.incremental_assign(&begun),
                    Ok(begun) => kafka.assign(&begun),
                }
            }
            _ => {
                self.release(kafka, partitions);
                if incremental {
                    kafka.incremental_unassign(partitions)
                } else {
                    kafka.unassign()
                }
            }
        };
        if let Err(error) = done {
            tracing::warn!(%error, "partitions could not be assigned or revoked");
        }
    }
}

/// Returns whether a failed request may succeed later.
fn is_passing(error: &KafkaError) -> bool {
    !matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::GroupAuthorizationFailed | RDKafkaErrorCode::TopicAuthorizationFailed
        )
    )
}
