//! One publisher for one journal: a second instance with its identity, an older copy, and another
//! journal each end with exit code 6 and a reason.

use std::path::Path;

use florin_tests::broker::{Broker, Names};
use florin_tests::executable::{self, Finished};
use florin_tests::expected::{assert_published, exported};
use florin_tests::server::{Server, copy_folder};
use florin_tests::traffic::{Traffic, drained, published_once};

use crate::support::{florin, variables};

const EVENTS_HALTED: i32 = 6;

/// Runs the server until it ends by itself.
fn serves(data_dir: &Path, variables: &[(String, String)]) -> Finished {
    let data_dir = data_dir.to_str().unwrap();
    let variables = variables
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let variables: Vec<(&str, &str)> = variables.collect();
    executable::run(
        &["serve", "--port", "0", "--data-dir", data_dir],
        &variables,
    )
}

/// Asserts that the server ended with code 6, and that its last line gives the reason.
#[track_caller]
fn halted(ended: &Finished, why: &str) {
    assert_eq!(ended.code(), Some(EVENTS_HALTED), "{}", ended.output());
    let last = ended.stderr.lines().last().unwrap_or_default();
    assert!(last.contains(why), "{last}");
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn a_second_instance_takes_over_and_the_first_ends() {
    let (broker, names) = (Broker::shared(), Names::new("second"));
    let mut first = florin(broker, &names, &[]);
    first.account_of(10);
    drained(&first);
    assert_eq!(first.stop().code(), Some(0));
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&first.data_dir(), copy.path());
    first.start_again();
    drained(&first);
    let mut second = Server::copied(copy.path(), variables(broker, &names, &[]));
    drained(&second);
    second.account_of(20);
    drained(&second);
    // The first instance notices it with its next event, which no consumer sees.
    first.account();
    let ended = first.ended();
    assert_eq!(ended.code(), Some(EVENTS_HALTED), "{}", first.log());
    assert!(
        first.log().contains("another instance took over"),
        "{}",
        first.log()
    );
    second.account_of(30);
    published_once(&mut second, broker, &names);
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn an_older_copy_is_refused_and_does_not_disturb_the_newest() {
    let (broker, names) = (Broker::shared(), Names::new("older"));
    let mut newest = florin(broker, &names, &[]);
    newest.account_of(10);
    drained(&newest);
    assert_eq!(newest.stop().code(), Some(0));
    let older = tempfile::tempdir().unwrap();
    copy_folder(&newest.data_dir(), older.path());
    newest.start_again();
    newest.account_of(20);
    drained(&newest);
    let with_kafka = variables(broker, &names, &[]);
    halted(&serves(older.path(), &with_kafka), "it is an older copy");
    // A copy that went on alone, past the published records, is refused too.
    let mut apart = Server::copied(older.path(), Vec::new());
    (0..5).for_each(|_| drop(apart.account_of(1)));
    assert_eq!(apart.stop().code(), Some(0));
    halted(
        &serves(&apart.data_dir(), &with_kafka),
        "it is an older copy",
    );
    // Neither copy fenced the newest server.
    newest.account_of(30);
    published_once(&mut newest, broker, &names);
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn a_restored_older_backup_is_refused() {
    let (broker, names) = (Broker::shared(), Names::new("restored"));
    let mut server = florin(broker, &names, &[]);
    server.account_of(10);
    drained(&server);
    assert_eq!(server.stop().code(), Some(0));
    let folder = tempfile::tempdir().unwrap();
    let (backup, restored) = (folder.path().join("backup"), folder.path().join("data"));
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let data_dir = text(&server.data_dir());
    let made = executable::run(
        &["backup", "--to", &text(&backup), "--data-dir", &data_dir],
        &[],
    );
    assert_eq!(made.code(), Some(0), "{}", made.output());
    server.start_again();
    Traffic::new(&server, 1);
    let published = published_once(&mut server, broker, &names);
    let (from, to) = (text(&backup), text(&restored));
    let made = executable::run(&["restore", "--from", &from, "--data-dir", &to], &[]);
    assert_eq!(made.code(), Some(0), "{}", made.output());
    let ended = serves(&restored, &variables(broker, &names, &[]));
    halted(&ended, &format!("up to record {}", published.records));
    // With another identity, everything in the backup is published again, to other topics.
    let other = Names::new("restored-other");
    let id = other.of("id");
    let settings = [("kafka.transactional_id", id.as_str())];
    let mut again = Server::copied(&restored, variables(broker, &other, &settings));
    published_once(&mut again, broker, &other);
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn another_journal_with_the_same_identity_is_refused() {
    let (broker, names) = (Broker::shared(), Names::new("foreign"));
    let id = names.of("id");
    let settings = [("kafka.transactional_id", id.as_str())];
    let mut server = florin(broker, &names, &settings);
    server.account_of(10);
    drained(&server);
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("data");
    let ended = serves(&foreign, &variables(broker, &names, &settings));
    halted(&ended, "published another journal");
    server.account_of(10);
    published_once(&mut server, broker, &names);
    let lines = exported(&server.data_dir());
    assert_published(&lines, &names, &broker.read_all(&names.topics()));
}
