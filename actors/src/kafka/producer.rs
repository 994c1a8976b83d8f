//! A transactional producer that tracks messages that were not delivered.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};

use super::fault::{Fault, TooLarge};
use super::options::KafkaOptions;
use super::reach::Noticed;

/// The pause between two polls of the delivery queue.
const REST: Duration = Duration::from_micros(200);
/// The library's default batch size.
const BATCH_BYTES: usize = 1_000_000;
/// The time to wait for the reason of a failure: the library purges waiting messages before it
/// reports the one that failed.
const REASON: Duration = Duration::from_secs(1);
/// The header that contains the sequence of an event's record.
const SEQUENCE: &str = "ce_sequence";

/// The failed deliveries, and the errors that the library reported.
#[derive(Debug, Default)]
struct Undelivered {
    noticed: Noticed,
    count: AtomicUsize,
    /// The first failure that is not a purge because of another failure.
    first: Mutex<Option<KafkaError>>,
    too_large: Mutex<Option<TooLarge>>,
}

impl Undelivered {
    /// Returns the reason for failed deliveries, if it is known.
    fn fault(&self) -> Option<Fault> {
        let too_large = self.too_large.lock();
        let too_large = too_large.unwrap_or_else(PoisonError::into_inner);
        if let Some(too_large) = too_large.as_ref() {
            return Some(Fault::TooLarge(too_large.clone()));
        }
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        let error = first.as_ref()?;
        Some(match Fault::from(error.clone()) {
            Fault::Broken(_) => Fault::Broken(self.noticed.reason(error)),
            other => other,
        })
    }
}

/// Returns whether a message failed only because of another failure.
fn is_purge(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight)
    )
}

/// Returns whether a message, or the batch that contains only this message, is too large for its
/// topic.
fn is_too_large(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::MessageBatchTooLarge)
    )
}

/// Returns the sequence of the record in a message's headers.
fn sequence_of<H: Headers>(headers: Option<&H>) -> Option<u64> {
    let mut headers = headers?.iter();
    let value = headers.find(|header| header.key == SEQUENCE)?.value?;
    std::str::from_utf8(value).ok()?.parse().ok()
}

impl ClientContext for Undelivered {
    fn log(&self, level: RDKafkaLogLevel, what: &str, message: &str) {
        self.noticed.log(level, what, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.noticed.error(error, reason);
    }
}

impl ProducerContext for Undelivered {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let Err((error, message)) = result else {
            return;
        };
        if is_too_large(error) {
            let bytes = message.key_len() + message.payload_len();
            let known = self.too_large.lock();
            let mut known = known.unwrap_or_else(PoisonError::into_inner);
            // The broker refuses a batch as a whole, so the largest message is taken as the cause.
            if known.as_ref().is_none_or(|known| bytes > known.bytes) {
                *known = Some(TooLarge {
                    topic: message.topic().to_owned(),
                    sequence: sequence_of(message.headers()),
                    bytes,
                    limit: None,
                });
            }
        } else if !is_purge(error) {
            let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert_with(|| error.clone());
        }
        self.count.fetch_add(1, Ordering::AcqRel);
    }
}

/// A message to be sent.
#[derive(Debug)]
pub(super) struct Outgoing<'a> {
    pub(super) topic: &'a str,
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
    pub(super) timestamp_millis: Option<i64>,
    pub(super) headers: OwnedHeaders,
}

/// Converts headers to the library's type.
pub(super) fn native(headers: &[(&'static str, Cow<'static, str>)]) -> OwnedHeaders {
    let mut all = OwnedHeaders::new_with_capacity(headers.len());
    for (key, value) in headers {
        all = all.insert(Header {
            key,
            value: Some(value.as_bytes()),
        });
    }
    all
}

/// A producer that owns its transactional id until it is fenced.
pub(super) struct Producer {
    inner: BaseProducer<Undelivered>,
    timeout: Duration,
}

impl Producer {
    /// Takes over the transactional id: the previous owner is fenced, and its open transaction is
    /// aborted. Retries while `go_on` returns true.
    pub(super) fn start(options: &KafkaOptions, go_on: impl Fn() -> bool) -> Result<Self, Fault> {
        Self::start_within(options, None, go_on)
    }

    /// As [`Self::start`], with batches of at most `batch_bytes_max` bytes. A larger message is
    /// sent alone.
    pub(super) fn start_within(
        options: &KafkaOptions,
        batch_bytes_max: Option<usize>,
        go_on: impl Fn() -> bool,
    ) -> Result<Self, Fault> {
        let mut config = options.producer();
        if let Some(bytes) = batch_bytes_max.filter(|bytes| *bytes < BATCH_BYTES) {
            config.set("batch.size", bytes.max(1).to_string());
        }
        let inner: BaseProducer<Undelivered> = config.create_with_context(Undelivered::default())?;
        loop {
            match inner.init_transactions(Duration::from_secs(2)) {
                Ok(()) => break,
                Err(KafkaError::Transaction(error)) if error.is_retriable() && go_on() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Self {
            inner,
            timeout: options.transaction_timeout,
        })
    }

    pub(super) fn begin(&self) -> Result<(), Fault> {
        self.inner.begin_transaction().map_err(Fault::from)
    }

    /// Adds a message to the open transaction. Waits while the queue is full.
    pub(super) fn send(&self, message: Outgoing<'_>) -> Result<(), Fault> {
        let mut record = BaseRecord::to(message.topic)
            .key(message.key)
            .payload(message.value)
            .headers(message.headers);
        record.timestamp = message.timestamp_millis;
        self.queue(record)
    }

    /// Adds a message to the open transaction, with key and value optional.
    pub(super) fn forward(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: OwnedHeaders,
    ) -> Result<(), Fault> {
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).headers(headers);
        (record.key, record.payload) = (key, value);
        self.queue(record)
    }

    /// Queues a message. Waits while the queue is full.
    fn queue(&self, mut record: BaseRecord<'_, [u8], [u8]>) -> Result<(), Fault> {
        let began = Instant::now();
        loop {
            match self.inner.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    if began.elapsed() > self.timeout {
                        return Err(Fault::Broken("the queue to the broker stays full".into()));
                    }
                    record = back;
                    self.inner.poll(Duration::from_millis(1));
                    self.delivered()?;
                }
                Err((
                    KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge),
                    back,
                )) => {
                    let bytes = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
                    return Err(Fault::TooLarge(TooLarge {
                        topic: back.topic.to_owned(),
                        sequence: sequence_of(back.headers.as_ref()),
                        bytes: bytes(back.key) + bytes(back.payload),
                        limit: None,
                    }));
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }

    /// Adds a group's offsets to the open transaction.
    pub(super) fn send_offsets(
        &self,
        offsets: &TopicPartitionList,
        member: &ConsumerGroupMetadata,
    ) -> Result<(), Fault> {
        let sent = self
            .inner
            .send_offsets_to_transaction(offsets, member, self.timeout);
        sent.map_err(Fault::from)
    }

    /// Commits the open transaction: either all its messages are delivered and visible, or none
    /// ever is.
    pub(super) fn commit(&self) -> Result<(), Fault> {
        // The commit's own flush polls in steps of 100 ms. If the queue is drained before, the
        // flush needs only one step.
        while self.inner.in_flight_count() > 0 {
            self.inner.poll(Duration::ZERO);
            self.delivered()?;
            std::thread::sleep(REST);
        }
        self.inner.poll(Duration::ZERO);
        self.delivered()?;
        self.inner
            .commit_transaction(self.timeout * 2)
            .map_err(Fault::from)
    }

    fn delivered(&self) -> Result<(), Fault> {
        let context = self.inner.context();
        let deadline = Instant::now() + REASON;
        loop {
            if let Some((code, reason)) = self.inner.client().fatal_error() {
                return Err(Fault::Fenced(format!("{code}: {reason}")));
            }
            if context.count.load(Ordering::Acquire) == 0 {
                return Ok(());
            }
            if let Some(fault) = context.fault() {
                return Err(fault);
            }
            if Instant::now() > deadline {
                let purged = KafkaError::MessageProduction(RDKafkaErrorCode::PurgeQueue);
                return Err(Fault::Broken(context.noticed.reason(&purged)));
            }
            self.inner.poll(REST);
        }
    }
}
