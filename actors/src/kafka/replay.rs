//! Replays to Kafka: the events go onto their topics again, in transactions of an identity of their own,
//! `<transactional id>-replay`, together with how far the replay is. So each event is there once per
//! replay, also when the process is killed.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;

use super::cursor::{self, Until};
use super::fault::Fault;
use super::options::KafkaOptions;
use super::producer::{Outgoing, Producer, native};
use crate::bus::{OpenTarget, Progress, Replay, ReplayTarget, Replayed, TargetFault};
use crate::messages::OperationId;

/// The header that names the replay.
const HEADER: &str = "x-florin-replay";
/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(5);

/// What opens the topics as a target of replays; `options` are the publisher's.
pub fn replay_to(mut options: KafkaOptions) -> OpenTarget {
    options.transactional_id.push_str("-replay");
    Box::new(move |replay: &Replay, go_on: &dyn Fn() -> bool| {
        make_topic(&options)?;
        let producer = Producer::start(&options, go_on)?;
        Ok(Box::new(Topics {
            options: options.clone(),
            producer,
            id: replay.id,
        }))
    })
}

/// The topics of one replay.
struct Topics {
    options: KafkaOptions,
    producer: Producer,
    id: OperationId,
}

impl From<Fault> for TargetFault {
    // Being fenced tells no more than that the broker gave up waiting: the data folder has one process.
    fn from(fault: Fault) -> Self {
        Self::Transient(fault.to_string())
    }
}

impl ReplayTarget for Topics {
    fn progress(&mut self) -> Result<Option<Progress>, TargetFault> {
        let topic = self.options.cursor_topic();
        let Some(value) = cursor::value(&self.options, self.id.to_string().as_bytes(), Until::End)?
        else {
            return Ok(None);
        };
        serde_json::from_slice(&value)
            .map(Some)
            .map_err(|error| TargetFault::Final(format!("{topic} holds no progress: {error}")))
    }

    fn put(&mut self, events: &[Replayed<'_>], progress: &Progress) -> Result<(), TargetFault> {
        let id = self.id.to_string();
        self.producer.begin()?;
        for Replayed { event, topics } in events {
            let (key, value) = (event.key.to_string(), event.json());
            let mut headers = event.headers().to_vec();
            headers.push((HEADER, id.clone().into()));
            for topic in topics {
                self.producer.send(Outgoing {
                    topic,
                    key: key.as_bytes(),
                    value: &value,
                    timestamp_millis: Some(event.time.as_micros() / 1_000),
                    headers: native(&headers),
                })?;
            }
        }
        // Texts and numbers alone: it can't fail.
        let value = serde_json::to_vec(progress).unwrap_or_default();
        self.producer.send(Outgoing {
            topic: &self.options.cursor_topic(),
            key: id.as_bytes(),
            value: &value,
            timestamp_millis: None,
            headers: native(&[]),
        })?;
        Ok(self.producer.commit()?)
    }
}

/// Makes the topic of the replays' cursors, where it is missing: one partition, the last value of each.
fn make_topic(options: &KafkaOptions) -> Result<(), Fault> {
    let admin: AdminClient<DefaultClientContext> = options.admin().create()?;
    let name = options.cursor_topic();
    let replication = TopicReplication::Fixed(options.replication);
    let topic = NewTopic::new(&name, 1, replication).set("cleanup.policy", "compact");
    let request = AdminOptions::new()
        .request_timeout(Some(REQUEST))
        .operation_timeout(Some(REQUEST));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let runtime = runtime.map_err(|error| Fault::Broken(error.to_string()))?;
    let made = runtime.block_on(admin.create_topics([&topic], &request))?;
    for result in made {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => return Err(Fault::Broken(format!("topic {name}: {code}"))),
        }
    }
    Ok(())
}
