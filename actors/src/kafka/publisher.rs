//! The outbox: the journal's events in order, each once. A transaction of Kafka's holds the events
//! of some frames and the cursor behind them; whatever is unclear is settled by reading the cursor
//! anew.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::cursor::{self, Cursor, Until};
use super::fault::Fault;
use super::options::KafkaOptions;
use super::preparing::{self, LOOK, Next, Piece, Unprepared};
use super::producer::{Outgoing, Producer, native};
use super::reach;
use super::topics::{self, Kept, TopicFault, Wanted};
use crate::bus::{BusState, Counted, Outbox, Telemetry};

/// The pause before the brokers are tried again; it doubles up to the longest.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How often the log is told that the brokers are still away.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// How long a fenced instance looks whether another one took its place.
const SUCCESSOR_WAIT: Duration = Duration::from_secs(5);

/// Why the publisher ended for good; an operator has to decide.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// A topic is not as the settings want it.
    #[error("{0}")]
    Topic(String),
    /// The identity's cursor is of another journal.
    #[error(
        "the transactional id {id} published another journal, {theirs}; this one is {ours}: give it a transactional id of its own (kafka.transactional_id)"
    )]
    Foreign {
        /// The identity.
        id: String,
        /// The cursor's journal.
        theirs: String,
        /// This journal.
        ours: String,
    },
    /// The identity has published more than this journal holds, or something else.
    #[error(
        "the transactional id {id} published this journal up to record {published}, and it ends at {durable}, or differs there: it is an older copy; use the newest one, or a transactional id of its own (kafka.transactional_id), by which everything is published again"
    )]
    Older {
        /// The identity.
        id: String,
        /// The cursor's record.
        published: u64,
        /// The journal's last.
        durable: u64,
    },
    /// Another instance has the identity now.
    #[error("another instance took over the transactional id {0}: this one is fenced")]
    Fenced(String),
    /// A record can't be read.
    #[error("{0}")]
    Damaged(String),
}

/// Why a session ended.
enum End {
    /// It was told to.
    Stopped,
    /// For good.
    Halt(Halt),
    /// To be begun again.
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
    options: KafkaOptions,
    outbox: Outbox,
    journal_id: String,
    telemetry: Arc<Telemetry>,
    stop: Arc<AtomicBool>,
    /// The highest epoch that this instance claimed.
    claimed: Option<u64>,
    /// When the log was last told that the brokers are away.
    told: Option<Instant>,
}

impl Publisher {
    /// One that publishes what leaves a journal.
    pub(super) fn new(
        options: KafkaOptions,
        outbox: &Outbox,
        telemetry: Arc<Telemetry>,
        stop: Arc<AtomicBool>,
    ) -> Self {
        for topic in options.bindings.all_topics() {
            let topic = topic.to_owned();
            telemetry.count(Counted::Published { topic }, 0);
        }
        Self {
            options,
            outbox: outbox.clone(),
            journal_id: outbox.journal_id(),
            telemetry,
            stop,
            claimed: None,
            told: None,
        }
    }

    /// Publishes until it is told to stop. Blocks: for a thread of its own.
    ///
    /// # Errors
    /// What an operator has to decide; trouble with the brokers is waited out.
    pub(super) fn run(mut self) -> Result<(), Halt> {
        let mut pause = PAUSE_MIN;
        while !self.stop.load(Ordering::Acquire) {
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
            self.away(&fault.to_string());
            self.rest(pause);
            pause = (pause * 2).min(PAUSE_MAX);
        }
        Ok(())
    }

    /// Tells that events wait, and why; in the log when that is new, and now and then.
    fn away(&mut self, reason: &str) {
        let due = self.told.is_none_or(|told| told.elapsed() > TOLD_EVERY);
        if due || !matches!(self.telemetry.state(), BusState::Away(_)) {
            tracing::warn!(reason, "events wait to be published");
            self.told = Some(Instant::now());
        }
        self.telemetry.set_state(BusState::Away(reason.to_owned()));
    }

    /// Takes the identity over, and publishes until something goes wrong.
    fn session(&mut self) -> End {
        let (producer, mut cursor) = match self.take_over() {
            Ok(taken) => taken,
            Err(end) => return end,
        };
        self.telemetry.set_published(cursor.sequence);
        self.telemetry.set_state(BusState::Connected);
        tracing::info!(
            transactional_id = self.options.transactional_id,
            epoch = cursor.epoch,
            sequence = cursor.sequence,
            "events are published to Kafka"
        );
        preparing::beside(
            &self.outbox,
            &self.options,
            cursor.sequence,
            |next| match self.publish_all(&producer, &mut cursor, next) {
                Ok(()) => End::Stopped,
                Err(end) => end,
            },
        )
    }

    /// Starts a producer, by which an older instance is fenced, and claims the cursor.
    fn take_over(&mut self) -> Result<(Producer, Cursor), End> {
        let stop = Arc::clone(&self.stop);
        let go_on = || !stop.load(Ordering::Acquire);
        let metadata = reach::metadata(&self.options, go_on)?;
        let wanted = self.topics();
        topics::ensure(&self.options, &metadata, &wanted).map_err(|fault| match fault {
            TopicFault::Wrong(reason) => End::Halt(Halt::Topic(reason)),
            TopicFault::Broken(fault) => End::Fault(fault),
        })?;
        if self.claimed.is_none()
            && let Some(known) = cursor::read(&self.options, Until::Stable)?
        {
            // Who can't be the next must not fence the present one.
            self.check(&known)?;
        }
        let producer = Producer::start(&self.options, go_on)?;
        let known = cursor::read(&self.options, Until::End)?;
        if let Some(known) = &known {
            self.check(known)?;
        }
        let known = known.unwrap_or_else(|| Cursor {
            journal_id: self.journal_id.clone(),
            epoch: 0,
            sequence: 0,
            link: None,
        });
        if self.claimed.is_some_and(|claimed| known.epoch > claimed) {
            return Err(End::Halt(Halt::Fenced(
                self.options.transactional_id.clone(),
            )));
        }
        let claim = Cursor {
            epoch: known.epoch + 1,
            ..known
        };
        // Whoever had the identity finds this, and knows that it was taken over.
        producer.begin()?;
        self.put(&producer, &claim)?;
        self.claimed = Some(claim.epoch);
        producer.commit()?;
        Ok((producer, claim))
    }

    /// Whether the cursor is of this journal, and not ahead of it.
    fn check(&self, known: &Cursor) -> Result<(), End> {
        let id = self.options.transactional_id.clone();
        if known.journal_id != self.journal_id {
            return Err(End::Halt(Halt::Foreign {
                id,
                theirs: known.journal_id.clone(),
                ours: self.journal_id.clone(),
            }));
        }
        let older = End::Halt(Halt::Older {
            id,
            published: known.sequence,
            durable: self.outbox.reader.durable(),
        });
        if known.sequence > self.outbox.reader.durable() {
            return Err(older);
        }
        if known.sequence > 0 {
            let frames = self
                .outbox
                .reader
                .scan(known.sequence, 1)
                .map_err(unreadable)?;
            let link = frames.first().map(|frame| hex(&frame.link));
            let ends = frames.first().map(|frame| frame.last_sequence);
            if ends != Some(known.sequence) || link != known.link {
                return Err(older);
            }
        }
        Ok(())
    }

    /// Publishes what is prepared until it is told to stop.
    fn publish_all(
        &self,
        producer: &Producer,
        cursor: &mut Cursor,
        next: &mut Next<'_, '_>,
    ) -> Result<(), End> {
        while !self.stop.load(Ordering::Acquire) {
            if let Some(first) = next(LOOK)? {
                self.publish(producer, cursor, first, next)?;
                self.telemetry.set_published(cursor.sequence);
            }
        }
        Ok(())
    }

    /// Publishes a piece and those that belong to its transaction, and moves the cursor behind them.
    fn publish<'o>(
        &self,
        producer: &Producer,
        cursor: &mut Cursor,
        first: Piece<'o>,
        next: &mut Next<'_, 'o>,
    ) -> Result<(), End> {
        let mut by_topic: HashMap<&str, u64> = HashMap::new();
        let mut piece = first;
        loop {
            for event in piece.events {
                if by_topic.is_empty() {
                    producer.begin()?;
                }
                *by_topic.entry(event.topic).or_default() += 1;
                event.send(producer)?;
            }
            (cursor.sequence, cursor.link) = (piece.sequence, Some(hex(&piece.link)));
            if piece.ends {
                break;
            }
            piece = loop {
                if let Some(piece) = next(LOOK)? {
                    break piece;
                }
            };
        }
        // Where nothing is bound the next transaction takes the cursor along.
        if !by_topic.is_empty() {
            self.put(producer, cursor)?;
            producer.commit()?;
        }
        for (topic, events) in by_topic {
            let topic = topic.to_owned();
            self.telemetry.count(Counted::Published { topic }, events);
        }
        Ok(())
    }

    fn put(&self, producer: &Producer, cursor: &Cursor) -> Result<(), Fault> {
        // Texts and numbers alone: it can't fail.
        let value = serde_json::to_vec(cursor).unwrap_or_default();
        producer.send(Outgoing {
            topic: &self.options.cursor_topic(),
            key: self.options.transactional_id.as_bytes(),
            value: &value,
            timestamp_millis: None,
            headers: native(&[]),
        })
    }

    /// Whether another instance claimed the cursor. Being fenced alone doesn't tell: the broker does
    /// the same to one that was too slow.
    fn has_successor(&self) -> bool {
        let Some(claimed) = self.claimed else {
            return false;
        };
        let deadline = Instant::now() + SUCCESSOR_WAIT;
        while Instant::now() < deadline && !self.stop.load(Ordering::Acquire) {
            if let Ok(Some(cursor)) = cursor::read(&self.options, Until::Stable)
                && cursor.epoch > claimed
            {
                return true;
            }
            self.rest(Duration::from_millis(200));
        }
        false
    }

    fn topics(&self) -> Vec<Wanted> {
        let options = &self.options;
        let events = options
            .bindings
            .all_topics()
            .into_iter()
            .map(|name| Wanted {
                name: name.to_owned(),
                partitions: options.partitions,
                replication: options.replication,
                kept: Kept::For(options.retention),
            });
        let cursor = Wanted {
            name: options.cursor_topic(),
            partitions: 1,
            replication: options.replication,
            kept: Kept::Last,
        };
        events.chain([cursor]).collect()
    }

    /// Sleeps, unless it is told to stop.
    fn rest(&self, time: Duration) {
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

/// What the disk refuses may go well later; what is damaged stays so.
fn unreadable(error: florin_storage::Error) -> End {
    if error.is_damage() {
        End::Halt(Halt::Damaged(error.to_string()))
    } else {
        End::Fault(Fault::Broken(error.to_string()))
    }
}

fn hex(link: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*link).to_hex().to_string()
}
