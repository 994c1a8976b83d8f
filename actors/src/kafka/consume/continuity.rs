//! Checks whether a read model reads on without a gap: before a session, and periodically during
//! it, the last message that was read is compared with the brokers' log.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};

use super::incarnations::Incarnations;
use super::task::ConsumerTask;
use crate::bus::{Begin, KnownLog, Position, Print, Seen, begin};
use crate::kafka::fault::Fault;
use crate::kafka::message::PartitionId;

/// The timeout of one request.
const REQUEST: Duration = Duration::from_secs(5);
/// The interval between checks during a session.
const CHECK_EVERY: Duration = Duration::from_secs(10);
/// The time for which a partition may end before the position that was read, because a new leader
/// may learn the end with a delay.
const END_MAY_LAG: Duration = Duration::from_secs(5);

/// Decides where a consumer that keeps its own positions resumes its topics.
pub(super) fn resume(
    task: &ConsumerTask,
    partitions: &[PartitionId],
    incarnations: &Incarnations,
) -> Result<(), Fault> {
    let Some(continuity) = task.consumer.continuity() else {
        return Ok(());
    };
    let reader: BaseConsumer = task.options.reader(false).create()?;
    for topic in task.consumer.topics() {
        let (known, log) = (continuity.known(topic), log_of(topic, incarnations));
        let seen = read_log_state(&reader, topic, &known, partitions)?;
        let begin = begin(topic, &known, &log, &seen);
        let taken = continuity.begin(topic, &log, &begin);
        taken.map_err(|reason| {
            Fault::Broken(format!("positions in {topic} can't be written: {reason}"))
        })?;
    }
    Ok(())
}

/// Checks periodically whether a session still reads the log with which it began.
#[derive(Default)]
pub(super) struct ContinuityWatch {
    checked_at: Option<Instant>,
    /// The fault that the last check found; `None` if it found none or no check has finished.
    found: Arc<Mutex<Option<Fault>>>,
    /// Held by a running check; its reference count shows whether one is running.
    checking: Arc<()>,
}

impl ContinuityWatch {
    /// Starts a check if one is due. Returns the fault that the last check found; it ends the
    /// session, and the next session decides again where to resume.
    pub(super) fn check(&mut self, task: &ConsumerTask) -> Result<(), Fault> {
        if task.consumer.continuity().is_none() {
            return Ok(());
        }
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fault) = found.take() {
            return Err(fault);
        }
        drop(found);
        let checked_at = *self.checked_at.get_or_insert_with(Instant::now);
        let is_checking = Arc::strong_count(&self.checking) > 1;
        if checked_at.elapsed() < CHECK_EVERY || is_checking {
            return Ok(());
        }
        self.checked_at = Some(Instant::now());
        let (task, found) = (task.clone(), Arc::clone(&self.found));
        let checking = Arc::clone(&self.checking);
        let runtime = task.runtime.clone();
        runtime.spawn_blocking(move || {
            match changed(&task) {
                Ok(None) => {}
                Ok(Some(reason)) => {
                    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                    *found = Some(Fault::Broken(reason));
                }
                // The session itself notices unreachable brokers.
                Err(fault) => tracing::debug!(%fault, "the topics can't be checked"),
            }
            drop(checking);
        });
        Ok(())
    }
}

/// Returns the reason why a session must decide again where to resume; `None` if there is none.
fn changed(task: &ConsumerTask) -> Result<Option<String>, Fault> {
    let Some(continuity) = task.consumer.continuity() else {
        return Ok(None);
    };
    let reader: BaseConsumer = task.options.reader(false).create()?;
    let incarnations = Incarnations::fetch(&task.options, task.consumer.topics())?;
    for topic in task.consumer.topics() {
        let (known, log) = (continuity.known(topic), log_of(topic, &incarnations));
        let metadata = reader.fetch_metadata(Some(topic), REQUEST)?;
        let listed = metadata.topics().iter().find(|one| one.name() == topic);
        let listed = listed.map_or(&[][..], |one| one.partitions());
        let listed_ids = listed
            .iter()
            .map(|one| (Arc::from(topic.as_str()), one.id()));
        let listed_ids: Vec<PartitionId> = listed_ids.collect();
        if listed_ids
            .iter()
            .any(|(_, partition)| !known.partitions.contains_key(partition))
        {
            return Ok(Some(format!("{topic} has more partitions than before")));
        }
        let seen = read_log_state(&reader, topic, &known, &listed_ids)?;
        if let Begin { gap: Some(gap), .. } = begin(topic, &known, &log, &seen) {
            return Ok(Some(gap));
        }
    }
    Ok(None)
}

/// Returns the name of a topic's log. It changes when the topic is recreated.
fn log_of(topic: &str, incarnations: &Incarnations) -> String {
    let (id, cluster) = incarnations.ids(topic);
    format!("the topic {id} of the cluster {cluster}")
}

/// Returns the present state of a topic's partitions, as far as it is needed to compare it with the
/// known positions.
fn read_log_state(
    reader: &BaseConsumer,
    topic: &str,
    known: &KnownLog,
    partitions: &[PartitionId],
) -> Result<BTreeMap<i32, Seen>, Fault> {
    let mut all = BTreeMap::new();
    for (_, partition) in partitions.iter().filter(|(of, _)| &**of == topic) {
        let position = known.partitions.get(partition);
        let next = position.map_or(0, |position| position.next);
        let deadline = Instant::now() + END_MAY_LAG;
        let (low, high) = loop {
            let (low, high) = reader.fetch_watermarks(topic, *partition, REQUEST)?;
            if high >= next || Instant::now() > deadline {
                break (low, high);
            }
            std::thread::sleep(REQUEST / 50);
        };
        let last = position.and_then(|position: &Position| position.last);
        let last = last.filter(|last| (low..high).contains(&last.offset));
        let last = match last {
            Some(last) => print_at(reader, topic, *partition, last.offset)?,
            None => None,
        };
        all.insert(*partition, Seen { low, high, last });
    }
    Ok(all)
}

/// Returns the fingerprint of the message at an offset; `None` if there is no message.
fn print_at(
    reader: &BaseConsumer,
    topic: &str,
    partition: i32,
    offset: i64,
) -> Result<Option<Print>, Fault> {
    let mut at = TopicPartitionList::new();
    at.add_partition_offset(topic, partition, Offset::Offset(offset))?;
    reader.assign(&at)?;
    let deadline = Instant::now() + REQUEST;
    loop {
        match reader.poll(Duration::from_millis(100)) {
            None if Instant::now() > deadline => {
                return Err(Fault::Broken(format!("{topic}:{partition} can't be read")));
            }
            None => {}
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(None),
            Some(Err(error)) => return Err(error.into()),
            Some(Ok(message)) => {
                let print = Print::new(
                    message.offset(),
                    message.timestamp().to_millis(),
                    message.key(),
                    message.payload(),
                );
                return Ok((message.offset() == offset).then_some(print));
            }
        }
    }
}
