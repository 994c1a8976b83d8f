//! Replays to Kafka. The events are published to their topics again, in transactions with a
//! separate transactional id, `<transactional id>-replay`, together with the replay's progress.
//! Each event is therefore published exactly once per replay, even if the process is killed.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;

use super::cursor::{self, Until};
use crate::bus::{OpenTarget, Progress, Replay, ReplayTarget, Replayed, TargetFault};
use crate::bus::{REPLAY, REPLAY_PART, REPLAY_WHOLE};
use crate::kafka::fault::Fault;
use crate::kafka::options::KafkaOptions;
use crate::kafka::producer::{Outgoing, Producer, native};
use crate::kafka::topics;
use crate::words::OperationId;

/// The timeout of one request.
const REQUEST: Duration = Duration::from_secs(5);

/// Returns a function that opens the topics as the target of a replay. `options` are the
/// publisher's.
pub fn replay_to(mut options: KafkaOptions) -> OpenTarget {
    options.transactional_id.push_str("-replay");
    Box::new(move |replay: &Replay, go_on: &dyn Fn() -> bool| {
        make_topic(&options)?;
        let totals = replay.totals.clone().unwrap_or_default();
        let topics = totals.keys().map(String::as_str);
        let limits = topics::limits(&options, topics)?;
        let batch_bytes_max = limits.values().min().copied();
        let producer = Producer::start_within(&options, batch_bytes_max, go_on)?;
        Ok(Box::new(Topics {
            options: options.clone(),
            producer,
            id: replay.id,
            totals,
            is_whole: replay.is_whole,
        }))
    })
}

/// The topics of one replay.
struct Topics {
    options: KafkaOptions,
    producer: Producer,
    id: OperationId,
    /// The total number of the replay's messages, by topic.
    totals: BTreeMap<String, u64>,
    is_whole: bool,
}

impl From<Fault> for TargetFault {
    // A data folder has only one process, so a fencing error only means that the broker fenced a
    // producer that was too slow.
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
            for (topic, number) in topics {
                let total = self.totals.get(*topic).copied().unwrap_or_default();
                let mut headers = event.headers().to_vec();
                headers.push((REPLAY, id.clone().into()));
                headers.push((REPLAY_PART, format!("{number}/{total}").into()));
                headers.push((REPLAY_WHOLE, self.is_whole.to_string().into()));
                self.producer.send(Outgoing {
                    topic,
                    key: key.as_bytes(),
                    value: &value,
                    timestamp_millis: Some(event.time.as_micros() / 1_000),
                    headers: native(&headers),
                })?;
            }
        }
        // The progress consists of texts and numbers, so serialization can't fail.
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

/// Creates the topic of the replays' cursors if it doesn't exist: one partition, and compacted, so
/// that it keeps the last value of each key.
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
