//! The thread that writes dead letters. A dead-letter topic that can't be written therefore blocks
//! only the partitions whose messages have to go there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use florin_storage::threads::{self, PULSE, Spawner, ThreadName};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerGroupMetadata};
use rdkafka::{Offset, TopicPartitionList};

use crate::base::{Clock as _, SystemClock};
use crate::bus::{Failure, Message};
use crate::kafka::dead_letter_topics::{self, DeadLetterMessage};
use crate::kafka::fault::Fault;
use crate::kafka::message::{PartitionId, partition_in};
use crate::kafka::options::KafkaOptions;
use crate::kafka::producer::Producer;

/// A message that can't be handled and needs a dead letter.
#[derive(Debug)]
pub(super) struct FailedMessage {
    pub(super) message: Arc<Message>,
    pub(super) attempts: u32,
    /// The last failure.
    pub(super) failure: Failure,
}

/// The failed messages of one topic. Their dead letters are written in one transaction together with
/// the offsets after them.
pub(super) struct LetterBatch {
    pub(super) topic: Arc<str>,
    pub(super) messages: Vec<(PartitionId, FailedMessage)>,
    /// The offset after the failed messages, for each of their partitions.
    pub(super) offsets: Vec<(PartitionId, i64)>,
    /// The metadata that is committed with those offsets.
    pub(super) metadata: String,
    pub(super) member: Option<ConsumerGroupMetadata>,
}

/// The proof that a message's dead letter is committed. Only this file creates it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Written(());

#[cfg(test)]
impl Written {
    /// Creates a proof for tests.
    pub(super) const fn of_test() -> Self {
        Self(())
    }
}

/// The result of writing a batch.
pub(super) struct BatchResult {
    pub(super) batch: LetterBatch,
    /// One proof for each message of the batch, or the reason why nothing was written.
    pub(super) result: Result<Vec<Written>, Fault>,
}

/// The handle of the thread that writes a consumer's dead letters.
pub(super) struct DeadLetterWriter {
    batches: Option<Sender<LetterBatch>>,
    results: Receiver<BatchResult>,
    /// The number of batches without a result.
    in_flight: usize,
    /// Set when nothing waits for the thread any more.
    abandoned: Arc<AtomicBool>,
    thread: Option<JoinHandle<Option<()>>>,
}

impl DeadLetterWriter {
    /// Starts the thread for the dead letters of a group.
    ///
    /// # Errors
    /// Returns an error if the thread can't be started.
    pub(super) fn start(
        options: &KafkaOptions,
        group: &str,
        spawner: &Spawner,
    ) -> Result<Self, Fault> {
        let (batches, incoming) = channel::<LetterBatch>();
        let (outgoing, results) = channel();
        let abandoned = Arc::new(AtomicBool::new(false));
        let mut transactions = Transactions {
            options: options.of_dead_letters(group),
            group: group.to_owned(),
            producer: None,
            is_unclear: false,
            abandoned: Arc::clone(&abandoned),
        };
        let thread = spawner.start(ThreadName::DeadLetters, move || {
            loop {
                threads::pulse();
                let batch = match incoming.recv_timeout(PULSE) {
                    Ok(batch) => batch,
                    Err(RecvTimeoutError::Timeout) => continue,
                    Err(RecvTimeoutError::Disconnected) => return,
                };
                let result = transactions.write(&batch);
                // A new session receives the messages again if this one has ended.
                if outgoing.send(BatchResult { batch, result }).is_err() {
                    return;
                }
            }
        });
        let thread = thread.map_err(|error| Fault::Broken(format!("no thread: {error}")))?;
        Ok(Self {
            batches: Some(batches),
            results,
            in_flight: 0,
            abandoned,
            thread: Some(thread),
        })
    }

    /// Begins to write a batch. Returns false if the thread has ended; the session must end then.
    pub(super) fn begin(&mut self, batch: LetterBatch) -> bool {
        let batches = self.batches.as_ref();
        let is_sent = batches.is_some_and(|batches| batches.send(batch).is_ok());
        self.in_flight += usize::from(is_sent);
        is_sent
    }

    /// Returns whether batches are in flight.
    pub(super) fn is_busy(&self) -> bool {
        self.in_flight > 0
    }

    /// Returns whether the thread has ended unexpectedly. Batches in flight have no result then.
    pub(super) fn is_ended(&self) -> bool {
        self.thread.as_ref().is_some_and(JoinHandle::is_finished)
    }

    /// Returns the next result, after waiting at most `wait`.
    pub(super) fn next_result(&mut self, wait: Duration) -> Option<BatchResult> {
        let result = if wait.is_zero() {
            self.results.try_recv().ok()
        } else {
            self.results.recv_timeout(wait).ok()
        };
        self.in_flight -= usize::from(result.is_some());
        result
    }

    /// Detaches the thread, because the process ends. An open transaction is either committed as a
    /// whole or not at all.
    pub(super) fn abandon(&mut self) {
        self.abandoned.store(true, Ordering::Release);
        self.thread = None;
    }
}

impl Drop for DeadLetterWriter {
    fn drop(&mut self) {
        self.batches = None;
        self.abandoned.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // The next session must not read the group's offsets while this thread may still commit
            // some. A thread that panicked commits nothing more.
            let _ = thread.join();
        }
    }
}

/// The transactions of the thread. The producer is recreated after every failure.
struct Transactions {
    options: KafkaOptions,
    group: String,
    producer: Option<Producer>,
    /// True if a commit failed, so that the brokers may have committed the transaction.
    is_unclear: bool,
    abandoned: Arc<AtomicBool>,
}

impl Transactions {
    /// Writes a batch. Tries a second time if the producer is not new.
    fn write(&mut self, batch: &LetterBatch) -> Result<Vec<Written>, Fault> {
        let is_used = self.producer.is_some();
        match self.write_once(batch) {
            // The brokers forget a producer that was idle for long, and the topic may have been
            // deleted meanwhile. A new producer shows whether the failure is real.
            Err(_) if is_used && !self.abandoned.load(Ordering::Acquire) => {
                self.producer = None;
                self.write_once(batch)
            }
            written => written,
        }
        .inspect_err(|_| self.producer = None)
    }

    fn write_once(&mut self, batch: &LetterBatch) -> Result<Vec<Written>, Fault> {
        let producer = match self.producer.take() {
            Some(producer) => producer,
            None => {
                // The dead-letter topic may have been deleted.
                dead_letter_topics::ensure(&self.options, &[batch.topic.to_string()])?;
                let deadline = Instant::now() + self.options.transaction_timeout;
                Producer::start(&self.options, || {
                    !self.abandoned.load(Ordering::Acquire) && Instant::now() < deadline
                })?
            }
        };
        // The start of a producer ends the transactions of the one before it.
        let committed = match &batch.member {
            Some(_) if self.is_unclear => self.committed(batch)?,
            Some(_) | None => BTreeMap::new(),
        };
        self.is_unclear = false;
        let is_written = |(partition, failed): &&(PartitionId, FailedMessage)| {
            let next = committed.get(partition);
            next.is_some_and(|next| failed.message.offset < *next)
        };
        if batch.messages.iter().all(|one| is_written(&one)) {
            self.producer = Some(producer);
            return Ok(batch.messages.iter().map(|_| Written(())).collect());
        }
        let failed_at = SystemClock.now();
        producer.begin()?;
        for (_, failed) in batch.messages.iter().filter(|one| !is_written(one)) {
            let letter = DeadLetterMessage {
                message: &failed.message,
                group: &self.group,
                reason: failed.failure.reason.code(),
                error: &failed.failure.detail,
                attempts: failed.attempts,
                failed_at,
            };
            letter.send(&producer)?;
        }
        if let Some(member) = &batch.member {
            let mut offsets = TopicPartitionList::new();
            for ((topic, partition), offset) in &batch.offsets {
                let mut entry = offsets.add_partition(topic, *partition);
                entry.set_offset(Offset::Offset(*offset))?;
                entry.set_metadata(&batch.metadata);
            }
            producer.send_offsets(&offsets, member)?;
        }
        self.is_unclear = true;
        producer.commit()?;
        self.is_unclear = false;
        self.producer = Some(producer);
        Ok(batch.messages.iter().map(|_| Written(())).collect())
    }

    /// Returns the group's committed offsets of the batch's partitions. They tell which of its dead
    /// letters are committed, because a transaction contains the letters and the offsets.
    fn committed(&self, batch: &LetterBatch) -> Result<BTreeMap<PartitionId, i64>, Fault> {
        let mut config = self.options.reader(true);
        config.set("group.id", &self.group);
        let reader: BaseConsumer = config.create()?;
        let mut partitions = TopicPartitionList::new();
        for ((topic, partition), _) in &batch.offsets {
            partitions.add_partition(topic, *partition);
        }
        let committed = reader.committed_offsets(partitions, self.options.transaction_timeout)?;
        let known = committed.elements().into_iter().filter_map(|element| {
            let Offset::Offset(offset) = element.offset() else {
                return None;
            };
            Some((partition_in(&element), offset))
        });
        Ok(known.collect())
    }
}
