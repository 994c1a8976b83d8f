//! The journal as the source of topics: the events of its durable records, by their bindings.

use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use crate::base::Outbox;
use crate::bus::bindings::Bindings;
use crate::bus::message::Message;
use crate::events::EventType;
use crate::events::events_of;
use crate::record_codec::decode_record;

/// The number of bytes of the journal that are read at a time.
const SCAN_BYTES: usize = 256 << 10;
/// The number of cached stretches. Subscriptions that reach the same records a little later reuse them.
const KEPT_MAX: usize = 8;
/// The number of bits of an offset for the index of an event within its record.
const EVENT_BITS: u32 = 16;

/// The event types that result from commands on entities and never from movements.
const OF_ENTITIES: [EventType; 6] = [
    EventType::AccountCreated,
    EventType::AccountStatusChanged,
    EventType::WalletCreated,
    EventType::WalletCreatedEvent,
    EventType::CardCreated,
    EventType::CardDeleted,
];

/// Returns the offset of a record's first event.
pub(super) const fn offset_of(sequence: u64) -> i64 {
    (sequence << EVENT_BITS) as i64
}

/// Returns the sequence of the record to which an offset belongs.
pub(super) const fn sequence_of(offset: i64) -> u64 {
    (offset as u64) >> EVENT_BITS
}

/// The messages of a contiguous range of records.
struct Stretch {
    first: u64,
    last: u64,
    messages: Vec<Arc<Message>>,
}

/// The feed of all topics that are read from the journal.
pub(super) struct Feed {
    outbox: Outbox,
    bindings: Bindings,
    /// The event types that are bound to a topic that is read.
    wanted: HashSet<EventType>,
    /// True if one of these types results from movements. If not, the records of movements, which
    /// are the majority, are skipped.
    wants_movements: bool,
    read: HashSet<String>,
    kept: RefCell<VecDeque<Rc<Stretch>>>,
}

impl Feed {
    /// Creates a feed for readers of the given topics.
    pub(super) fn new(outbox: Outbox, bindings: Bindings, topics: HashSet<String>) -> Self {
        let is_read = |event_type: &&EventType| {
            let bound = bindings.topics(**event_type);
            bound.iter().any(|topic| topics.contains(topic))
        };
        let wanted: HashSet<EventType> = EventType::ALL.iter().filter(is_read).copied().collect();
        let wants_movements = wanted.iter().any(|one| !OF_ENTITIES.contains(one));
        Self {
            outbox,
            bindings,
            wanted,
            wants_movements,
            read: topics,
            kept: RefCell::default(),
        }
    }

    /// Returns the sequence of the last readable record.
    pub(super) fn durable(&self) -> u64 {
        self.outbox.reader.durable()
    }

    /// Returns the first record from `sequence` on that may produce a message, as far as that is
    /// known without reading the journal. One past the last durable record means that there is none
    /// yet.
    fn skip(&self, sequence: u64) -> u64 {
        // `durable` is read first: `last_unmoving` is updated before a record becomes durable, so
        // the value read next covers every record up to `durable`.
        let durable = self.durable();
        if !self.wants_movements && sequence > *self.outbox.last_unmoving.borrow() {
            sequence.max(durable + 1)
        } else {
            sequence
        }
    }

    /// Waits until a record from `sequence` on may produce a message.
    pub(super) async fn wait(&self, sequence: u64) {
        let mut unmoving = self.outbox.last_unmoving.clone();
        if !self.wants_movements && unmoving.wait_for(|last| sequence <= *last).await.is_err() {
            // The node that updates `last_unmoving` is gone, so no further message will come.
            std::future::pending::<()>().await;
        }
        let mut listener = self.outbox.watermark.subscribe();
        listener.changed(sequence - 1).await;
    }

    /// Returns the stretch that contains a durable record. Blocks on the disk.
    fn stretch(&self, sequence: u64) -> Result<Rc<Stretch>, String> {
        let mut kept = self.kept.borrow_mut();
        let holds = |stretch: &&Rc<Stretch>| (stretch.first..=stretch.last).contains(&sequence);
        if let Some(stretch) = kept.iter().find(holds) {
            return Ok(Rc::clone(stretch));
        }
        let frames = self.outbox.reader.scan(sequence, SCAN_BYTES);
        let frames = frames.map_err(|error| error.to_string())?;
        let (Some(first), Some(last)) = (frames.first(), frames.last()) else {
            return Err(format!("record {sequence} is not there"));
        };
        let mut stretch = Stretch {
            first: first.first_sequence,
            last: last.last_sequence,
            messages: Vec::new(),
        };
        for (sequence, bytes) in frames.iter().flat_map(|frame| frame.iter()) {
            let record =
                decode_record(bytes).map_err(|error| format!("record {sequence}: {error}"))?;
            if !self.wants_movements && record.command.moves_money() {
                continue;
            }
            for event in events_of(&record) {
                if !self.wanted.contains(&event.event_type) {
                    continue;
                }
                let headers = event.headers();
                let headers =
                    headers.map(|(name, value)| (name.to_owned(), value.into_owned().into_bytes()));
                for topic in self.bindings.topics(event.event_type) {
                    if !self.read.contains(topic) {
                        continue;
                    }
                    stretch.messages.push(Arc::new(Message {
                        topic: topic.as_str().into(),
                        partition: 0,
                        offset: offset_of(sequence) | i64::from(event.index),
                        incarnation: Default::default(),
                        settled_before: 0,
                        timestamp_millis: Some(event.time.as_micros() / 1_000),
                        key: Some(event.key.to_string().into_bytes()),
                        headers: headers.to_vec(),
                        value: Some(event.json()),
                    }));
                }
            }
        }
        let stretch = Rc::new(stretch);
        kept.push_back(Rc::clone(&stretch));
        if kept.len() > KEPT_MAX {
            kept.pop_front();
        }
        Ok(stretch)
    }
}

/// The result of looking for a topic's next message.
pub(super) enum Look {
    /// The next message.
    Message(Arc<Message>),
    /// The examined records contain no message, but more records are durable.
    Further,
    /// No further durable record can contain a message.
    End,
}

/// The state of reading one topic.
pub(super) struct Reading {
    topic: String,
    /// The first offset to return.
    from: i64,
    /// The first record that was not examined yet.
    sequence: u64,
    found: VecDeque<Arc<Message>>,
}

impl Reading {
    /// Creates a reading of a topic from an offset on.
    pub(super) fn new(topic: &str, from: i64) -> Self {
        Self {
            topic: topic.to_owned(),
            from,
            sequence: sequence_of(from).max(1),
            found: VecDeque::new(),
        }
    }

    /// Looks for the next message in a bounded part of the journal.
    pub(super) fn look(&mut self, feed: &Feed) -> Result<Look, String> {
        if let Some(message) = self.found.pop_front() {
            return Ok(Look::Message(message));
        }
        self.sequence = feed.skip(self.sequence);
        if self.sequence > feed.durable() {
            return Ok(Look::End);
        }
        let stretch = feed.stretch(self.sequence)?;
        let messages = stretch.messages.iter().filter(|message| {
            let is_new = sequence_of(message.offset) >= self.sequence;
            is_new && *message.topic == self.topic && message.offset >= self.from
        });
        self.found.extend(messages.cloned());
        self.sequence = stretch.last + 1;
        Ok(match self.found.pop_front() {
            Some(message) => Look::Message(message),
            None => Look::Further,
        })
    }

    /// Returns the offset after the examined records; `None` while messages that were found wait to
    /// be returned.
    pub(super) fn looked(&self) -> Option<i64> {
        self.found.is_empty().then(|| offset_of(self.sequence))
    }

    /// Waits until there may be a further message.
    pub(super) async fn wait(&self, feed: &Feed) {
        feed.wait(self.sequence).await;
    }

    /// Returns an upper bound of the number of messages ahead.
    pub(super) fn ahead(&self, feed: &Feed) -> u64 {
        // `durable` is read first. `skip` may return a record past it, and then no record is ahead.
        let durable = feed.durable();
        let records = (durable + 1).saturating_sub(feed.skip(self.sequence));
        self.found.len() as u64 + records
    }
}
