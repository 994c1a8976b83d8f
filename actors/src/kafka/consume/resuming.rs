//! The decision where a partition is resumed, and the reports about it.

use super::resume::{PartitionFacts, ResumeDecision};
use super::task::ConsumerTask;
use crate::bus::Counted;
use crate::conditions::ConditionCode;
use crate::kafka::message::PartitionId;

impl ConsumerTask {
    /// Decides where to resume a partition, and reports what an operator should know about it.
    /// `None` means that the partition is not read.
    pub(super) fn resume_at(&self, id: &PartitionId, facts: &PartitionFacts) -> Option<i64> {
        let (topic, partition, group) = (&id.0, id.1, self.consumer.group());
        let subject = format!("{topic}/{partition} ({group})");
        match facts.decide(self.options.start_from) {
            ResumeDecision::At {
                offset,
                removed,
                unlike_group,
            } => {
                if self
                    .conditions
                    .clear(ConditionCode::PositionUnknown, &subject)
                {
                    tracing::info!(group, %topic, partition, offset, "reading of the partition continues");
                }
                let of_group = facts.group.map(|group| group.offset);
                if let (Some(why), Some(of_group)) = (unlike_group, of_group) {
                    tracing::warn!(
                        group, %topic, partition, offset, of_group, differs_by = of_group - offset,
                        why, "the group's offset is not used"
                    );
                }
                if removed > 0 {
                    self.note_removed(id, &subject, (offset - removed, offset));
                }
                Some(offset)
            }
            ResumeDecision::Undecided(why) => {
                let detail = format!(
                    "{topic} partition {partition} is not read because its position is unknown: \
                     {why}. Choose the position with kafka.start_from"
                );
                if self
                    .conditions
                    .raise(ConditionCode::PositionUnknown, &subject, detail.clone())
                {
                    tracing::error!(group, %topic, partition, detail, "a partition is not read");
                }
                self.note_lag(id, facts.high, facts.low);
                None
            }
        }
    }

    /// Reports messages that were removed before they were read.
    fn note_removed(&self, id: &PartitionId, subject: &str, (from, to): (i64, i64)) {
        let (topic, partition, group) = (&id.0, id.1, self.consumer.group());
        let detail = format!(
            "the offsets {from} to {} of {topic} partition {partition} were removed before {group} \
             read them: their requests were not executed",
            to - 1
        );
        tracing::error!(group, %topic, partition, detail, "messages were lost");
        self.conditions
            .raise(ConditionCode::MessagesLost, subject, detail);
        let (topic, group) = (topic.to_string(), group.to_owned());
        let removed = u64::try_from(to - from).unwrap_or_default();
        self.telemetry
            .count(Counted::Lost { topic, group }, removed);
    }
}
