//! The publisher: it sends the journal's events in order, each exactly once. A Kafka transaction
//! contains the events of some frames and the cursor after them. After any uncertainty the cursor
//! is read again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use florin_storage::{Disk, threads};

use super::cursor::PublishCursor;
use super::mark::Marks;
use super::preparing::{self, LOOK, Next, PreparedFrame, Unprepared};
use super::reports::Reports;
use crate::bus::{BusState, Counted, Outbox, Telemetry};
use crate::kafka::fault::{Fault, TooLarge};
use crate::kafka::options::KafkaOptions;
use crate::kafka::producer::{Outgoing, Producer, native};

/// The backoff before a new session. It doubles up to `PAUSE_MAX`.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// The reason why the publisher has halted permanently, so that an operator must intervene.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// A topic doesn't have the properties that the settings require.
    #[error("{0}")]
    Topic(String),
    /// The cursor of the transactional id belongs to another journal.
    #[error(
        "the transactional id {id} published another journal, {theirs}; this one is {ours}: give it a transactional id of its own (kafka.transactional_id)"
    )]
    Foreign {
        /// The transactional id.
        id: String,
        /// The cursor's journal.
        theirs: String,
        /// This journal.
        ours: String,
    },
    /// The transactional id has published more records than this journal holds, or different ones.
    #[error(
        "the transactional id {id} published this journal up to record {published}, and it ends at {durable}, or differs there: it is an older copy; use the newest one, or a transactional id of its own (kafka.transactional_id), by which everything is published again"
    )]
    Older {
        /// The transactional id.
        id: String,
        /// The sequence of the cursor's record.
        published: u64,
        /// The sequence of the journal's last record.
        durable: u64,
    },
    /// The cursor is missing in its topic, or older than what this node has published.
    #[error(
        "the topic {topic} has {found} of the transactional id {id}, but this node published up to record {published} or further: the topic was deleted, emptied or set back, or these are other brokers; nothing was published now. To go on behind record {published} start with kafka.cursor_lost = \"continue\"; to publish everything again, with the same ce_ids, give this node another kafka.transactional_id"
    )]
    CursorLost {
        /// The transactional id.
        id: String,
        /// The cursor topic.
        topic: String,
        /// A description of what was found in the topic.
        found: String,
        /// The record of the node's own mark.
        published: u64,
    },
    /// There is no cursor, and the node's own mark can't be read.
    #[error(
        "the topic {topic} has no cursor, and published.json in the data folder, which says how far this node published, can't be read: {reason}; restore the file, or remove it to publish everything from the journal's beginning"
    )]
    Mark {
        /// The cursor topic.
        topic: String,
        /// The reason why the mark can't be read.
        reason: String,
    },
    /// Another instance has taken over the transactional id.
    #[error("another instance took over the transactional id {0}: this one is fenced")]
    Fenced(String),
    /// A record can't be decoded.
    #[error("{0}")]
    Damaged(String),
}

/// The reason why a session ended.
pub(super) enum End {
    /// The publisher was told to stop.
    Stopped,
    /// Publishing has halted permanently.
    Halt(Halt),
    /// The session must be restarted.
    Fault(Fault),
}

impl From<Unprepared> for End {
    fn from(unprepared: Unprepared) -> Self {
        match unprepared {
            Unprepared::Damaged(reason) => Self::Halt(Halt::Damaged(reason)),
            Unprepared::Unread(reason) => Self::Fault(Fault::Broken(reason)),
        }
    }
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Publishes a journal's events.
#[derive(Debug)]
pub(super) struct Publisher {
    pub(super) options: KafkaOptions,
    pub(super) outbox: Outbox,
    pub(super) journal_id: String,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) stop: Arc<AtomicBool>,
    /// The node's own mark of how far it has published.
    pub(super) marks: Marks,
    /// The highest epoch that this instance has claimed.
    pub(super) claimed: Option<u64>,
    reports: Reports,
    /// The maximum message size of each topic, if known.
    pub(super) limits: BTreeMap<String, usize>,
}

impl Publisher {
    /// Creates a publisher of a journal's events.
    pub(super) fn new(
        options: KafkaOptions,
        outbox: &Outbox,
        telemetry: Arc<Telemetry>,
        disk: Arc<dyn Disk>,
        stop: Arc<AtomicBool>,
    ) -> Self {
        for topic in options.bindings.all_topics() {
            let topic = topic.to_owned();
            telemetry.count(Counted::Published { topic }, 0);
        }
        let conditions = &outbox.upkeep.conditions;
        let id = &options.transactional_id;
        let marks = Marks::open(disk, Arc::clone(conditions), id);
        let reports = Reports::new(Arc::clone(&telemetry), Arc::clone(conditions), id.clone());
        Self {
            marks,
            reports,
            options,
            outbox: outbox.clone(),
            journal_id: outbox.journal_id(),
            telemetry,
            stop,
            claimed: None,
            limits: BTreeMap::new(),
        }
    }

    /// Publishes until it is told to stop. Blocks, so it needs its own thread.
    ///
    /// # Errors
    /// Returns an error if an operator must intervene. Problems with the brokers are retried.
    pub(super) fn run(mut self) -> Result<(), Halt> {
        let ended = self.run_sessions();
        self.marks.write();
        ended
    }

    /// Runs one session after another.
    fn run_sessions(&mut self) -> Result<(), Halt> {
        let mut pause = PAUSE_MIN;
        while !self.stop.load(Ordering::Acquire) {
            threads::pulse();
            let before = self.telemetry.published();
            let fault = match self.session() {
                End::Stopped => break,
                End::Halt(halt) => {
                    self.telemetry.set_state(BusState::Halted(halt.to_string()));
                    return Err(halt);
                }
                End::Fault(fault) => fault,
            };
            if let Fault::Fenced(_) = &fault
                && self.has_successor()
            {
                let halt = Halt::Fenced(self.options.transactional_id.clone());
                self.telemetry.set_state(BusState::Halted(halt.to_string()));
                return Err(halt);
            }
            if self.telemetry.published() > before {
                pause = PAUSE_MIN;
            }
            self.reports.note_trouble(fault);
            self.rest(pause);
            pause = (pause * 2).min(PAUSE_MAX);
        }
        Ok(())
    }

    /// Takes over the transactional id, and publishes until something goes wrong.
    fn session(&mut self) -> End {
        let (producer, mut cursor) = match self.take_over() {
            Ok(taken) => taken,
            Err(end) => return end,
        };
        self.telemetry.set_published(cursor.sequence);
        if !self.reports.has_trouble() {
            self.reports.note_connected(&cursor);
        }
        let (outbox, options) = (self.outbox.clone(), self.options.clone());
        preparing::prepare_while(&outbox, &options, cursor.sequence, |next| {
            match self.publish_all(&producer, &mut cursor, next) {
                Ok(()) => End::Stopped,
                Err(End::Fault(Fault::TooLarge(too_large))) => {
                    let limit = self.limits.get(&too_large.topic).copied();
                    End::Fault(Fault::TooLarge(TooLarge { limit, ..too_large }))
                }
                Err(end) => end,
            }
        })
    }

    /// Publishes prepared pieces until it is told to stop.
    fn publish_all(
        &mut self,
        producer: &Producer,
        cursor: &mut PublishCursor,
        next: &mut Next<'_, '_>,
    ) -> Result<(), End> {
        while !self.stop.load(Ordering::Acquire) {
            threads::pulse();
            if let Some(first) = next(LOOK)? {
                let is_committed = self.publish(producer, cursor, first, next)?;
                self.telemetry.set_published(cursor.sequence);
                // The mark must never be ahead of the cursor in the topic.
                if is_committed {
                    self.marks.note(cursor);
                }
                self.reports.note_progress(cursor);
            } else {
                self.marks.write_if_due();
                if cursor.sequence >= self.outbox.reader.durable() {
                    self.reports.note_progress(cursor);
                }
            }
        }
        Ok(())
    }

    /// Publishes a piece and the following pieces of its transaction, and moves the cursor past
    /// them. Returns false if there were no events; then the cursor moves only in memory.
    fn publish<'o>(
        &self,
        producer: &Producer,
        cursor: &mut PublishCursor,
        first: PreparedFrame<'o>,
        next: &mut Next<'_, 'o>,
    ) -> Result<bool, End> {
        let mut by_topic: HashMap<&str, u64> = HashMap::new();
        let mut piece = first;
        let is_stuck = self.reports.waits_for_large_event();
        loop {
            for event in piece.events {
                if by_topic.is_empty() {
                    producer.begin()?;
                }
                *by_topic.entry(event.topic).or_default() += 1;
                event.send(producer)?;
            }
            (cursor.sequence, cursor.link) = (piece.sequence, Some(hex(&piece.link)));
            // After an event was too large, each piece gets its own transaction: the event then
            // blocks no more events than necessary, and few others are sent again with each retry.
            if piece.ends || is_stuck {
                break;
            }
            piece = loop {
                if let Some(piece) = next(LOOK)? {
                    break piece;
                }
            };
        }
        // Without events there is no transaction. The next transaction with events stores the
        // cursor.
        let is_any = !by_topic.is_empty();
        if is_any {
            self.put(producer, cursor)?;
            producer.commit()?;
        }
        for (topic, events) in by_topic {
            let topic = topic.to_owned();
            self.telemetry.count(Counted::Published { topic }, events);
        }
        Ok(is_any)
    }

    /// Adds the cursor to the open transaction.
    pub(super) fn put(&self, producer: &Producer, cursor: &PublishCursor) -> Result<(), Fault> {
        // The cursor consists of texts and numbers, so serialization can't fail.
        let value = serde_json::to_vec(cursor).unwrap_or_default();
        producer.send(Outgoing {
            topic: &self.options.cursor_topic(),
            key: self.options.transactional_id.as_bytes(),
            value: &value,
            timestamp_millis: None,
            headers: native(&[]),
        })
    }

    /// Sleeps, but returns early if the publisher is told to stop.
    pub(super) fn rest(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.stop.load(Ordering::Acquire) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(LOOK));
        }
    }
}

/// Returns the link of a frame in hexadecimal.
pub(super) fn hex(link: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*link).to_hex().to_string()
}
