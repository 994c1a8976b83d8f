//! The dead letters of a session: which messages need one, and what follows from the result.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::dead_letter_writer::{BatchResult, LetterBatch, Written};
use super::partitions::DRAIN_WAIT;
use super::session::Session;
use crate::bus::{Counted, DEAD_LETTERS_SUFFIX};
use crate::conditions::ConditionCode;
use crate::kafka::fault::Fault;

impl Session<'_> {
    /// Moves past settled messages, and starts writing dead letters for messages that can't be
    /// handled.
    pub(super) fn advance(&mut self) -> Result<(), Fault> {
        let is_ended = self.writer.is_ended();
        self.note_results(Duration::ZERO);
        self.advance_partitions();
        if is_ended {
            return Err(Fault::Broken("the thread of dead letters ended".into()));
        }
        self.begin_dead_letters()
    }

    fn advance_partitions(&self) {
        for partition in self.partitions().all.values_mut() {
            for message in partition.advance() {
                self.count(&message);
            }
        }
    }

    /// Starts writing the dead letters of messages at the front of the partitions. Each topic has its
    /// own transaction, so that a dead-letter topic that can't be written doesn't block the others.
    fn begin_dead_letters(&mut self) -> Result<(), Fault> {
        if self.writer.is_busy() {
            return Ok(());
        }
        let now = Instant::now();
        let mut batches: BTreeMap<Arc<str>, LetterBatch> = BTreeMap::new();
        for (id, partition) in &mut self.partitions().all {
            let (failed, behind) = partition.begin_dead_letters(now);
            if failed.is_empty() {
                continue;
            }
            let topic = &id.0;
            let batch = batches
                .entry(Arc::clone(topic))
                .or_insert_with(|| LetterBatch {
                    topic: Arc::clone(topic),
                    messages: Vec::new(),
                    offsets: Vec::new(),
                    metadata: self.offset_metadata(topic),
                    member: self.kafka.group_metadata(),
                });
            batch.offsets.push((id.clone(), behind));
            let failed = failed.into_iter().map(|one| (id.clone(), one));
            batch.messages.extend(failed);
        }
        if batches.is_empty() {
            return Ok(());
        }
        if let Err(fault) = self.end_commits(batches.values()) {
            for batch in batches.values() {
                self.note_not_written(batch, &fault);
            }
            return Ok(());
        }
        for batch in batches.into_values() {
            if !self.writer.begin(batch) {
                return Err(Fault::Broken("the thread of dead letters ended".into()));
            }
        }
        Ok(())
    }

    /// Waits until the broker has processed the asynchronous commits of offsets: it answers requests
    /// in their order, so that a synchronous commit behind them is enough. A commit that arrived
    /// after the transaction of these batches would set the group's offset back.
    fn end_commits<'b>(
        &mut self,
        batches: impl Iterator<Item = &'b LetterBatch>,
    ) -> Result<(), Fault> {
        if !self.has_unanswered_commit {
            return Ok(());
        }
        let mut offsets = TopicPartitionList::new();
        for (id, _) in batches.flat_map(|batch| &batch.offsets) {
            if let Some(partition) = self.partitions().all.get(id) {
                let mut entry = offsets.add_partition(&id.0, id.1);
                entry.set_offset(Offset::Offset(partition.position()))?;
                entry.set_metadata(self.offset_metadata(&id.0));
            }
        }
        match self.kafka.commit(&offsets, CommitMode::Sync) {
            Ok(()) => self.note_committed(&offsets),
            // A refusal is an answer too. A consumer that assigns its partitions itself is always
            // refused while its group has members; its offsets in the group are of no use.
            Err(error) if is_answer(&error) => {
                tracing::debug!(%error, "offsets were not committed");
            }
            Err(error) => return Err(error.into()),
        }
        self.has_unanswered_commit = false;
        Ok(())
    }

    /// Processes the results of written dead letters. Waits at most `wait` for the first one.
    fn note_results(&mut self, wait: Duration) {
        let mut wait = wait;
        while let Some(BatchResult { batch, result }) = self.writer.next_result(wait) {
            wait = Duration::ZERO;
            match result {
                Ok(proofs) => self.note_written(batch, proofs),
                Err(fault) => self.note_not_written(&batch, &fault),
            }
        }
    }

    fn note_written(&mut self, batch: LetterBatch, proofs: Vec<Written>) {
        let (task, group) = (self.task, self.task.group());
        for ((id, failed), proof) in batch.messages.iter().zip(proofs) {
            let (offset, reason) = (failed.message.offset, failed.failure.reason.code());
            if let Some(partition) = self.partitions().all.get_mut(id) {
                partition.dead_letter_written(offset, proof);
            }
            tracing::warn!(
                group, topic = %id.0, partition = id.1, offset,
                reason, error = failed.failure.detail, attempts = failed.attempts,
                "a message became a dead letter"
            );
            let (topic, group) = (id.0.to_string(), group.clone());
            task.telemetry.more_dead_letters(&topic, 1);
            let counted = Counted::Failed {
                topic,
                group,
                reason,
            };
            task.telemetry.count(counted, 1);
        }
        for (id, offset) in batch.offsets {
            self.committed.insert(id, offset);
        }
        let (code, subject) = (
            ConditionCode::DeadLetterNotWritten,
            task.condition_subject(&batch.topic),
        );
        if task.conditions.clear(code, &subject) {
            tracing::info!(group, topic = %batch.topic, "dead letters are written again");
        }
    }

    fn note_not_written(&mut self, batch: &LetterBatch, fault: &Fault) {
        let now = Instant::now();
        let mut is_ours = false;
        let mut partitions = self.partitions();
        for (id, _) in &batch.offsets {
            if let Some(partition) = partitions.all.get_mut(id) {
                partition.dead_letters_not_written(now);
                is_ours = true;
            }
        }
        drop(partitions);
        if !is_ours {
            // The next owner of the partitions receives the messages again.
            tracing::debug!(topic = %batch.topic, %fault, "dead letters were not written");
            return;
        }
        let partitions = batch.offsets.iter().map(|(id, _)| id.1.to_string());
        let partitions = partitions.collect::<Vec<_>>().join(", ");
        let (topic, group) = (&batch.topic, self.task.group());
        let detail = format!(
            "{} messages of {topic} can't be written to {topic}{DEAD_LETTERS_SUFFIX}: {fault}; the \
             partitions {partitions} are paused until they are",
            batch.messages.len()
        );
        let (code, subject) = (
            ConditionCode::DeadLetterNotWritten,
            self.task.condition_subject(topic),
        );
        if self.task.conditions.raise(code, &subject, detail.clone()) {
            tracing::error!(group, %topic, detail, "dead letters can't be written");
        } else {
            tracing::debug!(group, %topic, detail, "dead letters can't be written");
        }
    }

    /// Gives dead letters that are being written a last chance. Messages whose dead letters are not
    /// committed by then are delivered again after the next start, because no offset moves past
    /// them.
    pub(super) fn finish_dead_letters(&mut self) {
        let deadline = Instant::now() + DRAIN_WAIT;
        while self.writer.is_busy() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.note_results(left);
        }
        self.advance_partitions();
        self.writer.abandon();
    }
}

/// Returns whether an error comes from the broker. The library's own errors have negative codes.
fn is_answer(error: &KafkaError) -> bool {
    let code = error.rdkafka_error_code();
    code.is_some_and(|code| code as i32 > 0)
}
