//! A consumer's membership in its group: where partitions that come begin, and what happens to those
//! that go. All of it runs inside the consumer's `poll`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::base_consumer::BaseConsumer;
use rdkafka::consumer::{CommitMode, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use super::consumer::{Lanes, Place, Runner, is_passing};
use super::fault::Fault;
use super::lane::Lane;
use crate::bus::Reads;

/// The pause before committed offsets are asked for again.
const PAUSE: Duration = Duration::from_millis(200);

/// The partitions that a consumer has.
pub(super) struct Membership {
    runner: Runner,
    lanes: Mutex<Lanes>,
    /// Why partitions could not be begun: the session is over.
    failed: Mutex<Option<Fault>>,
}

impl Membership {
    pub(super) fn new(runner: Runner, lanes: Mutex<Lanes>) -> Self {
        Self {
            runner,
            lanes,
            failed: Mutex::default(),
        }
    }

    /// The partitions; not to be held while the consumer is polled.
    pub(super) fn lanes(&self) -> MutexGuard<'_, Lanes> {
        Runner::lock(&self.lanes)
    }

    /// What went wrong with partitions that came.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.take().map_or(Ok(()), Err)
    }

    /// Begins with partitions: each where its consumer or its group is.
    pub(super) fn begin(
        &self,
        kafka: &BaseConsumer<Self>,
        partitions: &mut TopicPartitionList,
    ) -> Result<(), Fault> {
        if partitions.count() == 0 {
            return Ok(());
        }
        let shares = self.runner.consumer.reads() == Reads::Share;
        let committed = if shares {
            Some(self.committed(kafka, partitions)?)
        } else {
            None
        };
        for mut element in partitions.elements() {
            let (topic, partition) = (element.topic().to_owned(), element.partition());
            let own = self.runner.consumer.position(&topic, partition);
            let of_group = committed.as_ref().and_then(|committed| {
                let known = committed.find_partition(&topic, partition)?;
                let Offset::Offset(offset) = known.offset() else {
                    return None;
                };
                if self.runner.trusts(known.metadata()) {
                    return Some(offset);
                }
                tracing::warn!(
                    group = self.runner.consumer.group(),
                    topic,
                    partition,
                    offset,
                    "the group's offset is not this journal's: messages are read from the beginning"
                );
                None
            });
            let position = own.or(of_group);
            element.set_offset(position.map_or(Offset::Beginning, Offset::Offset))?;
            let lane = Lane::new(position.unwrap_or(0), self.runner.retries);
            let place: Place = (Arc::from(topic.as_str()), partition);
            self.lanes().all.insert(place, lane);
        }
        Ok(())
    }

    fn committed(
        &self,
        kafka: &BaseConsumer<Self>,
        partitions: &TopicPartitionList,
    ) -> Result<TopicPartitionList, Fault> {
        loop {
            let committed = kafka.committed_offsets(partitions.clone(), Runner::request_limit());
            match committed {
                Ok(committed) => return Ok(committed),
                Err(error) if is_passing(&error) && !self.runner.is_over() => {
                    tracing::debug!(%error, "committed offsets");
                    std::thread::sleep(PAUSE);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Ends with partitions: what is under way ends first, within a bound. What doesn't comes again
    /// to whoever has them next.
    fn end(&self, kafka: &BaseConsumer<Self>, partitions: &TopicPartitionList) {
        let mut lanes = self.lanes();
        let places: Vec<Place> = partitions
            .elements()
            .iter()
            .map(|element| (Arc::from(element.topic()), element.partition()))
            .collect();
        lanes.drain(|place| places.contains(place));
        let mut offsets = TopicPartitionList::new();
        let metadata = self.runner.metadata();
        for place in &places {
            if let Some(mut lane) = lanes.all.remove(place) {
                // What died in the meantime is met again.
                lane.pass_handled();
                let mut entry = offsets.add_partition(&place.0, place.1);
                if entry.set_offset(Offset::Offset(lane.position())).is_ok() {
                    entry.set_metadata(&metadata);
                }
                self.runner.note_lag(place, 0, 0);
            }
        }
        drop(lanes);
        if offsets.count() > 0 && !kafka.assignment_lost() {
            // Whoever has the partitions next reads a little again.
            if let Err(error) = kafka.commit(&offsets, CommitMode::Sync) {
                tracing::debug!(%error, "offsets were not committed");
            }
        }
    }
}

impl ClientContext for Membership {
    fn log(&self, level: RDKafkaLogLevel, what: &str, message: &str) {
        tracing::debug!(?level, what, message, "kafka client");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka client");
    }

    fn stats(&self, statistics: Statistics) {
        let lanes = self.lanes();
        for (place, lane) in &lanes.all {
            let topic = statistics.topics.get(&*place.0);
            let partition = topic.and_then(|topic| topic.partitions.get(&place.1));
            if let Some(end) = partition
                .map(|known| known.ls_offset)
                .filter(|end| *end >= 0)
            {
                self.runner.note_lag(place, end, lane.position());
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
                if let Err(fault) = self.begin(kafka, partitions) {
                    *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
                    kafka.unassign()
                } else if incremental {
                    kafka.incremental_assign(partitions)
                } else {
                    kafka.assign(partitions)
                }
            }
            _ => {
                self.end(kafka, partitions);
                if incremental {
                    kafka.incremental_unassign(partitions)
                } else {
                    kafka.unassign()
                }
            }
        };
        if let Err(error) = done {
            tracing::warn!(%error, "partitions could not be taken or given");
        }
    }
}
