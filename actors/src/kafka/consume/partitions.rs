//! The partitions that a session reads, and the results of their messages.

use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::handling::Handled;
use super::partition::Partition;
use crate::kafka::message::{PartitionId, partition_of};

/// The time limit for messages in flight when their partition is revoked, or when the consumer
/// stops.
pub(super) const DRAIN_WAIT: Duration = Duration::from_secs(2);
/// The timeout of one wait for a result.
const RESULT_WAIT: Duration = Duration::from_millis(100);

/// The partitions of this member of the group, and the channel for the consumer's results.
pub(super) struct Partitions {
    pub(super) all: BTreeMap<PartitionId, Partition>,
    results: Receiver<Handled>,
}

impl Partitions {
    /// Creates an empty set of partitions.
    pub(super) fn new(results: Receiver<Handled>) -> Self {
        let all = BTreeMap::new();
        Self { all, results }
    }

    /// Applies the results that have arrived.
    pub(super) fn apply_results(&mut self) {
        while let Ok(handled) = self.results.try_recv() {
            self.apply(handled);
        }
    }

    /// Waits, with a time limit, until none of the given partitions has a message with the
    /// consumer.
    pub(super) fn drain(&mut self, is_meant: impl Fn(&PartitionId) -> bool) {
        let deadline = Instant::now() + DRAIN_WAIT;
        loop {
            self.apply_results();
            let mut meant = self.all.iter().filter(|(id, _)| is_meant(id));
            let has_handed_over = meant.any(|(_, partition)| partition.has_handed_over());
            let left = deadline.saturating_duration_since(Instant::now());
            if !has_handed_over || left.is_zero() {
                return;
            }
            if let Ok(handled) = self.results.recv_timeout(left.min(RESULT_WAIT)) {
                self.apply(handled);
            }
        }
    }

    fn apply(&mut self, handled: Handled) {
        if let Some(partition) = self.all.get_mut(&partition_of(&handled.message)) {
            partition.set_result(handled.message.offset, handled.result);
        }
    }
}
