//! Runs a consumer: one session with the brokers after another, until the consumer is told to stop.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use florin_storage::threads;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer as _};

use super::continuity;
use super::incarnations::Incarnations;
use super::membership::Membership;
use super::partitions::Partitions;
use super::session::Session;
use super::task::ConsumerTask;
use crate::bus::{Counted, Reads};
use crate::kafka::dead_letter_topics;
use crate::kafka::fault::Fault;
use crate::kafka::message::PartitionId;
use crate::kafka::reach;

/// The backoff before a new session. It doubles up to `PAUSE_MAX`.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

impl ConsumerTask {
    /// Runs the consumer until it is told to stop. Blocks, so it needs its own thread.
    pub(super) fn run(&self) {
        // Futures of the core use the runtime's timers.
        let _within = self.runtime.enter();
        for topic in self.consumer.topics() {
            let (topic, group) = (topic.clone(), self.group());
            let lost = Counted::Lost {
                topic: topic.clone(),
                group: group.clone(),
            };
            self.telemetry.count(lost, 0);
            self.telemetry.count(Counted::Consumed { topic, group }, 0);
        }
        let mut pause = PAUSE_MIN;
        while !self.is_stopping() {
            threads::pulse();
            let began = Instant::now();
            let Err(fault) = self.run_session() else {
                break;
            };
            if began.elapsed() > PAUSE_MAX {
                pause = PAUSE_MIN;
            }
            tracing::warn!(
                group = self.consumer.group(), reason = %fault, pause_ms = pause.as_millis() as u64,
                "messages can't be read from Kafka"
            );
            let until = Instant::now() + pause;
            while !self.is_stopping() && Instant::now() < until {
                std::thread::sleep(PAUSE_MIN.min(until.saturating_duration_since(Instant::now())));
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Consumes messages until the consumer is told to stop, or something goes wrong.
    fn run_session(&self) -> Result<(), Fault> {
        let partitions = self.wait_for_partitions()?;
        dead_letter_topics::ensure(&self.options, self.consumer.topics())?;
        let incarnations = Incarnations::fetch(&self.options, self.consumer.topics())?;
        continuity::resume(self, &partitions, &incarnations)?;
        let (results, receiver) = channel();
        let membership = Membership::new(self.clone(), Partitions::new(receiver), incarnations);
        let config = self.options.group(self.consumer.group());
        let kafka: BaseConsumer<Membership> = config.create_with_context(membership)?;
        match self.consumer.reads() {
            Reads::Share => {
                let topics: Vec<&str> = self.consumer.topics().iter().map(String::as_str).collect();
                kafka.subscribe(&topics)?;
            }
            Reads::Everything => {
                let mut all = TopicPartitionList::new();
                for (topic, number) in &partitions {
                    all.add_partition(topic, *number);
                }
                let resumed = kafka.context().resume(&kafka, &all)?;
                kafka.assign(&resumed)?;
            }
        }
        tracing::info!(
            group = self.consumer.group(),
            topics = self.consumer.topics().join(","),
            "Kafka consumer started successfully"
        );
        Session::new(self, kafka, results)?.run()
    }

    /// Returns the partitions of the topics, after waiting until all topics exist.
    fn wait_for_partitions(&self) -> Result<Vec<PartitionId>, Fault> {
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
                // The publisher creates the topic.
                Some(_) => std::thread::sleep(PAUSE_MIN),
            }
        }
    }
}
