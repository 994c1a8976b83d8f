//! Topics: made with the settings' partitions, replicas and retention, or checked against them.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;

use super::options::KafkaOptions;
use super::producer::Fault;

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(10);

/// What a topic has to be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) partitions: i32,
    pub(super) replication: i32,
    /// Only the last message of a key is kept, and for ever; otherwise all, for so long.
    pub(super) retention: Option<Duration>,
}

/// Why the topics are not what they have to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TopicFault {
    /// One is otherwise: an operator has to decide.
    #[error("{0}")]
    Wrong(String),
    /// They couldn't be asked for, or made.
    #[error(transparent)]
    Broken(#[from] Fault),
}

/// Makes the topics that are missing and checks those that are there.
pub(super) fn ensure(options: &KafkaOptions, wanted: &[Wanted]) -> Result<(), TopicFault> {
    let admin: AdminClient<DefaultClientContext> = options.admin().create().map_err(Fault::from)?;
    let metadata = admin
        .inner()
        .fetch_metadata(None, REQUEST)
        .map_err(Fault::from)?;
    let mut present = Vec::new();
    let mut missing = Vec::new();
    for topic in wanted {
        let known = metadata
            .topics()
            .iter()
            .find(|known| known.name() == topic.name);
        match known.filter(|known| !known.partitions().is_empty()) {
            None => missing.push(topic),
            Some(known) => {
                check_shape(topic, known.partitions())?;
                present.push(topic);
            }
        }
    }
    let request = AdminOptions::new().request_timeout(Some(REQUEST));
    let retentions: Vec<String> = missing.iter().map(|topic| retention_ms(topic)).collect();
    let new = missing.iter().zip(&retentions).map(|(topic, retention)| {
        let new = NewTopic::new(
            &topic.name,
            topic.partitions,
            TopicReplication::Fixed(topic.replication),
        );
        match topic.retention {
            None => new.set("cleanup.policy", "compact"),
            Some(_) => new.set("retention.ms", retention),
        }
    });
    let new: Vec<NewTopic<'_>> = new.collect();
    if !new.is_empty() {
        let made = wait(admin.create_topics(&new, &request)).map_err(Fault::from)?;
        for result in made {
            match result {
                // Another instance made it just now: the next look checks it.
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => {
                    return Err(TopicFault::Wrong(format!(
                        "the topic {name} can't be made: {code}"
                    )));
                }
            }
        }
    }
    check_retention(&admin, &request, &present)
}

fn check_shape(
    wanted: &Wanted,
    partitions: &[rdkafka::metadata::MetadataPartition],
) -> Result<(), TopicFault> {
    let name = &wanted.name;
    if partitions.len() != wanted.partitions as usize {
        let (has, setting) = (partitions.len(), wanted.partitions);
        return Err(TopicFault::Wrong(format!(
            "the topic {name} has {has} partitions, not {setting} (kafka.partitions)"
        )));
    }
    let replicas = partitions
        .iter()
        .map(|partition| partition.replicas().len())
        .min();
    let replicas = replicas.unwrap_or_default();
    if replicas != wanted.replication as usize {
        let setting = wanted.replication;
        return Err(TopicFault::Wrong(format!(
            "the topic {name} has {replicas} replicas, not {setting} (kafka.replication)"
        )));
    }
    Ok(())
}

fn check_retention(
    admin: &AdminClient<DefaultClientContext>,
    request: &AdminOptions,
    present: &[&Wanted],
) -> Result<(), TopicFault> {
    if present.is_empty() {
        return Ok(());
    }
    let named = present
        .iter()
        .map(|topic| ResourceSpecifier::Topic(&topic.name));
    let named: Vec<ResourceSpecifier<'_>> = named.collect();
    let described = wait(admin.describe_configs(&named, request)).map_err(Fault::from)?;
    for (topic, config) in present.iter().zip(described) {
        let Ok(config) = config else { continue };
        let value = |name: &str| config.get(name).and_then(|entry| entry.value.clone());
        let (setting, has, wants) = match topic.retention {
            None => (
                "cleanup.policy",
                value("cleanup.policy"),
                "compact".to_owned(),
            ),
            Some(_) => ("retention.ms", value("retention.ms"), retention_ms(topic)),
        };
        if has.as_ref().is_some_and(|has| *has != wants) {
            let (name, has) = (&topic.name, has.unwrap_or_default());
            return Err(TopicFault::Wrong(format!(
                "the topic {name} has {setting} {has}, not {wants}{}",
                if topic.retention.is_some() {
                    " (kafka.retention_hours)"
                } else {
                    ""
                }
            )));
        }
    }
    Ok(())
}

fn retention_ms(topic: &Wanted) -> String {
    topic.retention.unwrap_or_default().as_millis().to_string()
}

/// Waits on a thread of its own for what the client answers on another.
fn wait<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(output) => return output,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}
