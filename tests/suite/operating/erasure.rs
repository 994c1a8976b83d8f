//! Erasure of personal data: it disappears at once from every answer and soon from every byte on
//! the disk, and nothing else changes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use florin_actors::messages::{Command, Outcome};
use florin_actors::{decode_record, encode_record};
use florin_tests::bank::{UNKNOWN_ID, text, with};
use florin_tests::executable;
use florin_tests::http::Request;
use florin_tests::journal::Copy;
use florin_tests::poll::eventually;
use florin_tests::server::{Server, Shared, copy_folder};
use serde_json::{Value, json};

/// With these settings, erasures are carried out soon after they are recorded.
const SOON: &[(&str, &str)] = &[
    ("views.flush_seconds_max", "1"),
    ("journal.erase_interval_seconds", "1"),
    ("journal.segment_bytes_max", "1048576"),
];

static SERVER: Shared = Shared::new();

fn holder(name: &str) -> Value {
    json!({"holder_name": name, "country_code": "GB"})
}

fn erasure(id: &str) -> Request {
    Request::delete(&format!("/accounts/{id}/personal-data"))
}

#[test]
fn an_erased_name_is_gone_from_every_answer_and_everything_else_stays() {
    let server = SERVER.server();
    let opening = Request::post("/accounts", &holder("Erika Erased")).key("erased-opening");
    let id = text(&server.send(&opening).with(201), "id");
    server.deposit(&id, 70).ok();
    let path = format!("/accounts/{id}");
    let update = Request::patch(&path, &json!({"overdraft_limit": 5})).key("erased-update");
    let before = server.send(&update).ok();
    assert_eq!(before["holder_name"], "Erika Erased");
    let movements = server.list(&format!("{path}/transactions"));

    let dry = server
        .send(&Request::delete(&format!(
            "{path}/personal-data?dry_run=true"
        )))
        .ok();
    assert_eq!(
        (&dry["holder_name"], &dry["dry_run"]),
        (&json!(null), &json!(true))
    );
    assert_eq!(server.read(&id), before);
    server
        .send(&erasure(&id).if_match(2))
        .problem(412, "version_mismatch");

    let request = erasure(&id).key("erased-erasure").if_match(3);
    let answer = server.send(&request);
    assert_eq!(answer.header("etag"), Some("\"4\""));
    let erased = with(before.clone(), &json!({"holder_name": null, "version": 4}));
    assert_eq!(answer.ok(), erased);
    assert_eq!(server.read(&id), erased);
    let listed = server.list("/accounts").into_iter();
    let listed: Vec<Value> = listed.filter(|account| account["id"] == *id).collect();
    assert_eq!(listed, std::slice::from_ref(&erased));
    assert_eq!(server.list(&format!("{path}/transactions")), movements);

    // Repeats of old keys: an answer that showed the name doesn't show it any more, and it can't be
    // determined any more whether an opening is the same request.
    let replayed = server.send(&update);
    assert!(replayed.replayed());
    assert_eq!(replayed.ok(), with(before, &json!({"holder_name": null})));
    server.send(&opening).problem(422, "idempotency_key_reused");
    let again = server.send(&request);
    assert!(again.replayed());
    assert_eq!(again.ok(), erased);
    // A second erasure changes nothing.
    assert_eq!(server.send(&erasure(&id)).ok(), erased);
    server.deposit(&id, 1).ok();
    assert_eq!(server.read(&id)["holder_name"], json!(null));
}

#[test]
fn a_frozen_or_deleted_account_can_be_erased_and_an_unknown_one_is_not_found() {
    let server = SERVER.server();
    let (frozen, deleted) = (server.account(), server.account());
    server.freeze(&frozen);
    server
        .send(&Request::delete(&format!("/accounts/{deleted}")))
        .ok();
    for (id, status) in [(&frozen, "FROZEN"), (&deleted, "DELETED")] {
        let erased = server.send(&erasure(id)).ok();
        assert_eq!(erased["status"], status);
        assert_eq!(erased["holder_name"], json!(null));
        assert_eq!(server.read(id), erased);
    }
    server.send(&erasure(UNKNOWN_ID)).problem(404, "not_found");
    server.send(&erasure("7")).problem(400, "invalid_id");
    let body = erasure(&frozen).json(&json!({"because": "I can"}));
    server.send(&body).problem(400, "invalid_request");
}

#[test]
fn an_erased_name_leaves_every_byte_of_the_disk_and_the_others_stay() {
    let mut server = Server::with(SOON);
    let gone = text(&server.open(&holder("Zacharias Vergessen")), "id");
    let kept = text(&server.open(&holder("Nepomuk Unvergessen")), "id");
    server.deposit(&gone, 100).ok();
    server.transfer(&gone, &kept, 30).created();
    let data = server.data_dir();
    assert!(is_on_disk(&data, "Zacharias Vergessen"));
    server.send(&erasure(&gone)).ok();
    assert_is_forgotten(&data, "Zacharias Vergessen");
    assert!(is_on_disk(&data, "Nepomuk Unvergessen"));
    server.transfer(&gone, &kept, 5).created();
    let shown = [server.read(&gone), server.read(&kept)];

    assert_eq!(server.stop().code(), Some(0));
    let whole = verify(&data);
    assert!(whole.contains("erased      1\n"), "{whole}");
    assert!(!is_on_disk(&data, "Zacharias Vergessen"));
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&data, copy.path());
    let other = Server::on(copy.path()).unwrap();
    assert_eq!([other.read(&gone), other.read(&kept)], shown);
    drop(other);
    verify(copy.path());

    // The views are rebuilt without the name, and a repeated erasure changes nothing.
    fs::remove_dir_all(data.join("views")).unwrap();
    let opening = operation_of_opening(&data);
    server.start_again();
    assert_eq!([server.read(&gone), server.read(&kept)], shown);
    let operation = server.get(&format!("/operations/{opening}")).ok();
    assert_eq!(operation["result"]["id"], *gone);
    assert_eq!(operation["result"]["holder_name"], json!(null));
    assert_eq!(shown[1]["holder_name"], "Nepomuk Unvergessen");
    server.deposit(&kept, 1).ok();
    assert_eq!(server.stop().code(), Some(0));
    verify(&data);
}

#[test]
fn many_erasures_at_once_forget_these_and_nobody_else() {
    let mut server = Server::with(SOON);
    let name = |number: usize| format!("Numerus {number:03} Clausus");
    let ids: Vec<String> = (0..60)
        .map(|number| text(&server.open(&holder(&name(number))), "id"))
        .collect();
    for (number, id) in ids.iter().enumerate().filter(|(number, _)| number % 3 > 0) {
        let erased = server.send(&erasure(id)).ok();
        assert_eq!(erased["holder_name"], json!(null), "{number}");
    }
    let data = server.data_dir();
    let left: BTreeSet<String> = (0..60).step_by(3).map(name).collect();
    let named = || on_disk(&data, "Numerus ", name(0).len());
    eventually("40 of 60 names are forgotten", || {
        (named() == left).then_some(())
    });
    assert_eq!(server.stop().code(), Some(0));
    assert_eq!(named(), left);
    let whole = verify(&data);
    assert!(whole.contains("erased      40\n"), "{whole}");
}

#[test]
fn a_kill_right_after_the_answer_keeps_no_name() {
    let mut server = Server::with(SOON);
    for round in 0..6 {
        let name = format!("Balthasar {round} Ephemer");
        let opening = Request::post("/accounts", &holder(&name)).key(&format!("round-{round}"));
        let id = text(&server.send(&opening).with(201), "id");
        let other = server.account_of(50);
        server.transfer(&other, &id, 20).created();
        server.send(&erasure(&id)).ok();
        server.kill();
        server.false_start(round * 20);
        if round == 3 {
            // The erasure is recorded, and may be carried out or not. The journal is whole either
            // way.
            verify(&server.data_dir());
            fs::remove_dir_all(server.data_dir().join("views")).unwrap();
        }
        server.start_again();
        assert_eq!(server.read(&id)["holder_name"], json!(null));
        assert_eq!(server.balance(&id), 20);
        server.send(&opening).problem(422, "idempotency_key_reused");
        assert_is_forgotten(&server.data_dir(), &name);
    }
    assert_eq!(server.stop().code(), Some(0));
    verify(&server.data_dir());
}

#[test]
fn a_missing_name_is_damage_whatever_is_recorded() {
    let mut server = Server::with(&[("journal.erase_interval_seconds", "3600")]);
    let gone = server.account();
    server.account();
    server.send(&erasure(&gone)).ok();
    assert_eq!(server.stop().code(), Some(0));
    let data = server.data_dir();
    // The erasure is recorded but not carried out yet, so the row is still there. That is valid.
    let whole = verify(&data);
    assert!(whole.contains("erased      0, 1 more"), "{whole}");
    let whole = Copy::read(&data);
    let rewrite = |change: &dyn Fn(usize, &mut florin_tests::journal::Entry)| {
        let folder = tempfile::tempdir().unwrap();
        let mut copy = whole.clone();
        for (number, entry) in copy.entries().enumerate() {
            change(number, entry);
        }
        copy.write(folder.path());
        let all = ["verify", "--data-dir", folder.path().to_str().unwrap()];
        executable::run(&all, &[])
    };
    // The first account's erasure is recorded, but a carried-out erasure would have left a mark. So
    // a missing row is damage in both cases.
    for lost in [0, 1] {
        let missing = rewrite(&|number, entry| {
            if number == lost {
                entry.personal = None;
            }
        });
        assert_eq!(missing.code(), Some(5), "{missing:?}");
        for part in [&format!("record {}", lost + 1), "personal data", "missing"] {
            assert!(missing.output().contains(part), "{missing:?}");
        }
    }
    // An erasure event that names another record doesn't erase anything.
    let elsewhere = rewrite(&|_, entry| {
        let mut record = decode_record(&entry.record).unwrap();
        for event in record
            .changes
            .iter_mut()
            .flat_map(|change| &mut change.events)
        {
            if let florin_actors::messages::Event::Account(
                florin_actors::messages::AccountEvent::PersonalErased(beside),
            ) = event
            {
                *beside += 1;
            }
        }
        entry.record.clear();
        encode_record(&record, &mut entry.record).unwrap();
    });
    assert_eq!(elsewhere.code(), Some(5), "{elsewhere:?}");
    assert!(elsewhere.output().contains("record 3"), "{elsewhere:?}");
}

/// Returns the operation of the first account that was opened. No server may have the data open.
fn operation_of_opening(data_dir: &Path) -> String {
    let mut copy = Copy::read(data_dir);
    let mut records = copy
        .entries()
        .map(|entry| decode_record(&entry.record).unwrap());
    let opening = records.find(|record| {
        matches!(record.command, Command::OpenAccount(_))
            && matches!(record.outcome, Outcome::Done(_))
    });
    opening.expect("an opening").operation_id.to_string()
}

/// Searches every byte of every file until the name is nowhere. The server keeps running.
#[track_caller]
fn assert_is_forgotten(data_dir: &Path, name: &str) {
    eventually(&format!("{name} is forgotten"), || {
        (!is_on_disk(data_dir, name)).then_some(())
    });
}

/// Reports whether a text is anywhere in the files of a folder.
fn is_on_disk(folder: &Path, text: &str) -> bool {
    !on_disk(folder, text, text.len()).is_empty()
}

/// Returns the texts of this length that begin with `start`, anywhere in the files of a folder.
fn on_disk(folder: &Path, start: &str, len: usize) -> BTreeSet<String> {
    const ZEROS: [u8; 4_096] = [0; 4_096];
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(on_disk(&path, start, len));
            continue;
        }
        // A file that is being replaced may not exist any more.
        let bytes = fs::read(&path).unwrap_or_default();
        // A new file is mostly zeros, so pages of zeros are skipped.
        let pages = bytes.chunks(ZEROS.len()).enumerate();
        for (page, held) in pages.filter(|(_, page)| !ZEROS.starts_with(page)) {
            for (within, _) in held.iter().enumerate() {
                let rest = &bytes[page * ZEROS.len() + within..];
                if rest.starts_with(start.as_bytes()) {
                    let text = &rest[..len.min(rest.len())];
                    found.insert(String::from_utf8_lossy(text).into_owned());
                }
            }
        }
    }
    found
}

/// Verifies the journal and returns the output.
#[track_caller]
fn verify(data_dir: &Path) -> String {
    let all = ["verify", "--data-dir", data_dir.to_str().unwrap()];
    let finished = executable::run(&all, &[]);
    assert_eq!(finished.code(), Some(0), "{finished:?}");
    finished.stdout
}
