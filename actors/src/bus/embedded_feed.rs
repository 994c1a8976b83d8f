//! Topics as readings of the own journal: the events of its durable records, where they are bound.

use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use super::bindings::Bindings;
use super::event_type::EventType;
use super::mapping::events_of;
use super::message::Message;
use super::outbox::Outbox;
use crate::record_codec::decode_record;

/// Journal read at a time.
const SCAN_BYTES: usize = 256 << 10;
/// Readings kept for those who come to the same place a little later.
const KEPT_MAX: usize = 8;
/// A record's events have so many bits of an offset.
const EVENT_BITS: u32 = 16;

/// The types that commands about entities make, and no movement does.
const OF_ENTITIES: [EventType; 6] = [
    EventType::AccountCreated,
    EventType::AccountStatusChanged,
    EventType::WalletCreated,
    EventType::WalletCreatedEvent,
    EventType::CardCreated,
    EventType::CardDeleted,
];

/// The offset of a record's first event.
pub(super) const fn offset_of(sequence: u64) -> i64 {
    (sequence << EVENT_BITS) as i64
}

/// The record that an offset lies in.
pub(super) const fn sequence_of(offset: i64) -> u64 {
    (offset as u64) >> EVENT_BITS
}

/// The messages of a stretch of records.
struct Stretch {
    first: u64,
    last: u64,
    messages: Vec<Arc<Message>>,
}

/// The journal as all topics that somebody reads.
pub(super) struct Feed {
    outbox: Outbox,
    bindings: Bindings,
    /// The types that go to a topic which somebody reads.
    wanted: HashSet<EventType>,
    /// Whether one of them tells of a movement: most records are such, and are passed by otherwise.
    wants_movements: bool,
    read: HashSet<String>,
    kept: RefCell<VecDeque<Rc<Stretch>>>,
}

impl Feed {
    /// The journal for those who read these topics.
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

    /// The last record that can be read.
    pub(super) fn durable(&self) -> u64 {
        self.outbox.reader.durable()
    }

    /// The first record at or after this one that may hold a message, as far as is known without
    /// reading the journal. One past the last durable record: nothing is there yet.
    fn skip(&self, sequence: u64) -> u64 {
        // In this order: what is durable by now was told before.
        let durable = self.durable();
        if !self.wants_movements && sequence > *self.outbox.last_unmoving.borrow() {
            sequence.max(durable + 1)
        } else {
            sequence
        }
    }

    /// Waits until there may be a message in a record at or after this one.
    pub(super) async fn wait(&self, sequence: u64) {
        let mut unmoving = self.outbox.last_unmoving.clone();
        if !self.wants_movements && unmoving.wait_for(|last| sequence <= *last).await.is_err() {
            // The node that would tell is gone: nothing more will come.
            std::future::pending::<()>().await;
        }
        let mut listener = self.outbox.watermark.subscribe();
        listener.changed(sequence - 1).await;
    }

    /// The stretch that holds a durable record; blocks on the disk.
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

/// What a look at a topic gives.
pub(super) enum Look {
    /// Its next message.
    Message(Arc<Message>),
    /// Nothing in the records looked at; there are more.
    Further,
    /// Nothing more that is durable.
    End,
}

/// One reading of one topic.
pub(super) struct Reading {
    topic: String,
    /// The first offset that is wanted.
    from: i64,
    /// The first record that was not looked at.
    sequence: u64,
    found: VecDeque<Arc<Message>>,
}

impl Reading {
    /// A reading of a topic from an offset on.
    pub(super) fn new(topic: &str, from: i64) -> Self {
        Self {
            topic: topic.to_owned(),
            from,
            sequence: sequence_of(from).max(1),
            found: VecDeque::new(),
        }
    }

    /// Looks for the next message, in a bounded part of the journal.
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

    /// Behind the last offset that was looked at, if no message that was found is left.
    pub(super) fn looked(&self) -> Option<i64> {
        self.found.is_empty().then(|| offset_of(self.sequence))
    }

    /// Waits until there may be another message.
    pub(super) async fn wait(&self, feed: &Feed) {
        feed.wait(self.sequence).await;
    }

    /// At most so many messages are ahead.
    pub(super) fn ahead(&self, feed: &Feed) -> u64 {
        // In this order: what is durable by now and known to be nobody's is passed by.
        let durable = feed.durable();
        let records = (durable + 1).saturating_sub(feed.skip(self.sequence));
        self.found.len() as u64 + records
    }
}
