//! The events that must be on the topics, derived from `florin export` alone by the table of
//! `docs/concepts/events.md`. This module shares no code with the publisher.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::bank::text;
use crate::broker::Names;
use crate::executable;
use crate::topic::Received;

/// An event as a reader identifies it: by its record, its type without prefix and version, and its
/// key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Told {
    /// The sequence of its record, from `ce_sequence`.
    pub sequence: u64,
    /// Its type without prefix and version, such as `wallet.created`.
    pub event_type: String,
    /// The id of its entity.
    pub key: String,
}

/// Returns the lines of `florin export` for a data folder that no process uses.
///
/// # Panics
/// Panics if it can't be exported.
#[track_caller]
pub fn exported(data_dir: &Path) -> Vec<Value> {
    let data_dir = data_dir.to_str().expect("a path of text");
    let run = executable::run(&["export", "--data-dir", data_dir], &[]);
    assert_eq!(run.code(), Some(0), "{}", run.stderr);
    let lines = run.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// Returns the events that these records make, in their order.
pub fn events_of(lines: &[Value]) -> Vec<Told> {
    lines.iter().flat_map(of_line).collect()
}

fn of_line(line: &Value) -> Vec<Told> {
    let sequence = line["sequence"].as_u64().expect("a sequence");
    let told = |event_type: &str, key: String| Told {
        sequence,
        event_type: event_type.to_owned(),
        key,
    };
    let each = |types: &[&str], key: String| -> Vec<Told> {
        types.iter().map(|one| told(one, key.clone())).collect()
    };
    const BEGUN: &str = "transaction.initiated";
    const MADE: &str = "transaction.completed";
    const FAILED: &str = "transaction.failed";
    let command = &line["command"];
    let kind = text(command, "kind");
    let field = |name: &str| text(command, name);
    match (line["outcome"]["status"].as_str(), kind.as_str()) {
        (Some("accepted"), "deposit") => each(&["account.deposit-requested"], field("to")),
        (Some("accepted"), "withdrawal") => each(&["account.withdrawal-requested"], field("from")),
        (Some("accepted"), "transfer") => each(&["account.transfer-requested"], field("from")),
        (Some("completed"), "open_account") => each(&["account.created"], changed(line, "opened")),
        (Some("completed"), "update_account" | "delete_account") => {
            match find_changed(line, "status_changed") {
                Some(id) => each(&["account.status-changed"], id),
                None => Vec::new(),
            }
        }
        (Some("completed"), "open_wallet") => each(
            &["wallet.created", "wallet.created-event"],
            changed(line, "opened"),
        ),
        (Some("completed"), "open_merchant") => {
            each(&["merchant.created"], changed(line, "opened"))
        }
        (Some("completed"), "deposit") => {
            let mut all = each(&[BEGUN, MADE, "account.deposit-completed"], field("to"));
            let postings = line["postings"].as_array().expect("postings");
            if postings.iter().any(|one| one["kind"] == "wallet") {
                all.push(told("wallet.funds-added", field("to")));
            }
            all
        }
        (Some("completed"), "withdrawal") => each(
            &[BEGUN, MADE, "account.withdrawal-completed"],
            field("from"),
        ),
        (Some("completed"), "transfer") => {
            each(&[BEGUN, MADE, "account.transfer-completed"], field("from"))
        }
        (Some("completed"), "reversal") => {
            let key = changed(line, "debited");
            each(&[BEGUN, MADE, "account.transfer-completed"], key)
        }
        (Some("completed"), "hold") => each(&[BEGUN], field("from")),
        (Some("completed"), "post") => each(&[MADE], changed(line, "hold_posted")),
        (Some("completed"), "void" | "expire") => each(&[FAILED], changed(line, "hold_released")),
        (Some("completed"), "transaction") => {
            let first = text(&command["legs"][0], "from");
            each(&[BEGUN, MADE], first)
        }
        (Some("completed"), "batch") => of_batch(line, &told),
        (Some("refused"), kind) if shows_refusals(line) => match kind {
            "deposit" => each(&[FAILED, "account.deposit-failed"], field("to")),
            "withdrawal" => each(&[FAILED, "account.withdrawal-failed"], field("from")),
            "transfer" | "hold" => each(&[FAILED, "account.transfer-failed"], field("from")),
            "post" | "void" | "reversal" => each(&[FAILED], field("transfer_id")),
            "transaction" => each(&[FAILED], text(&command["legs"][0], "from")),
            "batch" => each(&[FAILED], text(&command["transfers"][0], "from")),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// Reports whether a refusal makes events: it has an idempotency key, or its command came
/// asynchronously.
fn shows_refusals(line: &Value) -> bool {
    ["idempotency_key", "execution", "input"]
        .iter()
        .any(|field| !line[*field].is_null())
}

fn of_batch(line: &Value, told: &dyn Fn(&str, String) -> Told) -> Vec<Told> {
    let others: BTreeMap<u64, &Value> = line["outcome"]["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|item| (item["index"].as_u64().expect("an index"), item))
        .collect();
    let items = line["command"]["transfers"].as_array().expect("items");
    let mut all = Vec::new();
    for (index, item) in (0_u64..).zip(items) {
        let types: &[&str] = match others.get(&index) {
            None if item.get("expires_in_seconds").is_some() => &["transaction.initiated"],
            None => &[
                "transaction.initiated",
                "transaction.completed",
                "account.transfer-completed",
            ],
            Some(other) if other.get("code").is_none() => &[],
            Some(_) if item["idempotency_key"].is_null() && line["execution"].is_null() => &[],
            Some(_) => &["transaction.failed", "account.transfer-failed"],
        };
        let types = types.iter();
        all.extend(types.map(|event_type| told(event_type, text(item, "from"))));
    }
    all
}

#[track_caller]
fn changed(line: &Value, event: &str) -> String {
    find_changed(line, event).unwrap_or_else(|| panic!("nothing {event} in {line}"))
}

/// Returns the account, wallet or merchant in a record to which this event happened.
fn find_changed(line: &Value, event: &str) -> Option<String> {
    let changes = line["changes"].as_array().expect("changes");
    let change = changes.iter().find(|change| {
        let kind = change["kind"].as_str().expect("a kind");
        let holds_money = ["account", "wallet", "merchant"].contains(&kind);
        let mut events = change["events"].as_array().expect("events").iter();
        holds_money && events.any(|one| one["type"] == event)
    })?;
    Some(text(change, "entity_id"))
}

/// Asserts that each topic has exactly the events that are bound to it, each once, and that the
/// events of a key are in one partition in the order of their records.
///
/// # Panics
/// Panics if an event is missing, doubled, out of order, elsewhere or unexpected.
#[track_caller]
pub fn assert_published(lines: &[Value], names: &Names, received: &[Received]) {
    let mut wanted: BTreeMap<(String, String), Vec<(u64, String)>> = BTreeMap::new();
    for event in events_of(lines) {
        for topic in names.topics_of(&event.event_type) {
            let place = wanted.entry((topic, event.key.clone())).or_default();
            place.push((event.sequence, event.event_type.clone()));
        }
    }
    let mut found: BTreeMap<(String, String), Vec<(u64, String)>> = BTreeMap::new();
    let mut partitions = BTreeMap::new();
    let mut ids = BTreeMap::new();
    for message in received {
        let place = (message.topic.clone(), message.key().to_owned());
        let first = *partitions.entry(place.clone()).or_insert(message.partition);
        assert_eq!(first, message.partition, "one partition for {place:?}");
        let event_type = message.header("ce_type");
        let short = event_type.strip_prefix("florin.").expect("a prefix");
        let (short, _version) = short.rsplit_once(".v").expect("a version");
        let sequence = message.header("ce_sequence").parse().expect("a number");
        let id = (message.topic.clone(), message.header("ce_id").to_owned());
        let again = ids.insert(id, message.offset);
        assert!(again.is_none(), "twice: {message:?}");
        found
            .entry(place)
            .or_default()
            .push((sequence, short.to_owned()));
    }
    for (place, wanted) in &wanted {
        let found = found.get(place);
        assert_eq!(found, Some(wanted), "the events of {place:?}");
    }
    let more: Vec<_> = found
        .keys()
        .filter(|key| !wanted.contains_key(key))
        .collect();
    assert!(more.is_empty(), "nobody made {more:?}");
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use serde_json::json;

    use super::*;

    fn message(topic: String, offset: i64, sequence: u64, event_type: &str) -> Received {
        let header = |name: &str, value: String| (name.to_owned(), value.into_bytes());
        Received {
            topic,
            partition: 0,
            offset,
            timestamp_millis: None,
            key: Some(b"a".to_vec()),
            headers: vec![
                header("ce_id", format!("{sequence} {event_type}")),
                header("ce_type", format!("florin.{event_type}.v1")),
                header("ce_sequence", sequence.to_string()),
            ],
            value: None,
        }
    }

    #[test]
    fn what_is_missing_doubled_out_of_order_elsewhere_or_unasked_is_found() {
        let withdrawn = |sequence: u64| {
            json!({"sequence": sequence, "idempotency_key": null,
                "command": {"kind": "withdrawal", "from": "a"},
                "outcome": {"status": "completed"}, "changes": [], "postings": []})
        };
        let lines = [withdrawn(1), withdrawn(2)];
        let names = Names::new("oracle");
        let transactions = names.of("transaction-events");
        let responses = names.of("withdrawal-responses");
        let mut right = Vec::new();
        for (offset, sequence) in [(0, 1), (2, 2)] {
            let begun = "transaction.initiated";
            right.push(message(transactions.clone(), offset, sequence, begun));
            let made = "transaction.completed";
            right.push(message(transactions.clone(), offset + 1, sequence, made));
            let answered = "account.withdrawal-completed";
            right.push(message(responses.clone(), offset, sequence, answered));
        }
        assert_published(&lines, &names, &right);
        let wrong = |change: &dyn Fn(&mut Vec<Received>)| {
            let mut received = right.clone();
            change(&mut received);
            let found = AssertUnwindSafe(|| assert_published(&lines, &names, &received));
            assert!(catch_unwind(found).is_err(), "{received:?}");
        };
        wrong(&|all| drop(all.remove(1)));
        wrong(&|all| all.push(all[1].clone()));
        wrong(&|all| all.swap(0, 1));
        wrong(&|all| all[3].partition = 1);
        wrong(&|all| all[0].key = Some(b"b".to_vec()));
        wrong(&|all| {
            all.push(message(
                responses.clone(),
                9,
                3,
                "account.withdrawal-failed",
            ))
        });
    }
}
