//! Preparation of the events to publish next, on a separate thread: the next transaction's events
//! are prepared while one transaction is being sent and committed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use florin_storage::Frame;
use florin_storage::threads::{self, ThreadName};
use rdkafka::message::OwnedHeaders;

use crate::bus::Outbox;
use crate::events::events_of;
use crate::kafka::fault::Fault;
use crate::kafka::options::KafkaOptions;
use crate::kafka::producer::{Outgoing, Producer, native};
use crate::record_codec::decode_record;

/// The number of bytes of the journal that are read at a time.
const SCAN_BYTES: usize = 1 << 20;
/// The timeout of one wait for new events.
pub(super) const LOOK: Duration = Duration::from_millis(200);
/// A transaction costs several milliseconds, even a small one. While many events arrive, the next
/// transaction is therefore prepared only after this time, so that it contains more events.
const GATHER: Duration = Duration::from_millis(50);
/// The number of events in a transaction from which on `GATHER` applies.
const MANY: usize = 200;
/// The maximum number of prepared frames that wait while a transaction ends. More of them would
/// leave the processor's cache before they are sent.
const AHEAD: usize = 8;

/// The events of a frame, in order.
#[derive(Debug)]
pub(super) struct PreparedFrame<'o> {
    pub(super) events: Vec<PreparedEvent<'o>>,
    /// The sequence of the frame's last record.
    pub(super) sequence: u64,
    /// The link of the frame.
    pub(super) link: [u8; 32],
    /// True if the transaction ends after this piece.
    pub(super) ends: bool,
}

/// An event in the form in which it is sent.
#[derive(Debug)]
pub(super) struct PreparedEvent<'o> {
    pub(super) topic: &'o str,
    key: String,
    value: Vec<u8>,
    timestamp_millis: i64,
    headers: OwnedHeaders,
}

/// The reason why no more events can be prepared.
#[derive(Debug)]
pub(super) enum Unprepared {
    /// A record can't be decoded; the fault is permanent.
    Damaged(String),
    /// The disk failed; the fault may be temporary.
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

/// The reason why the preparation of a transaction stopped early.
enum Stopped {
    Unprepared(Unprepared),
    /// The receiver is gone.
    Unasked,
}

impl From<Unprepared> for Stopped {
    fn from(unprepared: Unprepared) -> Self {
        Self::Unprepared(unprepared)
    }
}

/// A function that returns the next piece, after waiting at most the given time.
pub(super) type Next<'n, 'o> =
    dyn FnMut(Duration) -> Result<Option<PreparedFrame<'o>>, Unprepared> + 'n;

/// Runs `publish`, and prepares the events after record `after` on another thread meanwhile.
/// `publish` requests them through its argument.
pub(super) fn prepare_while<'o, T>(
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
        let spawner = &outbox.upkeep.spawner;
        let started = spawner.start_scoped(scope, ThreadName::Outbox, move || {
            prepare_all(outbox, options, after, &sender, over);
        });
        publish(&mut |wait| match &started {
            Ok(_) => receive(&receiver, wait),
            Err(error) => Err(Unprepared::Unread(format!("no thread: {error}"))),
        })
    })
}

/// Tells the preparing thread on drop, even after a panic, that no more events are needed.
struct Ends<'o>(&'o AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

fn receive<'o>(
    receiver: &Receiver<Result<PreparedFrame<'o>, Unprepared>>,
    wait: Duration,
) -> Result<Option<PreparedFrame<'o>>, Unprepared> {
    match receiver.recv_timeout(wait) {
        Ok(prepared) => prepared.map(Some),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        // The thread has ended after a fault that it has already reported.
        Err(RecvTimeoutError::Disconnected) => Err(Unprepared::Unread(
            "the journal is not read any more".into(),
        )),
    }
}

fn prepare_all<'o>(
    outbox: &Outbox,
    options: &'o KafkaOptions,
    mut after: u64,
    sender: &SyncSender<Result<PreparedFrame<'o>, Unprepared>>,
    over: &AtomicBool,
) {
    let is_over = || over.load(Ordering::Acquire);
    while !is_over() {
        threads::pulse();
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
                // The receiver may be gone.
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

/// Prepares a transaction: the events of the frames after record `after`, up to the maximum number.
/// Returns the transaction's last record and its number of events.
fn prepare<'o>(
    outbox: &Outbox,
    options: &'o KafkaOptions,
    after: u64,
    sender: &SyncSender<Result<PreparedFrame<'o>, Unprepared>>,
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

fn piece<'o>(frame: &Frame, options: &'o KafkaOptions) -> Result<PreparedFrame<'o>, Unprepared> {
    let mut events = Vec::new();
    for (sequence, bytes) in frame.iter() {
        let record = decode_record(bytes)
            .map_err(|error| Unprepared::Damaged(format!("record {sequence}: {error}")))?;
        for event in events_of(&record) {
            for topic in options.bindings.topics(event.event_type) {
                events.push(PreparedEvent {
                    topic,
                    key: event.key.to_string(),
                    value: event.json(),
                    timestamp_millis: event.time.as_micros() / 1_000,
                    headers: native(&event.headers()),
                });
            }
        }
    }
    Ok(PreparedFrame {
        events,
        sequence: frame.last_sequence,
        link: frame.link,
        ends: false,
    })
}

impl PreparedEvent<'_> {
    /// Passes the event to the producer.
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
