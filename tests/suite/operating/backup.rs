//! `florin backup` and `florin restore`: a backup of a running server is a whole journal up to one
//! record, and a server continues from it. An incomplete backup is refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use florin_storage::{FileDisk, Journal, Options, write_backup};
use florin_tests::bank::{opening, text};
use florin_tests::executable::{self, Finished};
use florin_tests::http::Request;
use florin_tests::poll::eventually;
use florin_tests::server::Server;
use serde_json::{Value, json};
use tempfile::TempDir;

pub const FAILED: i32 = 1;

const MISCONFIGURED: i32 = 2;

pub const DATA_IN_USE: i32 = 4;

pub const DATA_DAMAGED: i32 = 5;

/// Settings with small segments, so that a journal has several.
const SMALL: &[(&str, &str)] = &[("journal.segment_bytes_max", "1048576")];

/// A folder for backups and restored data.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

#[test]
fn a_backup_of_a_server_at_work_is_a_whole_journal_up_to_one_record() {
    let mut soon = SMALL.to_vec();
    soon.push(("views.flush_seconds_max", "1"));
    soon.push(("journal.erase_interval_seconds", "1"));
    let mut server = Server::with(&soon);
    let place = Place::new();
    let (one, other) = (server.account_of(1_000_000), server.account());
    let before = server.sequence();
    let done = AtomicBool::new(false);
    let backups: Vec<PathBuf> = (0..3).map(|n| place.at(&format!("backup-{n}"))).collect();
    thread::scope(|scope| {
        for worker in 0..3 {
            let (client, done, one, other) = (server.client(), &done, &one, &other);
            scope.spawn(move || {
                for round in 0u64.. {
                    if done.load(Ordering::Acquire) {
                        break;
                    }
                    client.transfer(one, other, 1).created();
                    if round % 5 == worker {
                        // Personal rows come and go, so segments are rewritten.
                        let named = client.account();
                        let erase = format!("/accounts/{named}/personal-data");
                        client.send(&Request::delete(&erase)).ok();
                    }
                }
            });
        }
        for backup in &backups {
            let at = server.sequence();
            eventually("the load goes on", || {
                (server.sequence() > at + 50).then_some(())
            });
            made(&back_up_running(&server, backup));
        }
        done.store(true, Ordering::Release);
    });
    assert_eq!(server.stop().code(), Some(0));
    let whole = export(&server.data_dir());
    let mut last = before as usize;
    for (number, backup) in backups.iter().enumerate() {
        let restored = place.at(&format!("restored-{number}"));
        let told = restore(backup, &restored);
        assert_eq!(told.code(), Some(0), "{told:?}");
        let lines = export(&restored);
        assert!(
            lines.len() > last,
            "the backup holds what was there before it"
        );
        last = lines.len();
        assert_eq!(lines, whole[..lines.len()]);
        let head = text(&lines[lines.len() - 1], "hash");
        assert!(told.stdout.contains(&head), "{told:?}");
        verify(&restored, &head);
    }
}

#[test]
fn a_server_goes_on_from_a_backup_as_it_was() {
    let server = Server::with(SMALL);
    let place = Place::new();
    let (one, other) = (server.account_of(500), server.account());
    let body = json!({"amount": 7, "reference": "kept"});
    let request = Request::post(&format!("/accounts/{one}/deposit"), &body).key("kept-key");
    let first = server.send(&request);
    let operation = text(&first.ok(), "operation_id");
    server.transfer(&one, &other, 30).created();
    let shown = server.list("/accounts");
    let told = server.get(&format!("/operations/{operation}")).ok();
    let movements = server.list(&format!("/accounts/{one}/transactions"));
    let backup = place.at("backup");
    made(&back_up_running(&server, &backup));
    // The server continues after the backup, and the backup doesn't change.
    server.deposit(&one, 1_000).ok();
    drop(server);

    let restored = place.at("new/data");
    let done = restore(&backup, &restored);
    assert_eq!(done.code(), Some(0), "{done:?}");
    let server = Server::on(&restored).unwrap();
    assert_eq!(server.list("/accounts"), shown);
    assert_eq!(
        server.list(&format!("/accounts/{one}/transactions")),
        movements
    );
    assert_eq!(server.get(&format!("/operations/{operation}")).ok(), told);
    let again = server.send(&request);
    assert!(again.replayed());
    assert_eq!(again.ok(), first.ok());
    assert_eq!(server.balance(&one), 477);
    server.deposit(&one, 1).ok();
    assert_eq!(server.balance(&one), 478);
}

#[test]
fn what_is_held_of_an_asset_is_held_after_a_restore() {
    let assets = [("ledger.assets", "USDC = 6")];
    let server = Server::with(&assets);
    let place = Place::new();
    let open = || text(&server.open(&json!({"currency": "USDC"})), "id");
    let (one, other) = (open(), open());
    server.deposit(&one, 100).ok();
    let (posted, voided) = (server.held(&one, &other, 30), server.held(&one, &other, 20));
    let backup = place.at("backup");
    made(&back_up_running(&server, &backup));
    // This happens after the backup, so the restored server doesn't know of it.
    server.settle(&posted, "void", &json!({})).ok();
    drop(server);

    let restored = place.at("restored");
    let done = restore(&backup, &restored);
    assert_eq!(done.code(), Some(0), "{done:?}");
    let mut server = Server::copied(&restored, Server::variables(&assets));
    let balance = server.get(&format!("/accounts/{one}/balance")).ok();
    assert_eq!(balance["currency"], "USDC");
    assert_eq!(
        (&balance["balance"], &balance["held"]),
        (&json!(100), &json!(50))
    );
    server.settle(&posted, "post", &json!({})).ok();
    server.settle(&voided, "void", &json!({})).ok();
    assert_eq!((server.balance(&one), server.balance(&other)), (70, 30));
    server.verified();
}

#[test]
fn a_backup_can_be_made_of_a_stopped_server_and_of_a_killed_one() {
    let mut server = Server::start();
    server.account_of(5);
    let place = Place::new();
    for end in ["stop", "kill"] {
        if end == "stop" {
            assert_eq!(server.stop().code(), Some(0));
        } else {
            server.start_again();
            server.kill();
        }
        let (backup, restored) = (place.at(end), place.at(&format!("{end}-restored")));
        made(&back_up(&server.data_dir(), &backup, &[]));
        assert_eq!(restore(&backup, &restored).code(), Some(0));
        assert_eq!(export(&restored), export(&server.data_dir()));
    }
    server.start_again();
    assert_eq!(server.sequence(), 2);
}

#[test]
fn an_empty_journal_and_one_of_many_segments_come_back_too() {
    let place = Place::new();
    let mut server = Server::with(&[("journal.segment_bytes_max", "1048576")]);
    made(&back_up_running(&server, &place.at("empty")));
    let restored = restore(&place.at("empty"), &place.at("empty-restored"));
    assert_eq!(restored.code(), Some(0), "{restored:?}");
    assert_eq!(export(&place.at("empty-restored")), Vec::<Value>::new());
    // An erasure seals the segment that holds the name.
    for count in 1..=3 {
        let id = server.account();
        server
            .send(&Request::delete(&format!("/accounts/{id}/personal-data")))
            .ok();
        eventually("the segment is sealed", || {
            (segments(&server.data_dir()) > count).then_some(())
        });
    }
    made(&back_up_running(&server, &place.at("many")));
    assert_eq!(server.stop().code(), Some(0));
    assert_eq!(
        restore(&place.at("many"), &place.at("many-restored")).code(),
        Some(0)
    );
    let whole = export(&server.data_dir());
    assert_eq!(export(&place.at("many-restored")), whole);
    verify(
        &place.at("many-restored"),
        &text(&whole[whole.len() - 1], "hash"),
    );
}

#[test]
fn an_erased_name_is_in_no_byte_of_a_backup_nor_of_what_is_restored() {
    // The erasure is recorded, but not carried out during the test.
    let mut server = Server::with(&[("journal.erase_interval_seconds", "3600")]);
    let place = Place::new();
    let holder = |name: &str| json!({"holder_name": name, "country_code": "GB"});
    let gone = text(
        &server
            .post("/accounts", &holder("Zacharias Vergessen"))
            .with(201),
        "id",
    );
    let kept = text(
        &server
            .post("/accounts", &holder("Nepomuk Unvergessen"))
            .with(201),
        "id",
    );
    server
        .send(&Request::delete(&format!("/accounts/{gone}/personal-data")))
        .ok();
    made(&back_up_running(&server, &place.at("running")));
    assert_eq!(server.stop().code(), Some(0));
    let data = server.data_dir();
    made(&back_up(&data, &place.at("stopped"), &[]));
    assert!(
        is_on_disk(&data, "Zacharias Vergessen"),
        "it is carried out already"
    );
    // This backup still holds the name, as if another program had made it. The restore leaves the
    // name out.
    {
        let disk = std::sync::Arc::new(FileDisk::open(&data).unwrap());
        let opened = Journal::open(disk, Options::new([0; 16]), 0).unwrap();
        let to = FileDisk::for_backup(place.at("careless")).unwrap();
        write_backup(&opened.reader, &to, 0, &|| true)
            .unwrap()
            .unwrap();
        assert!(is_on_disk(&place.at("careless"), "Zacharias Vergessen"));
    }
    for name in ["running", "stopped", "careless"] {
        let (backup, restored) = (place.at(name), place.at(&format!("{name}-restored")));
        assert_eq!(
            is_on_disk(&backup, "Zacharias Vergessen"),
            name == "careless"
        );
        let told = restore(&backup, &restored);
        assert!(told.stdout.contains("erased      1\n"), "{told:?}");
        assert!(!is_on_disk(&restored, "Zacharias Vergessen"), "{name}");
        assert!(is_on_disk(&restored, "Nepomuk Unvergessen"), "{name}");
        let lines = export(&restored);
        verify(&restored, &text(&lines[lines.len() - 1], "hash"));
        let server = Server::on(&restored).unwrap();
        assert_eq!(server.read(&gone)["holder_name"], json!(null));
        assert_eq!(server.read(&kept)["holder_name"], "Nepomuk Unvergessen");
    }
}

#[test]
fn only_the_server_of_that_data_directory_backs_it_up() {
    let (server, other) = (Server::start(), Server::start());
    let place = Place::new();
    let port = other.address().port().to_string();
    let backup = place.at("backup");
    let refused = back_up(&server.data_dir(), &backup, &["--port", &port]);
    assert_eq!(refused.code(), Some(FAILED), "{refused:?}");
    assert!(
        refused.stderr.contains("another data directory"),
        "{refused:?}"
    );
    assert!(!backup.exists());
    // No server listens on this port.
    let refused = back_up(&server.data_dir(), &backup, &["--port", "1"]);
    assert_eq!(refused.code(), Some(DATA_IN_USE), "{refused:?}");
    assert!(refused.stderr.contains("--port"), "{refused:?}");
    let refused = back_up(&place.at("missing"), &backup, &[]);
    assert_eq!(refused.code(), Some(FAILED), "{refused:?}");
    assert!(refused.stderr.contains("no journal"), "{refused:?}");
    for wrong in [&["backup"][..], &["restore"], &["restore", "--to", "x"]] {
        let refused = executable::run(wrong, &[]);
        assert_eq!(refused.code(), Some(MISCONFIGURED), "{refused:?}");
    }
}

#[test]
fn the_route_says_what_was_made_and_why_nothing_was() {
    let server = Server::start();
    let place = Place::new();
    server.post("/accounts", &opening()).with(201);
    let ask = |body: &Value| server.send(&Request::post("/admin/backup", body));
    let backup = place.at("backup");
    let whole = ask(&json!({"directory": backup})).ok();
    assert_eq!(whole["sequence"], server.sequence());
    let head = text(&server.get("/health").ok()["journal"], "head");
    assert_eq!(text(&whole, "head"), head);
    ask(&json!({"directory": backup})).problem(409, "backup_refused");
    ask(&json!({"directory": "backup"})).problem(400, "invalid_request");
    ask(&json!({})).problem(400, "invalid_request");
    ask(&json!({"directory": backup, "more": 1})).problem(400, "invalid_request");
    let file = place.at("file");
    fs::write(&file, "").unwrap();
    ask(&json!({"directory": file})).problem(409, "backup_refused");
    ask(&json!({"directory": "/\u{0}"})).problem(409, "backup_refused");
}

pub fn back_up(data_dir: &Path, to: &Path, more: &[&str]) -> Finished {
    let (data, to) = (data_dir.to_str().unwrap(), to.to_str().unwrap());
    let all = [&["backup", "--data-dir", data, "--to", to][..], more].concat();
    executable::run(&all, &[])
}

pub fn back_up_running(server: &Server, to: &Path) -> Finished {
    let port = server.address().port().to_string();
    back_up(&server.data_dir(), to, &["--port", &port])
}

pub fn restore(from: &Path, to: &Path) -> Finished {
    let (from, to) = (from.to_str().unwrap(), to.to_str().unwrap());
    executable::run(&["restore", "--from", from, "--data-dir", to], &[])
}

#[track_caller]
pub fn made(backup: &Finished) {
    assert_eq!(backup.code(), Some(0), "{backup:?}");
    assert!(
        backup.stdout.starts_with("The backup is complete."),
        "{backup:?}"
    );
}

#[track_caller]
fn verify(data_dir: &Path, head: &str) {
    let data = data_dir.to_str().unwrap();
    let whole = executable::run(&["verify", "--data-dir", data, "--head", head], &[]);
    assert_eq!(whole.code(), Some(0), "{whole:?}");
}

#[track_caller]
pub fn export(data_dir: &Path) -> Vec<Value> {
    let exported = executable::run(&["export", "--data-dir", data_dir.to_str().unwrap()], &[]);
    assert_eq!(exported.code(), Some(0), "{}", exported.stderr);
    let lines = exported.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Returns the number of segments in a data folder.
pub fn segments(data_dir: &Path) -> usize {
    let names = fs::read_dir(data_dir.join("journal")).into_iter().flatten();
    let names = names.map(|entry| entry.unwrap().path());
    names
        .filter(|path| path.extension().is_some_and(|end| end == "redb"))
        .count()
}

/// Returns the files of a folder, without lock files.
pub fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else if !path.ends_with("LOCK") {
            let bytes = fs::read(&path).unwrap();
            all.push((path, bytes));
        }
    }
    all.sort();
    all
}

fn is_on_disk(folder: &Path, text: &str) -> bool {
    contents(folder).iter().any(|(_, bytes)| {
        let mut places = bytes
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == text.as_bytes()[0]);
        places.any(|(at, _)| bytes[at..].starts_with(text.as_bytes()))
    })
}
