//! Topics: missing ones are created with the settings' partitions, replicas and retention; existing
//! ones are checked against them.

use std::collections::BTreeMap;
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
use crate::blocking::wait;

/// The timeout of one request.
const REQUEST: Duration = Duration::from_secs(10);
/// The pause between two requests for the state of new topics.
const LOOK: Duration = Duration::from_millis(50);

/// The required properties of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) partitions: i32,
    pub(super) replication: i32,
    pub(super) retention: Retention,
}

/// The retention of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retention {
    /// All messages are kept for this time.
    Time(Duration),
    /// Only the last message of each key is kept, without time limit. Older messages are removed
    /// soon, so that the topic can be read quickly.
    LastOfKey,
}

impl Retention {
    /// Returns the topic's configuration: name, value, and a text. Entries that have a text are
    /// also checked in existing topics; the text names the Florin setting behind the value, if
    /// there is one.
    fn config(self) -> Vec<(&'static str, String, Option<&'static str>)> {
        let of = |name, value: &str| (name, value.to_owned(), None);
        match self {
            Self::Time(time) => {
                let retention = time.as_millis().to_string();
                vec![
                    ("cleanup.policy", "delete".to_owned(), Some("")),
                    ("retention.ms", retention, Some(" (kafka.retention_hours)")),
                ]
            }
            Self::LastOfKey => vec![
                ("cleanup.policy", "compact".to_owned(), Some("")),
                of("segment.bytes", "1048576"),
                of("segment.ms", "3600000"),
                of("min.cleanable.dirty.ratio", "0.1"),
                // Transaction markers are removed after this time.
                of("delete.retention.ms", "60000"),
            ],
        }
    }
}

/// The reason why the topics don't meet the requirements.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TopicFault {
    /// A topic has other properties than required, so an operator must decide.
    #[error("{0}")]
    Wrong(String),
    /// The topics could not be queried or created.
    #[error(transparent)]
    Broken(#[from] Fault),
}

/// Creates missing topics and checks existing ones. `metadata` says which topics exist.
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
        create(&admin, &request, &missing)?;
        wait_for_leaders(&admin, &missing)?;
    }
    if present.is_empty() {
        return Ok(());
    }
    check_config(&admin, &request, &present)
}

fn create(
    admin: &AdminClient<DefaultClientContext>,
    request: &AdminOptions,
    missing: &[&Wanted],
) -> Result<(), TopicFault> {
    let configs: Vec<_> = missing
        .iter()
        .map(|topic| topic.retention.config())
        .collect();
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
            // Another instance has just created the topic. The next session checks it.
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => {
                let reason = format!("the topic {name} can't be created: {code}");
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

/// Waits until every partition of new topics has a leader.
fn wait_for_leaders(
    admin: &AdminClient<DefaultClientContext>,
    created: &[&Wanted],
) -> Result<(), TopicFault> {
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
        match created.iter().find(|topic| !is_led(topic)) {
            None => return Ok(()),
            Some(topic) if Instant::now() > deadline => {
                let reason = format!("the topic {} was created, but it has no leader", topic.name);
                return Err(TopicFault::Broken(Fault::Broken(reason)));
            }
            Some(_) => std::thread::sleep(LOOK),
        }
    }
}

/// Returns whether a repeated request would fail in the same way.
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
    let (has, setting) = (partitions.len(), wanted.partitions);
    if has < wanted.partitions as usize {
        return Err(TopicFault::Wrong(format!(
            "the topic {name} has {has} partitions, not {setting} (kafka.partitions)"
        )));
    }
    if has > wanted.partitions as usize {
        tracing::warn!(
            topic = name,
            has,
            setting,
            "the topic has more partitions than kafka.partitions says: it is used as it is"
        );
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
            // Without permission to read the configuration, the topic can't be checked.
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
        for (setting, wants, by) in topic.retention.config() {
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

/// Returns the maximum message size of each topic (`max.message.bytes`). Topics are missing in the
/// result if the brokers don't tell it: without permission, or if the topic was just created.
pub(super) fn limits<'t>(
    options: &KafkaOptions,
    topics: impl Iterator<Item = &'t str>,
) -> Result<BTreeMap<String, usize>, Fault> {
    let admin: AdminClient<DefaultClientContext> = options.admin().create()?;
    let request = AdminOptions::new().request_timeout(Some(REQUEST));
    let named: Vec<ResourceSpecifier<'_>> = topics.map(ResourceSpecifier::Topic).collect();
    let described = wait(admin.describe_configs(&named, &request))?;
    let mut limits = BTreeMap::new();
    for config in described.into_iter().flatten() {
        let limit = config.get("max.message.bytes");
        let limit = limit.and_then(|entry| entry.value.as_deref()?.parse().ok());
        if let (OwnedResourceSpecifier::Topic(name), Some(limit)) = (&config.specifier, limit) {
            limits.insert(name.clone(), limit);
        }
    }
    Ok(limits)
}
