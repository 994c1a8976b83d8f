//! The task of running one consumer: the consumer, and what its sessions with the brokers need.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Handle;

use super::resume::Origin;
use crate::bus::{Consumer, DeliveryPolicy, Outbox, Telemetry};
use crate::conditions::Conditions;
use crate::kafka::message::PartitionId;
use crate::kafka::options::KafkaOptions;
use crate::words::Incarnation;

/// The task of running one consumer.
#[derive(Clone)]
pub(super) struct ConsumerTask {
    pub(super) options: KafkaOptions,
    pub(super) policy: DeliveryPolicy,
    pub(super) outbox: Outbox,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) conditions: Arc<Conditions>,
    pub(super) consumer: Arc<dyn Consumer>,
    pub(super) runtime: Handle,
    pub(super) stop: Arc<AtomicBool>,
}

impl ConsumerTask {
    /// Returns the consumer's group.
    pub(super) fn group(&self) -> String {
        self.consumer.group().to_owned()
    }

    /// Returns whether the consumer is told to stop.
    pub(super) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Returns the subject of the conditions about a topic.
    pub(super) fn condition_subject(&self, topic: &str) -> String {
        format!("{topic} ({})", self.consumer.group())
    }

    /// Returns the metadata to commit with an offset: the journal, its durable position, and the
    /// topic's incarnation.
    pub(super) fn offset_metadata(&self, incarnation: Incarnation) -> String {
        let durable = self.outbox.reader.durable();
        format!("{}:{durable}:{incarnation}", self.outbox.journal_id())
    }

    /// Returns the origin of a committed offset, according to its metadata.
    pub(super) fn origin_of(&self, metadata: &str, incarnation: Incarnation) -> Origin {
        let mut parts = metadata.split(':');
        let journal = parts.next();
        let durable = parts.next().and_then(|text| text.parse::<u64>().ok());
        let known = parts
            .next()
            .and_then(|text| text.parse::<Incarnation>().ok());
        let (Some(journal), Some(durable), Some(known)) = (journal, durable, known) else {
            return Origin::Unsigned;
        };
        if journal != self.outbox.journal_id() {
            Origin::Foreign
        } else if known != incarnation {
            Origin::OtherIncarnation
        } else if durable > self.outbox.reader.durable() {
            Origin::Ahead
        } else {
            Origin::Own
        }
    }

    /// Sets the lag of a partition.
    pub(super) fn note_lag(&self, (topic, number): &PartitionId, end: i64, position: i64) {
        let messages = u64::try_from(end - position).unwrap_or_default();
        let group = self.consumer.group();
        self.telemetry.set_lag(topic, *number, group, messages);
    }
}
