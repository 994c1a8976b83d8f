//! `florin export`: every record is a line, and the lines alone contain the whole ledger.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use florin_tests::bank::{UNKNOWN_ID, is_time, opening, text, with};
use florin_tests::executable::{self, Finished};
use florin_tests::http::Request;
use florin_tests::journal::Copy;
use florin_tests::poll::eventually;
use florin_tests::server::Server;
use serde_json::{Value, json};

const FAILED: i32 = 1;
const MISCONFIGURED: i32 = 2;
const DATA_IN_USE: i32 = 4;
const DATA_DAMAGED: i32 = 5;

/// Returns a stopped server with every kind of record, and its accounts as it showed them last.
fn sample() -> (Server, Vec<Value>) {
    let mut server = Server::start();
    let named = with(
        opening(),
        &json!({"reference": "r", "metadata": {"n": "1"}}),
    );
    let opened = Request::post("/accounts", &named).key("open-ada");
    let id = text(&server.send(&opened).with(201), "id");
    let other = text(&server.open(&json!({"overdraft_limit": null})), "id");
    for n in 1..=6 {
        let body = json!({"amount": 100 + n, "reference": format!("sample {n}")});
        server.post(&format!("/accounts/{id}/deposit"), &body).ok();
        server.transfer(&id, &other, 10).created();
    }
    server.withdraw(&other, 7).ok();
    let poor = Request::post(
        &format!("/accounts/{id}/withdraw"),
        &json!({"amount": 10_000}),
    );
    server
        .send(&poor.key("poor"))
        .problem(422, "insufficient_funds");
    server
        .patch(&format!("/accounts/{id}"), &json!({"overdraft_limit": 7}))
        .ok();
    server.freeze(&other);
    let empty = server.account();
    server.delete(&format!("/accounts/{empty}")).ok();
    let accounts = server.list("/accounts");
    assert_eq!(accounts.len(), 3);
    assert_eq!(server.stop().code(), Some(0));
    (server, accounts)
}

#[test]
fn the_lines_added_up_again_are_the_balances() {
    let mut server = Server::start();
    let (id, other) = (server.account_of(500), server.account());
    for _ in 0..40 {
        server.transfer(&id, &other, 3).created();
        server.transfer(&other, &id, 1).created();
    }
    let records = server.sequence();
    let head = text(&server.get("/health").ok()["journal"], "head");
    assert_eq!(server.stop().code(), Some(0));
    let lines = lines(&export(&server.data_dir(), &[]));
    assert_eq!(lines.len() as u64, records);
    let mut balances: BTreeMap<String, i64> = BTreeMap::new();
    let mut versions: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (line, sequence) in lines.iter().zip(1u64..) {
        assert_eq!(line["sequence"], sequence);
        assert!(is_time(&text(line, "time")), "{line}");
        let mut sum = 0;
        for posting in line["postings"].as_array().unwrap() {
            let amount = posting["amount"].as_i64().unwrap();
            let balance = balances.entry(text(posting, "entity_id")).or_default();
            *balance += amount;
            sum += amount;
            // A total over many entities is a decimal string.
            let wanted = match posting["kind"].as_str() {
                Some("external") => json!(balance.to_string()),
                _ => json!(*balance),
            };
            assert_eq!(posting["balance_after"], wanted, "{line}");
        }
        assert_eq!(sum, 0, "{line}");
        for change in line["changes"].as_array().unwrap() {
            let known = versions.entry(text(change, "entity_id")).or_default();
            assert_eq!(change["version"], known.0 + 1, "{line}");
            assert_eq!(change["previous"], known.1, "{line}");
            assert_ne!(change["events"], json!([]));
            *known = (known.0 + 1, sequence);
        }
    }
    assert_eq!(balances[&id], 500 - 80);
    assert_eq!(balances[&other], 80);
    assert_eq!(text(&lines[lines.len() - 1], "hash"), head);
}

#[test]
fn a_line_tells_who_asked_for_what_and_what_came_of_it() {
    let (server, accounts) = sample();
    let whole = export(&server.data_dir(), &[]);
    let lines = lines(&whole);
    let of = |kind: &str| -> Vec<&Value> {
        let all = lines.iter();
        all.filter(|line| line["command"]["kind"] == kind).collect()
    };
    let opened = of("open_account")[0];
    assert_eq!(opened["idempotency_key"], "open-ada");
    assert_eq!(opened["caller"], "default");
    assert!(opened["request_id"].is_string(), "{opened}");
    assert_eq!(opened["command"]["country_code"], "GB");
    assert_eq!(opened["command"]["metadata"], json!({"n": "1"}));
    let account = &opened["changes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|change| change["kind"] == "account")
        .unwrap()["events"][0];
    assert_eq!(account["type"], "opened");
    assert_eq!(account["reference"], "r");
    let transfer = of("transfer")[0];
    assert_eq!(transfer["command"]["amount"], 10);
    assert_eq!(transfer["command"]["from"], accounts[0]["id"]);
    assert_eq!(transfer["command"]["to"], accounts[1]["id"]);
    assert_eq!(transfer["outcome"], json!({"status": "completed"}));
    let refused = lines
        .iter()
        .find(|line| line["outcome"]["status"] == "refused")
        .unwrap();
    assert_eq!(refused["outcome"]["code"], "insufficient_funds");
    assert_eq!(refused["postings"], json!([]));
    let kinds: Vec<&str> = lines
        .iter()
        .flat_map(|line| line["changes"].as_array().unwrap())
        .flat_map(|change| change["events"].as_array().unwrap())
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    for kind in [
        "opened",
        "issued",
        "credited",
        "debited",
        "status_changed",
        "overdraft_changed",
    ] {
        assert!(kinds.contains(&kind), "{kind} is in no line");
    }
}

#[test]
fn personal_values_are_left_out_unless_they_are_asked_for() {
    let (server, _) = sample();
    let without = export(&server.data_dir(), &[]);
    assert!(!without.stdout.contains("Lovelace"));
    assert!(
        lines(&without)
            .iter()
            .all(|line| line.get("personal").is_none())
    );
    let personal = export(&server.data_dir(), &["--personal"]);
    for line in lines(&personal) {
        let wanted = match line["command"]["kind"].as_str() {
            Some("open_account") => json!({"holder_name": "Ada Lovelace"}),
            _ => json!(null),
        };
        assert_eq!(line["personal"], wanted, "{line}");
    }
}

#[test]
fn a_range_is_a_part_of_the_whole() {
    let (server, _) = sample();
    let data = server.data_dir();
    let whole = lines(&export(&data, &[]));
    let count = whole.len();
    let part = |from: usize, to: usize| {
        let (from, to) = (from.to_string(), to.to_string());
        lines(&export(&data, &["--from", &from, "--to", &to]))
    };
    assert_eq!(part(3, 5), whole[2..5]);
    assert_eq!(part(1, 1), whole[..1]);
    assert_eq!(part(count - 1, count + 50), whole[count - 2..]);
    assert_eq!(part(count + 1, count + 2), Vec::<Value>::new());
    assert_eq!(lines(&export(&data, &["--from", "4"])), whole[3..]);
    assert_eq!(lines(&export(&data, &["--to", "4"])), whole[..4]);
    for wrong in [
        &["--from", "5", "--to", "4"][..],
        &["--from", "0"],
        &["--to", "x"],
        &["--to", "-1"],
    ] {
        let refused = run(&data, wrong);
        assert_eq!(refused.code(), Some(MISCONFIGURED), "{refused:?}");
        assert_eq!(refused.stdout, "");
    }
}

#[test]
fn every_step_of_holds_reversals_and_wallets_is_told() {
    let mut server = Server::start();
    let from = server.account_of(100);
    let limits = json!({"per_day": 50, "max_balance": 1_000});
    let wallet = server.wallet_of(0, &limits);
    let ends = json!({"from": from, "to": wallet, "amount": 10, "pending": true, "reference": "r"});
    let first = text(&server.post("/transfers", &ends).created(), "transfer_id");
    let part = json!({"amount": 3, "final": false});
    server.settle(&first, "post", &part).ok();
    server.settle(&first, "post", &json!({"amount": 2})).ok();
    let second = server.held(&from, &wallet, 10);
    server.settle(&second, "void", &json!({})).ok();
    let short = with(ends, &json!({"expires_in_seconds": 1}));
    let third = text(&server.post("/transfers", &short).created(), "transfer_id");
    eventually("it expires", || {
        (server.transfer_of(&third)["status"] == "expired").then_some(())
    });
    let at_once = text(&server.transfer(&from, &wallet, 4).created(), "transfer_id");
    server.settle(&at_once, "reverse", &json!({})).ok();
    server.settle(&first, "reverse", &json!({})).ok();
    let change = json!({"limits": {"per_day": null, "per_transaction": 9}});
    server.patch(&format!("/wallets/{wallet}"), &change).ok();
    assert_eq!(server.stop().code(), Some(0));
    let lines = lines(&export(&server.data_dir(), &[]));
    let of = |kind: &str| -> Vec<&Value> {
        let all = lines.iter();
        all.filter(|line| line["command"]["kind"] == kind).collect()
    };
    // Returns the events of an entity in a record, without their times.
    let told = |line: &Value, entity: &str| -> Value {
        let mut changes = line["changes"].as_array().unwrap().iter();
        let change = changes.find(|change| change["entity_id"] == entity);
        let mut events = change.unwrap()["events"].clone();
        for event in events.as_array_mut().unwrap() {
            event.as_object_mut().unwrap().remove("held_at");
        }
        events
    };
    let types = |line: &Value, entity: &str| -> Vec<String> {
        let events = told(line, entity);
        let events = events.as_array().unwrap().iter();
        events.map(|event| text(event, "type")).collect()
    };

    let opened = of("open_wallet")[0];
    let all = json!({"per_transaction": null, "per_day": 50, "max_balance": 1_000});
    assert_eq!(opened["command"]["limits"], all);
    assert_eq!(opened["command"]["customer_id"], UNKNOWN_ID);
    assert_eq!(
        (&opened["changes"][0]["kind"], types(opened, &wallet)),
        (&json!("wallet"), vec!["opened".to_owned()])
    );

    let holds = of("hold");
    assert_eq!(holds.len(), 3);
    let held = holds[0];
    for (field, value) in [
        ("from", json!(from)),
        ("to", json!(wallet)),
        ("amount", json!(10)),
        ("reference", json!("r")),
        ("expires_in_seconds", Value::Null),
    ] {
        assert_eq!(held["command"][field], value, "{field}");
    }
    assert_eq!(holds[2]["command"]["expires_in_seconds"], 1);
    assert_eq!(told(held, &from), json!([{"type": "held", "amount": 10}]));
    assert_eq!(types(held, &first), ["pending"]);
    let posting = &held["postings"][0];
    assert_eq!(
        (&posting["amount"], &posting["held"]),
        (&json!(0), &json!(10))
    );

    let posts = of("post");
    let asked = json!({"kind": "post", "transfer_id": first, "amount": 3, "final": false});
    assert_eq!(posts[0]["command"], asked);
    for (post, amount, freed) in [(posts[0], 3, 3), (posts[1], 2, 7)] {
        let source = json!([{"type": "hold_posted", "amount": amount, "freed": freed}]);
        assert_eq!(told(post, &from), source);
        assert_eq!(
            told(post, &wallet),
            json!([{"type": "credited", "amount": amount}])
        );
        let transfer = json!([{"type": "posted", "amount": amount, "freed": freed}]);
        assert_eq!(told(post, &first), transfer);
    }

    let void = of("void")[0];
    let asked = json!({"kind": "void", "transfer_id": second});
    assert_eq!(void["command"], asked);
    let released = json!([{"type": "hold_released", "amount": 10}]);
    assert_eq!(told(void, &from), released);
    assert_eq!(told(void, &second), json!([{"type": "voided"}]));
    let expired = of("expire")[0];
    assert_eq!(expired["command"]["transfer_id"], third.as_str());
    assert_eq!(told(expired, &from), released);
    assert_eq!(told(expired, &third), json!([{"type": "expired"}]));

    let reversals = of("reversal");
    assert_eq!(types(reversals[0], &at_once), ["immediate", "reversed"]);
    assert_eq!(types(reversals[1], &first), ["reversed"]);
    let reversed = json!([{"type": "reversed", "reversed_by": reversals[1]["operation_id"]}]);
    assert_eq!(told(reversals[1], &first), reversed);
    assert_eq!(reversals[1]["command"]["transfer_id"], first.as_str());
    for (reversal, amount) in [(reversals[0], 4), (reversals[1], 5)] {
        assert_eq!(
            told(reversal, &wallet),
            json!([{"type": "debited", "amount": amount}])
        );
        assert_eq!(
            told(reversal, &from),
            json!([{"type": "credited", "amount": amount}])
        );
    }

    let changed = of("update_wallet")[0];
    let limits = json!({"per_transaction": 9, "per_day": null});
    assert_eq!(changed["command"]["limits"], limits);
    let limits = json!({"per_transaction": 9, "per_day": null, "max_balance": 1_000});
    assert_eq!(
        told(changed, &wallet),
        json!([{"type": "limits_changed", "limits": limits}])
    );
    for line in &lines {
        for change in line["changes"].as_array().unwrap() {
            assert_eq!(change["raised"], 1, "{line}");
        }
    }
}

#[test]
fn a_running_server_keeps_its_data_to_itself() {
    let mut server = Server::start();
    server.account_of(5);
    let refused = run(&server.data_dir(), &[]);
    let verify = ["verify", "--data-dir", server.data_dir().to_str().unwrap()]
        .map(str::to_owned)
        .to_vec();
    let verify: Vec<&str> = verify.iter().map(String::as_str).collect();
    assert_eq!(refused.code(), Some(DATA_IN_USE), "{refused:?}");
    assert_eq!(refused.stdout, "");
    assert_eq!(refused.stderr, executable::run(&verify, &[]).stderr);
    // The export also works after a crash, and doesn't affect the next start.
    server.kill();
    let exported = export(&server.data_dir(), &[]);
    assert_eq!(lines(&exported).len(), 2);
    server.start_again();
    assert_eq!(server.sequence(), 2);
}

#[test]
fn a_folder_without_a_journal_has_nothing_to_export() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    for folder in [&missing, folder.path()] {
        let refused = run(folder, &[]);
        assert_eq!(refused.code(), Some(FAILED), "{refused:?}");
        assert!(refused.stderr.contains("no journal"), "{refused:?}");
    }
    assert!(!missing.exists(), "export made a folder");
    let mut server = Server::start();
    assert_eq!(server.stop().code(), Some(0));
    let empty = export(&server.data_dir(), &[]);
    assert_eq!(empty.stdout, "");
}

#[test]
fn whoever_stops_reading_ends_it_quietly() {
    let mut server = Server::start();
    let id = server.account();
    for _ in 0..300 {
        server.deposit(&id, 1).ok();
    }
    assert_eq!(server.stop().code(), Some(0));
    let mut child = Command::new(executable::florin())
        .args(["export", "--data-dir"])
        .arg(server.data_dir())
        .current_dir(server.folder())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["sequence"], 1);
    drop(out);
    let mut errors = String::new();
    let mut pipe = child.stderr.take().unwrap();
    pipe.read_to_string(&mut errors).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{errors}");
    assert_eq!(errors, "");
}

#[test]
fn a_damaged_record_ends_the_export_and_is_named() {
    let (server, _) = sample();
    let data = server.data_dir();
    let whole = lines(&export(&data, &[]));
    let mut copy = Copy::read(&data);
    let records: Vec<Vec<u8>> = copy.entries().map(|entry| entry.record.clone()).collect();
    let segment = fs::read_dir(data.join("journal"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|end| end == "redb"))
        .unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    let record = &records[9];
    let places: Vec<usize> = (0..bytes.len() - record.len())
        .filter(|at| bytes[*at..].starts_with(record))
        .collect();
    for place in places {
        bytes[place + record.len() / 2] ^= 1;
    }
    fs::write(&segment, bytes).unwrap();
    let damaged = run(&data, &[]);
    assert_eq!(damaged.code(), Some(DATA_DAMAGED), "{damaged:?}");
    let name = segment.file_name().unwrap().to_str().unwrap();
    assert!(damaged.stderr.contains(name), "{damaged:?}");
    let shown = lines_of(&damaged.stdout);
    assert_eq!(shown, whole[..shown.len()]);
    assert!(shown.len() < 10);
}

#[track_caller]
fn export(data_dir: &Path, more: &[&str]) -> Finished {
    let finished = run(data_dir, more);
    assert_eq!(finished.code(), Some(0), "{finished:?}");
    assert_eq!(finished.stderr, "");
    finished
}

fn run(data_dir: &Path, more: &[&str]) -> Finished {
    let all = [
        &["export", "--data-dir", data_dir.to_str().unwrap()][..],
        more,
    ]
    .concat();
    executable::run(&all, &[])
}

fn lines(finished: &Finished) -> Vec<Value> {
    lines_of(&finished.stdout)
}

fn lines_of(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
