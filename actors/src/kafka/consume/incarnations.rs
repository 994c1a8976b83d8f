//! The incarnations of topics. Topics have ids (KIP-516), but `rdkafka` has no API for them. The
//! underlying C library writes them to its log, which is parsed here: see ADR 0009.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;

use crate::kafka::fault::Fault;
use crate::kafka::options::{KafkaOptions, log_topic_ids};
use crate::words::Incarnation;

/// The timeout of one request.
const REQUEST: Duration = Duration::from_secs(5);
/// The maximum delay of the library's log line after the answer to which it belongs.
const LINE: Duration = Duration::from_secs(2);

/// Parses a line of the library's log: returns the topic and its new id.
fn id_change(line: &str) -> Option<(&str, &str)> {
    let (before, ids) = line.split_once(" changed id from ")?;
    let topic = before.rsplit_once("Topic ")?.1;
    let (_, id) = ids.split_once(" to ")?;
    let id = id.trim();
    (!topic.is_empty() && !id.is_empty()).then_some((topic, id))
}

/// The context of a client that collects the topic ids in the library's log.
#[derive(Debug, Default)]
struct IdCollector(Mutex<BTreeMap<String, String>>);

impl IdCollector {
    fn ids(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for IdCollector {
    fn log(&self, _: RDKafkaLogLevel, _: &str, line: &str) {
        if let Some((topic, id)) = id_change(line) {
            self.ids().insert(topic.to_owned(), id.to_owned());
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka client");
    }
}

impl ConsumerContext for IdCollector {}

/// The present incarnations of topics.
#[derive(Debug, Clone, Default)]
pub(super) struct Incarnations {
    cluster: String,
    ids: BTreeMap<String, String>,
}

impl Incarnations {
    /// Asks the brokers for the incarnations.
    ///
    /// # Errors
    /// Returns an error if the brokers don't answer, if a topic doesn't exist, or if the brokers
    /// don't support topic ids (Kafka does since 2.8).
    pub(super) fn fetch(options: &KafkaOptions, topics: &[String]) -> Result<Self, Fault> {
        let mut config = options.reader(false);
        log_topic_ids(&mut config);
        let client = BaseConsumer::from_config_and_context(&config, IdCollector::default())?;
        let cluster = client.client().fetch_cluster_id(REQUEST);
        let cluster = cluster.ok_or_else(|| Fault::Broken("the cluster reports no id".into()))?;
        for topic in topics {
            client.fetch_metadata(Some(topic), REQUEST)?;
        }
        let deadline = Instant::now() + LINE;
        loop {
            while client.poll(Duration::from_millis(1)).is_some() {}
            let ids = client.context().ids().clone();
            match topics.iter().find(|topic| !ids.contains_key(*topic)) {
                None => return Ok(Self { cluster, ids }),
                Some(topic) if Instant::now() > deadline => {
                    let reason = format!("the brokers don't report the id of the topic {topic}");
                    return Err(Fault::Broken(reason));
                }
                Some(_) => {}
            }
        }
    }

    /// Returns a topic's present incarnation.
    pub(super) fn of(&self, topic: &str) -> Incarnation {
        let id = self.ids.get(topic).map(String::as_str);
        Incarnation::of(&self.cluster, id.unwrap_or_default())
    }

    /// Returns the topic's id as Kafka's tools show it, and the id of its cluster.
    pub(super) fn ids(&self, topic: &str) -> (&str, &str) {
        let id = self.ids.get(topic).map(String::as_str);
        (id.unwrap_or_default(), &self.cluster)
    }

    /// Returns the topic and its new id if a line of the library's log says that one of these
    /// topics has another id now.
    pub(super) fn changed(&self, line: &str) -> Option<(String, String)> {
        let (topic, id) = id_change(line)?;
        let known = self.ids.get(topic)?;
        (known != id).then(|| (topic.to_owned(), id.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "[thrd:main]: Topic deposit-requests changed id from \
                        AAAAAAAAAAAAAAAAAAAAAA to Zx8_1kQkTcO-2oPpV0Yb0w";

    #[test]
    fn a_topics_id_is_read_from_the_librarys_line() {
        assert_eq!(
            id_change(LINE),
            Some(("deposit-requests", "Zx8_1kQkTcO-2oPpV0Yb0w"))
        );
        for other in [
            "",
            "Topic x [0] Leader 1 Epoch 0",
            " changed id from a to b",
        ] {
            assert_eq!(id_change(other), None);
        }
    }

    #[test]
    fn another_id_of_a_known_topic_ends_its_incarnation() {
        let mut incarnations = Incarnations::default();
        assert_eq!(incarnations.changed(LINE), None, "not ours");
        let topic = "deposit-requests".to_owned();
        incarnations
            .ids
            .insert(topic.clone(), "Zx8_1kQkTcO-2oPpV0Yb0w".to_owned());
        assert_eq!(incarnations.changed(LINE), None);
        incarnations.ids.insert(topic.clone(), "another".to_owned());
        assert_eq!(
            incarnations.changed(LINE).map(|(topic, _)| topic),
            Some(topic)
        );
    }
}
