//! Topics are created as the settings say. A topic with other settings is a clear error at the
//! start.

use florin_tests::broker::{Broker, Names};
use florin_tests::executable;
use florin_tests::traffic::drained;

use crate::support::{florin, variables};

const EVENTS_HALTED: i32 = 6;

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn topics_are_made_with_the_settings_partitions_replicas_and_retention() {
    let (broker, names) = (Broker::shared(), Names::new("made"));
    let settings = [("kafka.partitions", "5"), ("kafka.retention_hours", "3")];
    let server = florin(broker, &names, &settings);
    drained(&server);
    // The tool takes a regular expression, which matches all of the test's own topics.
    let all = names.of(".*");
    let output = broker.tool("kafka-topics", &["--describe", "--topic", &all]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let summaries = told.lines().filter(|line| line.contains("PartitionCount"));
    let summaries: Vec<&str> = summaries.collect();
    // There is also a dead-letter topic for each topic that Florin consumes.
    let taken = [
        "deposit-requests",
        "withdrawal-requests",
        "transfer-requests",
        "card-events",
    ];
    let wanted = names.topics().len() + taken.len();
    assert_eq!(summaries.len(), wanted, "{told}");
    for topic in taken {
        let dead = names.of(&format!("{topic}.dlq"));
        assert!(told.contains(&format!("Topic: {dead}\t")), "{dead}: {told}");
    }
    for part in ["PartitionCount: 5", "ReplicationFactor: 1"] {
        assert!(summaries.iter().all(|line| line.contains(part)), "{told}");
    }
    // Dead letters have no retention limit, because they wait for an operator.
    for summary in summaries {
        let retention = if summary.contains(".dlq\t") {
            "-1"
        } else {
            "10800000"
        };
        let kept = format!("retention.ms={retention}");
        assert!(summary.contains(&kept), "{summary}");
    }
    // After a restart it finds the topics as they must be.
    let mut server = server;
    server.restart();
    drained(&server);
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn a_topic_that_is_otherwise_ends_the_start_with_a_line_that_says_how() {
    let broker = Broker::shared();
    let make = |names: &Names, more: &[&str]| {
        let topic = names.of("wallet-events");
        let mut arguments = vec!["--create", "--topic", &topic];
        arguments.extend(more);
        let made = broker.tool("kafka-topics", &arguments);
        assert!(made.status.success(), "{made:?}");
        topic
    };
    let refused = |names: &Names, settings: &[(&str, &str)], why: &str| {
        let variables = variables(broker, names, settings);
        let variables: Vec<(&str, &str)> = variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let ended = executable::run(&["serve", "--port", "0", "--data-dir", "data"], &variables);
        assert_eq!(ended.code(), Some(EVENTS_HALTED), "{}", ended.output());
        let last = ended.stderr.lines().last().unwrap_or_default();
        assert!(last.contains(why), "{why} in {last}");
    };
    let names = Names::new("partitions");
    let topic = make(&names, &["--partitions", "1"]);
    refused(
        &names,
        &[],
        &format!("{topic} has 1 partitions, not 3 (kafka.partitions)"),
    );

    let names = Names::new("retention");
    let topic = make(
        &names,
        &["--partitions", "3", "--config", "retention.ms=1000"],
    );
    let why = format!("{topic} has retention.ms 1000, not 604800000 (kafka.retention_hours)");
    refused(&names, &[], &why);

    let names = Names::new("compacted");
    let topic = make(
        &names,
        &["--partitions", "3", "--config", "cleanup.policy=compact"],
    );
    let why = format!("{topic} has cleanup.policy compact, not delete");
    refused(&names, &[], &why);

    // The setting asks for more replicas than there are brokers.
    let names = Names::new("replicas");
    refused(
        &names,
        &[("kafka.replication", "3")],
        "can't be created: InvalidReplicationFactor",
    );
}
