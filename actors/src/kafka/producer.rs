//! A transactional producer that counts what was not delivered.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};

use super::fault::Fault;
use super::options::KafkaOptions;
use super::reach::Noticed;

/// How long one look at the queue may rest.
const REST: Duration = Duration::from_micros(200);

/// What was not delivered, and what the library said.
#[derive(Debug, Default)]
struct Undelivered {
    noticed: Noticed,
    count: AtomicUsize,
    first: Mutex<Option<KafkaError>>,
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
        if let Err((error, _)) = result {
            self.count.fetch_add(1, Ordering::AcqRel);
            let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert_with(|| error.clone());
        }
    }
}

/// A message on its way out.
#[derive(Debug)]
pub(super) struct Outgoing<'a> {
    pub(super) topic: &'a str,
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
    pub(super) timestamp_millis: Option<i64>,
    pub(super) headers: OwnedHeaders,
}

/// Headers as the library keeps them.
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

/// A producer that has its transactional id to itself, until it is fenced.
pub(super) struct Producer {
    inner: BaseProducer<Undelivered>,
    timeout: Duration,
}

impl Producer {
    /// Takes the transactional id over: whoever had it is fenced, what it left open is aborted.
    /// Tries for as long as `go_on` says so.
    pub(super) fn start(options: &KafkaOptions, go_on: impl Fn() -> bool) -> Result<Self, Fault> {
        let config = options.producer();
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

    /// Puts a message into the open transaction; waits while the queue is full.
    pub(super) fn send(&self, message: Outgoing<'_>) -> Result<(), Fault> {
        let mut record = BaseRecord::to(message.topic)
            .key(message.key)
            .payload(message.value)
            .headers(message.headers);
        record.timestamp = message.timestamp_millis;
        self.queue(record)
    }

    /// Puts a message into the open transaction as it is given.
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

    /// Queues a message; waits while the queue is full.
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
                Err((error, _)) => return Err(error.into()),
            }
        }
    }

    /// Puts a group's offsets into the open transaction.
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

    /// Ends the open transaction: everything in it is delivered, or nothing ever shows.
    pub(super) fn commit(&self) -> Result<(), Fault> {
        // The commit's own flush polls in steps of 100 ms: drained before, it takes one.
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
        if let Some((code, reason)) = self.inner.client().fatal_error() {
            return Err(Fault::Fenced(format!("{code}: {reason}")));
        }
        if context.count.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        let first = context.first.lock().unwrap_or_else(PoisonError::into_inner);
        Err(
            match first
                .clone()
                .map(|error| (Fault::from(error.clone()), error))
            {
                None => Fault::Broken("not delivered".into()),
                Some((Fault::Broken(_), error)) => Fault::Broken(context.noticed.reason(&error)),
                Some((fenced, _)) => fenced,
            },
        )
    }
}
