//! What is to be published next, made ready on a thread of its own: while one transaction is on its
//! way to the brokers and back, the events of the next one are written.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use florin_storage::Frame;
use rdkafka::message::OwnedHeaders;

use super::fault::Fault;
use super::options::KafkaOptions;
use super::producer::{Outgoing, Producer, native};
use crate::bus::{Outbox, events_of};
use crate::record_codec::decode_record;

/// How much of the journal is read at a time.
const SCAN_BYTES: usize = 1 << 20;
/// How long a look at what comes next rests.
pub(super) const LOOK: Duration = Duration::from_millis(200);
/// A transaction costs several milliseconds, however small: while there is much to send, each waits
/// until this much time has brought more.
const GATHER: Duration = Duration::from_millis(50);
/// So many events are much.
const MANY: usize = 200;
/// So many frames' events wait at most while a transaction ends. More would leave the processor's
/// cache before they are sent.
const AHEAD: usize = 8;

/// A frame's events, in their order.
#[derive(Debug)]
pub(super) struct Piece<'o> {
    pub(super) events: Vec<Event<'o>>,
    /// The frame's last record.
    pub(super) sequence: u64,
    /// The frame's link.
    pub(super) link: [u8; 32],
    /// Whether a transaction ends with it.
    pub(super) ends: bool,
}

/// An event as it leaves.
#[derive(Debug)]
pub(super) struct Event<'o> {
    pub(super) topic: &'o str,
    key: String,
    value: Vec<u8>,
    timestamp_millis: i64,
    headers: OwnedHeaders,
}

/// Why nothing more can be prepared.
#[derive(Debug)]
pub(super) enum Unprepared {
    /// A record can't be read, now or later.
    Damaged(String),
    /// The disk refused, which may go well later.
    Unread(String),
}

impl From<florin_storage::Error> for Unprepared {
    fn from(error: florin_storage::Error) -> Self {
        if error.is_damage() {
            Self::Damaged(error.to_string())
        } else {
            Self::Unread(error.to_string())
        }
    }
}

/// Why a transaction was not prepared to its end.
enum Stopped {
    Unprepared(Unprepared),
    /// Nobody asks any more.
    Unasked,
}

impl From<Unprepared> for Stopped {
    fn from(unprepared: Unprepared) -> Self {
        Self::Unprepared(unprepared)
    }
}

/// The next frame's events, waited for so long at most.
pub(super) type Next<'n, 'o> = dyn FnMut(Duration) -> Result<Option<Piece<'o>>, Unprepared> + 'n;

/// Runs `publish`, which asks for what follows record `after`, and prepares that beside it.
pub(super) fn beside<'o, T>(
    outbox: &Outbox,
    options: &'o KafkaOptions,
    after: u64,
    publish: impl FnOnce(&mut Next<'_, 'o>) -> T,
) -> T {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(AHEAD);
        let _ends = Ends(&over);
        let over = &over;
        let thread = thread::Builder::new().name("outbox".into());
        let started = thread.spawn_scoped(scope, move || {
            prepare_all(outbox, options, after, &sender, over);
        });
        publish(&mut |wait| match &started {
            Ok(_) => taken(&receiver, wait),
            Err(error) => Err(Unprepared::Unread(format!("no thread: {error}"))),
        })
    })
}

/// Tells the thread that nobody asks any more, also where that is because of a panic.
struct Ends<'o>(&'o AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

fn taken<'o>(
    receiver: &Receiver<Result<Piece<'o>, Unprepared>>,
    wait: Duration,
) -> Result<Option<Piece<'o>>, Unprepared> {
    match receiver.recv_timeout(wait) {
        Ok(prepared) => prepared.map(Some),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        // After a fault there is nothing more.
        Err(RecvTimeoutError::Disconnected) => Err(Unprepared::Unread(
            "the journal is not read any more".into(),
        )),
    }
}

fn prepare_all<'o>(
    outbox: &Outbox,
    options: &'o KafkaOptions,
    mut after: u64,
    sender: &SyncSender<Result<Piece<'o>, Unprepared>>,
    over: &AtomicBool,
) {
    let is_over = || over.load(Ordering::Acquire);
    while !is_over() {
        let began = Instant::now();
        if outbox.watermark.wait_past(after, LOOK) <= after {
            continue;
        }
        let events = match prepare(outbox, options, after, sender) {
            Ok((last, events)) => {
                after = last;
                events
            }
            Err(Stopped::Unasked) => return,
            Err(Stopped::Unprepared(unprepared)) => {
                // Whether anybody still wants to know makes no difference.
                let _ = sender.send(Err(unprepared));
                return;
            }
        };
        if (MANY..options.transaction_events_max).contains(&events) {
            while began.elapsed() < GATHER && !is_over() {
                thread::sleep(GATHER.saturating_sub(began.elapsed()));
            }
        }
    }
}

/// Prepares a transaction: the events of the frames behind record `after`, as many as it may have.
/// Gives its last record, and how many events there are.
fn prepare<'o>(
    outbox: &Outbox,
    options: &'o KafkaOptions,
    after: u64,
    sender: &SyncSender<Result<Piece<'o>, Unprepared>>,
) -> Result<(u64, usize), Stopped> {
    let durable = outbox.reader.durable();
    let (mut last, mut events) = (after, 0);
    loop {
        for frame in outbox
            .reader
            .scan(last + 1, SCAN_BYTES)
            .map_err(Unprepared::from)?
        {
            let mut piece = piece(&frame, options)?;
            last = piece.sequence;
            events += piece.events.len();
            let ends = events >= options.transaction_events_max || last >= durable;
            piece.ends = ends;
            sender.send(Ok(piece)).map_err(|_| Stopped::Unasked)?;
            if ends {
                return Ok((last, events));
            }
        }
    }
}

fn piece<'o>(frame: &Frame, options: &'o KafkaOptions) -> Result<Piece<'o>, Unprepared> {
    let mut events = Vec::new();
    for (sequence, bytes) in frame.iter() {
        let record = decode_record(bytes)
            .map_err(|error| Unprepared::Damaged(format!("record {sequence}: {error}")))?;
        for event in events_of(&record) {
            for topic in options.bindings.topics(event.event_type) {
                events.push(Event {
                    topic,
                    key: event.key.to_string(),
                    value: event.json(),
                    timestamp_millis: event.time.as_micros() / 1_000,
                    headers: native(&event.headers()),
                });
            }
        }
    }
    Ok(Piece {
        events,
        sequence: frame.last_sequence,
        link: frame.link,
        ends: false,
    })
}

impl Event<'_> {
    /// Hands it to the producer.
    pub(super) fn send(self, producer: &Producer) -> Result<(), Fault> {
        producer.send(Outgoing {
            topic: self.topic,
            key: self.key.as_bytes(),
            value: &self.value,
            timestamp_millis: Some(self.timestamp_millis),
            headers: self.headers,
        })
    }
}
