//! Topics: made with the settings' partitions, replicas and retention, or checked against them.

use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, NewTopic, OwnedResourceSpecifier, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::metadata::{Metadata, MetadataPartition};

use super::fault::Fault;
use super::options::KafkaOptions;

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(10);
/// How long between two looks at topics that are being made.
const LOOK: Duration = Duration::from_millis(50);

/// What a topic has to be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) partitions: i32,
    pub(super) replication: i32,
    pub(super) kept: Kept,
}

/// Which of a topic's messages are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// All, for so long.
    For(Duration),
    /// The last one of each key, for ever. What it was before is soon gone, so that the topic is
    /// short to read.
    Last,
}

impl Kept {
    /// What the topic is made with; the first of each is checked too, where it has the name of the
    /// setting beside it.
    fn config(self) -> Vec<(&'static str, String, Option<&'static str>)> {
        let of = |name, value: &str| (name, value.to_owned(), None);
        match self {
            Self::For(time) => {
                let retention = time.as_millis().to_string();
                vec![
                    ("cleanup.policy", "delete".to_owned(), Some("")),
                    ("retention.ms", retention, Some(" (kafka.retention_hours)")),
                ]
            }
            Self::Last => vec![
                ("cleanup.policy", "compact".to_owned(), Some("")),
                of("segment.bytes", "1048576"),
                of("segment.ms", "3600000"),
                of("min.cleanable.dirty.ratio", "0.1"),
                // What ends transactions goes after so long.
                of("delete.retention.ms", "60000"),
            ],
        }
    }
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

/// Makes the topics that are missing and checks those that are there, as `metadata` tells.
pub(super) fn ensure(
    options: &KafkaOptions,
    metadata: &Metadata,
    wanted: &[Wanted],
) -> Result<(), TopicFault> {
    let admin: AdminClient<DefaultClientContext> = options.admin().create().map_err(Fault::from)?;
    let request = AdminOptions::new().request_timeout(Some(REQUEST));
    let (mut present, mut missing) = (Vec::new(), Vec::new());
    for topic in wanted {
        let mut known = metadata.topics().iter();
        let known = known.find(|known| known.name() == topic.name);
        match known.filter(|known| !known.partitions().is_empty()) {
            None => missing.push(topic),
            Some(known) => {
                check_shape(topic, known.partitions())?;
                present.push(topic);
            }
        }
    }
    if !missing.is_empty() {
        make(&admin, &request, &missing)?;
        led(&admin, &missing)?;
    }
    if present.is_empty() {
        return Ok(());
    }
    check_config(&admin, &request, &present)
}

fn make(
    admin: &AdminClient<DefaultClientContext>,
    request: &AdminOptions,
    missing: &[&Wanted],
) -> Result<(), TopicFault> {
    let configs: Vec<_> = missing.iter().map(|topic| topic.kept.config()).collect();
    let new = missing.iter().zip(&configs).map(|(topic, config)| {
        let replication = TopicReplication::Fixed(topic.replication);
        let new = NewTopic::new(&topic.name, topic.partitions, replication);
        let settings = config.iter();
        settings.fold(new, |new, (name, value, _)| new.set(name, value))
    });
    let new: Vec<NewTopic<'_>> = new.collect();
    let made = wait(admin.create_topics(&new, request)).map_err(Fault::from)?;
    for result in made {
        match result {
            // Another instance made it just now: the next session checks it.
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => {
                let reason = format!("the topic {name} can't be made: {code}");
                return Err(if is_final(code) {
                    TopicFault::Wrong(reason)
                } else {
                    TopicFault::Broken(Fault::Broken(reason))
                });
            }
        }
    }
    Ok(())
}

/// Waits until each partition of topics that were made just now has a broker that leads it.
fn led(admin: &AdminClient<DefaultClientContext>, made: &[&Wanted]) -> Result<(), TopicFault> {
    let deadline = Instant::now() + REQUEST;
    loop {
        let metadata = admin.inner().fetch_metadata(None, REQUEST);
        let metadata = metadata.map_err(Fault::from)?;
        let is_led = |topic: &&Wanted| {
            let mut known = metadata.topics().iter();
            let known = known.find(|known| known.name() == topic.name);
            known.is_some_and(|known| {
                known.partitions().len() == topic.partitions as usize
                    && known.partitions().iter().all(|one| one.leader() >= 0)
            })
        };
        match made.iter().find(|topic| !is_led(topic)) {
            None => return Ok(()),
            Some(topic) if Instant::now() > deadline => {
                let reason = format!("the topic {} was made, but nobody leads it", topic.name);
                return Err(TopicFault::Broken(Fault::Broken(reason)));
            }
            Some(_) => std::thread::sleep(LOOK),
        }
    }
}

/// Whether the brokers would say the same again.
fn is_final(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::InvalidReplicationFactor
            | RDKafkaErrorCode::InvalidPartitions
            | RDKafkaErrorCode::InvalidTopic
            | RDKafkaErrorCode::InvalidConfig
            | RDKafkaErrorCode::PolicyViolation
            | RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
    )
}

fn check_shape(wanted: &Wanted, partitions: &[MetadataPartition]) -> Result<(), TopicFault> {
    let name = &wanted.name;
    if partitions.len() != wanted.partitions as usize {
        let (has, setting) = (partitions.len(), wanted.partitions);
        return Err(TopicFault::Wrong(format!(
            "the topic {name} has {has} partitions, not {setting} (kafka.partitions)"
        )));
    }
    let replicas = partitions.iter().map(|one| one.replicas().len()).min();
    let replicas = replicas.unwrap_or_default();
    if replicas != wanted.replication as usize {
        let setting = wanted.replication;
        return Err(TopicFault::Wrong(format!(
            "the topic {name} has {replicas} replicas, not {setting} (kafka.replication)"
        )));
    }
    Ok(())
}

fn check_config(
    admin: &AdminClient<DefaultClientContext>,
    request: &AdminOptions,
    present: &[&Wanted],
) -> Result<(), TopicFault> {
    let names = present.iter().map(|topic| topic.name.as_str());
    let named: Vec<ResourceSpecifier<'_>> = names.map(ResourceSpecifier::Topic).collect();
    let described = wait(admin.describe_configs(&named, request)).map_err(Fault::from)?;
    for config in described {
        let config = match config {
            Ok(config) => config,
            // Who may not ask can't be told.
            Err(RDKafkaErrorCode::TopicAuthorizationFailed) => continue,
            Err(code) => {
                let reason = format!("a topic's settings can't be read: {code}");
                return Err(TopicFault::Broken(Fault::Broken(reason)));
            }
        };
        let OwnedResourceSpecifier::Topic(name) = &config.specifier else {
            continue;
        };
        let Some(topic) = present.iter().find(|topic| topic.name == *name) else {
            continue;
        };
        for (setting, wants, by) in topic.kept.config() {
            let has = config.get(setting).and_then(|entry| entry.value.as_deref());
            if let (Some(by), Some(has)) = (by, has)
                && has != wants
            {
                return Err(TopicFault::Wrong(format!(
                    "the topic {name} has {setting} {has}, not {wants}{by}"
                )));
            }
        }
    }
    Ok(())
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
