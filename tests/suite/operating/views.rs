//! The views of a store with history: deleted and damaged views are rebuilt automatically, damage
//! at run time affects clients only briefly, and views that can't keep up slow commands down.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use florin_storage::{FileDisk, ViewOptions, ViewStore};
use florin_tests::bank::text;
use florin_tests::faulty::{SWITCHES, Switch};
use florin_tests::http::{Client, Request};
use florin_tests::poll::eventually;
use florin_tests::server::{Server, copy_folder};
use serde_json::{Value, json};

/// The number of records that fills two segments of each index.
const RECORDS: usize = 2_300;

#[test]
fn past_the_lag_limit_commands_are_refused_and_everything_else_goes_on() {
    let switches = tempfile::tempdir().unwrap();
    let mut variables = Server::variables(&[
        ("views.flush_records_max", "1"),
        ("views.lag_records_max", "5"),
        ("gateway.list_wait_ms_max", "100"),
    ]);
    let folder = switches.path().to_str().unwrap().to_owned();
    variables.push((SWITCHES.to_owned(), folder));
    let executable = PathBuf::from(env!("CARGO_BIN_EXE_florin-faulty"));
    let server = Server::of(&executable, variables);
    let id = server.account();
    Switch::HoldViews.on(switches.path());
    let mut balance = 0;
    // Records that the projector had already taken may still pass, and make room for a few more
    // commands.
    let mut refusals = 0;
    while refusals < 5 {
        let answer = server.deposit(&id, 1);
        if answer.status == 200 {
            balance += 1;
            refusals = 0;
        } else {
            answer.problem(503, "view_behind");
            assert!(answer.header("retry-after").is_some(), "{answer:?}");
            // A list waits longer than the views need to collect records. It fails once the views
            // have stopped.
            let stands = server.get("/accounts").status == 503;
            refusals = if stands { refusals + 1 } else { 0 };
        }
        assert!(balance < 500, "the limit is never reached");
    }
    for command in [
        server.deposit(&id, 1),
        server.withdraw(&id, 1),
        server.post("/accounts", &florin_tests::bank::opening()),
    ] {
        command.problem(503, "view_behind");
    }
    assert_eq!(server.balance(&id), balance);
    assert_eq!(server.get("/health/live").status, 200);
    let ready = server.get("/health/ready");
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("view_behind"), "{}", ready.text());
    let lag = &server.get("/health").ok()["views"]["lag_records"];
    assert!(lag.as_u64().unwrap() > 5, "{lag}");
    let history = server.get(&format!("/accounts/{id}/transactions")).ok();
    assert_eq!(history["data"].as_array().unwrap().len() as i64, balance);
    server.get("/accounts").problem(503, "view_behind");
    Switch::HoldViews.off(switches.path());
    eventually("commands are taken again", || {
        let answer = server.deposit(&id, 1);
        (answer.status == 200).then_some(())
    });
    // The refused commands left no trace.
    assert_eq!(server.balance(&id), balance + 1);
    assert_eq!(server.list("/accounts").len(), 1);
}

#[test]
fn deleted_and_damaged_views_come_back_while_the_server_starts() {
    let data = Aged::new();
    let truth = data.seen(&data.server);
    let whole = tempfile::tempdir().unwrap();
    copy_folder(&data.server.data_dir(), whole.path());
    let files = view_files(whole.path());
    let of = |kind: &str| files.iter().filter(|file| file.starts_with(kind)).count();
    assert_eq!(
        (of("entities"), of("keys"), of("operations")),
        (1, 2, 2),
        "{files:?}"
    );
    type Damage = (&'static str, fn(&Path));
    let damages: &[Damage] = &[
        ("deleted", |path| fs::remove_file(path).unwrap()),
        ("emptied", |path| fs::write(path, "").unwrap()),
        ("cut to a half", |path| {
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("a byte too long", |path| {
            let mut bytes = fs::read(path).unwrap();
            bytes.push(0);
            fs::write(path, bytes).unwrap();
        }),
        ("a bit of its start flipped", |path| flip(path, 20, 1)),
        ("bits all over it flipped", |path| flip(path, 1, usize::MAX)),
    ];
    for file in &files {
        for (what, damage) in damages {
            let copy = tempfile::tempdir().unwrap();
            copy_folder(whole.path(), copy.path());
            damage(&copy.path().join("views").join(file));
            let server = Server::on(copy.path())
                .unwrap_or_else(|log| panic!("{file}, {what}: it does not start:\n{log}"));
            eventually(&format!("{file}, {what}: all is there again"), || {
                (data.try_seen(&server)? == truth).then_some(())
            });
            assert_eq!(server.get("/health").ok()["status"], "ok", "{file}, {what}");
            assert!(!server.log().contains("panicked"), "{file}, {what}");
        }
    }
}

#[test]
fn views_of_a_newer_version_are_made_anew() {
    let data = Aged::new();
    let truth = data.seen(&data.server);
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&data.server.data_dir(), copy.path());
    let name = "views/entities.redb";
    fs::remove_file(copy.path().join(name)).unwrap();
    let disk = Arc::new(FileDisk::open(copy.path()).unwrap());
    let newer = ViewStore::open(disk.as_ref(), name, u32::MAX, ViewOptions::default()).unwrap();
    drop((newer, disk));
    // The version of a segment comes after its first eight bytes.
    for file in view_files(copy.path()) {
        if !file.starts_with("entities") {
            let file = fs::OpenOptions::new()
                .write(true)
                .open(copy.path().join("views").join(file))
                .unwrap();
            file.write_all_at(&[0xff, 0xff], 8).unwrap();
        }
    }
    let server = Server::on(copy.path()).expect("it starts");
    eventually("all is there again", || {
        (data.try_seen(&server)? == truth).then_some(())
    });
}

#[test]
fn an_index_damaged_while_the_server_runs_is_written_anew_meanwhile() {
    let data = Aged::new();
    let server = &data.server;
    let truth = data.seen(server);
    let views = server.data_dir().join("views");
    for file in view_files(&server.data_dir()) {
        if !file.starts_with("entities") {
            flip_in_place(&views.join(file));
        }
    }
    // Other requests aren't affected. A request that needs the index soon gets the right answer,
    // and never a wrong one.
    assert_eq!(server.deposit(&data.other, 1).ok()["balance"], 1);
    eventually("the index answers again", || {
        let seen = data.try_seen(server)?;
        assert_eq!(seen[..seen.len() - 1], truth[..truth.len() - 1]);
        Some(())
    });
    assert_eq!(server.balance(&data.other), 1);
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

/// A server whose indexes have segments on disk.
struct Aged {
    server: Server,
    id: String,
    other: String,
    operations: Vec<String>,
}

impl Aged {
    fn new() -> Self {
        let mut server = Server::with(&[
            ("views.index_segment_entries", "1000"),
            ("views.flush_records_max", "500"),
        ]);
        let (id, other) = (server.account(), server.account());
        let mut connection = server.connect();
        let mut operations = Vec::new();
        for n in 0..RECORDS {
            let answer = connection.send(&keyed(&id, n)).unwrap();
            operations.push(text(&answer.ok(), "operation_id"));
        }
        drop(connection);
        // After the restart everything is in files: two segments of each index, and the newest
        // entries in memory.
        server.restart();
        Self {
            server,
            id,
            other,
            operations,
        }
    }

    /// Returns everything that the server must show of old and new records.
    fn seen(&self, server: &Client) -> Vec<Value> {
        self.try_seen(server).expect("it shows all")
    }

    /// Returns what the server shows, or `None` while it answers 503.
    fn try_seen(&self, server: &Client) -> Option<Vec<Value>> {
        let mut seen = Vec::new();
        for n in [0, 1, 500, 999, 1_500, 2_100, RECORDS - 1] {
            let again = server.send(&keyed(&self.id, n));
            if again.status == 503 {
                assert!(again.header("retry-after").is_some(), "{again:?}");
                return None;
            }
            assert!(again.replayed(), "key {n} was forgotten: {}", again.text());
            seen.push(again.ok());
            let operation = &self.operations[n];
            seen.push(possible(server, &format!("/operations/{operation}"))?);
        }
        seen.push(possible(server, &format!("/accounts/{}", self.id))?);
        seen.push(possible(server, "/accounts?status=ACTIVE")?);
        Some(seen)
    }
}

/// Returns an answer, or `None` while the server answers 503.
fn possible(server: &Client, target: &str) -> Option<Value> {
    let answer = server.get(target);
    (answer.status != 503).then(|| answer.ok())
}

fn keyed(id: &str, n: usize) -> Request {
    Request::post(&format!("/accounts/{id}/deposit"), &json!({"amount": 1}))
        .key(&format!("key-{n}"))
}

fn view_files(data_dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(data_dir.join("views")).unwrap();
    let mut files: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    files
}

/// Flips a bit in every 97th byte from `from` on, in at most `bytes_max` bytes.
fn flip(path: &Path, from: usize, bytes_max: usize) {
    let mut bytes = fs::read(path).unwrap();
    for byte in bytes.iter_mut().skip(from).step_by(97).take(bytes_max) {
        *byte ^= 0x10;
    }
    fs::write(path, bytes).unwrap();
}

/// Flips bits of a segment's entries, in the file that the server has open.
fn flip_in_place(path: &Path) {
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    for at in (200..20_000).step_by(1_000) {
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
    }
}

#[test]
fn a_list_by_reference_and_status_stays_right_while_accounts_change_between_its_pages() {
    let server = Server::with(&[("views.flush_records_max", "7")]);
    let open = |reference: &str| text(&server.open(&json!({"reference": reference})), "id");
    let mut ids: Vec<String> = (0..24).map(|_| open("both")).collect();
    let elsewhere = open("elsewhere");
    ids.sort();
    server.freeze(&elsewhere);
    for id in ids.iter().step_by(2) {
        server.freeze(id);
    }
    let list = "/accounts?reference=both&status=FROZEN&limit=4";
    let shown = |page: &Value| -> Vec<String> {
        let entries = page["data"].as_array().unwrap();
        entries.iter().map(|account| text(account, "id")).collect()
    };
    let frozen: Vec<String> = ids.iter().step_by(2).cloned().collect();
    let first = server.get(list).ok();
    assert_eq!(shown(&first), frozen[..4]);
    // An account that was already shown thaws, one on a later page thaws, and one on a later page
    // freezes.
    for thawed in [&frozen[1], &frozen[5]] {
        let active = json!({"status": "ACTIVE"});
        server.patch(&format!("/accounts/{thawed}"), &active).ok();
    }
    server.freeze(&ids[23]);
    let mut left: Vec<String> = frozen[4..].to_vec();
    left.retain(|id| *id != frozen[5]);
    left.push(ids[23].clone());
    let mut cursor = text(&first, "next_cursor");
    let mut rest = Vec::new();
    loop {
        let page = server.get(&format!("{list}&cursor={cursor}")).ok();
        rest.extend(shown(&page));
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    assert_eq!(rest, left);
    // A cursor belongs to its own filters.
    for other in [
        "/accounts?reference=both&limit=4",
        "/accounts?status=FROZEN&limit=4",
        "/accounts?reference=elsewhere&status=FROZEN&limit=4",
    ] {
        let foreign = Request::get(&format!("{other}&cursor={cursor}"));
        server.send(&foreign).problem(400, "invalid_cursor");
    }
    let cut = &cursor[..cursor.len() - 1];
    let cut = Request::get(&format!("{list}&cursor={cut}"));
    server.send(&cut).problem(400, "invalid_cursor");
}
