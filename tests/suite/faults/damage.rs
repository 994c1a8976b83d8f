//! Bytes of the journal that differ from those that were written: they are never served, and no
//! money moves because of them.

use std::fs;
use std::path::{Path, PathBuf};

use florin_tests::bank::text;
use florin_tests::executable;
use florin_tests::health::reasons;
use florin_tests::http::{Request, Response};
use florin_tests::poll::eventually;
use florin_tests::server::{Server, copy_folder};
use serde_json::{Value, json};

const AMOUNT: i64 = 123_456_789;
const NAME: &str = "Ada Altered";
/// The number of sealed segments of a sample. At most 8 of them are kept open.
const SEGMENTS: usize = 12;

const SMALL: &[(&str, &str)] = &[
    ("journal.segment_bytes_max", "1048576"),
    ("journal.erase_interval_seconds", "1"),
    ("views.flush_seconds_max", "1"),
];

/// A server with a transfer of `AMOUNT` in its first segment, which is sealed.
struct Sample {
    server: Server,
    from: String,
    to: String,
    transfer: Value,
    /// A time after the transfer, before its ends change again.
    later: String,
}

impl Sample {
    fn new() -> Self {
        let server = Server::with(SMALL);
        let holder = json!({"holder_name": NAME, "country_code": "GB"});
        let from = text(&server.post("/accounts", &holder).with(201), "id");
        let to = server.account();
        server.deposit(&from, 2 * AMOUNT).ok();
        let sample = Self {
            transfer: Value::Null,
            later: String::new(),
            server,
            from,
            to,
        };
        let transfer = sample.repeat().ok();
        let others: Vec<String> = (0..SEGMENTS).map(|_| sample.sealed()).collect();
        let later = text(&sample.server.read(&others[0]), "created_at");
        // Reads of many other frames and segments evict those of the first segment from memory.
        for _ in 0..100 {
            sample.server.deposit(&others[1], 1).ok();
        }
        for other in &others[1..] {
            let history = format!("/accounts/{other}/transactions?limit=1000");
            sample.server.get(&history).ok();
        }
        Self {
            transfer,
            later,
            ..sample
        }
    }

    /// Seals the live segment by the erasure of a name in it. Returns the erased account.
    fn sealed(&self) -> String {
        let told = "personal data was erased";
        let before = self.server.log().matches(told).count();
        let account = self.server.account();
        let erase = Request::delete(&format!("/accounts/{account}/personal-data"));
        self.server.send(&erase).ok();
        eventually("a segment is sealed", || {
            let erased = self.server.log().matches(told).count();
            (erased > before).then_some(())
        });
        account
    }

    fn transfer_id(&self) -> String {
        text(&self.transfer, "transfer_id")
    }

    /// Sends the transfer's request, which is a repeat after the first time.
    fn repeat(&self) -> Response {
        let body = json!({"from": self.from, "to": self.to, "amount": AMOUNT});
        self.server
            .send(&Request::post("/transfers", &body).key("k"))
    }

    /// Performs every request that must read the transfer's record.
    fn reads(&self) -> Vec<(&'static str, Response)> {
        let (server, at) = (&self.server, &self.later);
        let (from, id) = (&self.from, self.transfer_id());
        vec![
            (
                "history",
                server.get(&format!("/accounts/{from}/transactions")),
            ),
            ("operation", server.get(&format!("/operations/{id}"))),
            ("transfer", server.get(&format!("/transfers/{id}"))),
            ("list", server.get(&format!("/transfers?entity={from}"))),
            (
                "past",
                server.get(&format!("/accounts/{from}/balance?at={at}")),
            ),
            ("repeat", self.repeat()),
            ("reverse", server.settle(&id, "reverse", &json!({}))),
        ]
    }
}

fn first_segment(data: &Path) -> PathBuf {
    data.join("journal/00000000000000000001.redb")
}

/// Inverts a bit at every place of `file` that holds `bytes`. Returns the number of places.
fn flip(file: &Path, bytes: &[u8], bit: u8) -> usize {
    use std::os::unix::fs::FileExt as _;
    let all = fs::read(file).unwrap();
    let open = fs::OpenOptions::new().write(true).open(file).unwrap();
    let places = all
        .windows(bytes.len())
        .enumerate()
        .filter(|(_, window)| *window == bytes);
    places
        .map(|(at, _)| open.write_all_at(&[all[at] ^ bit], at as u64).unwrap())
        .count()
}

/// Alters the amount everywhere in the segment, in its plain and its signed encoding.
fn alter_amount(data: &Path) {
    let file = first_segment(data);
    let signed = |amount: i64| u32::try_from((amount << 1) ^ (amount >> 63)).unwrap();
    let kept = [
        u32::try_from(AMOUNT).unwrap(),
        signed(AMOUNT),
        signed(-AMOUNT),
    ];
    let found: usize = kept
        .iter()
        .map(|kept| flip(&file, &kept.to_le_bytes(), 1))
        .sum();
    assert!(found > 0, "the amount is nowhere in the segment");
}

#[test]
fn an_altered_amount_is_never_served_and_moves_nothing() {
    let mut sample = Sample::new();
    let server = &sample.server;
    let (from, to) = (&sample.from, &sample.to);
    let before = (server.balance(from), server.balance(to));
    assert_eq!(before, (AMOUNT, AMOUNT));
    assert_eq!(reasons(server), Vec::<Value>::new());
    alter_amount(&server.data_dir());
    for (what, answer) in sample.reads() {
        assert_eq!(answer.status, 500, "{what}: {}", answer.text());
        assert_eq!(answer.json()["code"], "journal_damaged", "{what}");
    }
    assert_eq!((server.balance(from), server.balance(to)), before);
    // Everything else still works.
    server.deposit(from, 1).ok();
    server.transfer(from, to, 1).ok();
    let reasons = reasons(server);
    let damage = reasons
        .iter()
        .find(|reason| reason["code"] == "journal_damaged");
    let damage = damage.unwrap_or_else(|| panic!("{reasons:?}")).to_string();
    assert!(damage.contains("00000000000000000001.redb"), "{damage}");
    let metrics = server.get("/metrics").text();
    assert!(
        metrics.contains("florin_conditions{code=\"journal_damaged\"} 1"),
        "{metrics}"
    );
    let counted = metrics
        .lines()
        .find_map(|line| line.strip_prefix("florin_journal_damaged_reads_total "))
        .and_then(|count| count.parse::<u64>().ok());
    assert!(counted.is_some_and(|count| count >= 6), "{metrics}");
    let log = server.log();
    let lines = log.matches("the journal is damaged").count();
    assert_eq!(lines, 1, "{log}");
    sample.server.stop();
    // The start reads the keys that no index file has yet, and therefore the damaged record.
    let data = sample.server.data_dir();
    let data = data.to_str().unwrap();
    for task in [
        &["verify", "--data-dir", data][..],
        &["export", "--data-dir", data][..],
        &["serve", "--data-dir", data, "--port", "0"][..],
    ] {
        let done = executable::run(task, &[]);
        assert_eq!(done.code(), Some(5), "{task:?}: {done:?}");
        assert!(
            done.output().contains("00000000000000000001.redb"),
            "{done:?}"
        );
    }
}

#[test]
fn an_altered_name_is_neither_shown_nor_backed_up_nor_exported() {
    let mut sample = Sample::new();
    sample.server.stop();
    let data = sample.server.data_dir();
    assert!(flip(&first_segment(&data), NAME.as_bytes(), 1) > 0);
    sample.server.start_again();
    let server = &sample.server;
    let altered = NAME.replacen('A', "@", 1);
    for path in [format!("/accounts/{}", sample.from), "/accounts".to_owned()] {
        let answer = server.get(&path);
        assert!(answer.status >= 500, "{path}: {}", answer.text());
        assert!(
            !answer.text().contains(&altered),
            "{path}: {}",
            answer.text()
        );
    }
    assert!(
        reasons(server)
            .iter()
            .any(|reason| reason["code"] == "journal_damaged")
    );
    sample.server.stop();
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("backup");
    let data = data.to_str().unwrap();
    let backup = ["backup", "--data-dir", data, "--to", to.to_str().unwrap()];
    let export = ["export", "--data-dir", data, "--personal"];
    for task in [
        &backup[..],
        &export[..],
        &["verify", "--data-dir", data][..],
    ] {
        let done = executable::run(task, &[]);
        assert_eq!(done.code(), Some(5), "{task:?}: {done:?}");
        assert!(!done.output().contains(&altered), "{done:?}");
    }
}

#[test]
fn a_segment_that_is_missing_stops_the_start_and_every_task() {
    let mut server = Server::with(SMALL);
    // Each erasure seals the segment that holds the name.
    for _ in 0..3 {
        let id = server.account();
        let erase = Request::delete(&format!("/accounts/{id}/personal-data"));
        let erased = server.log().matches("personal data was erased").count();
        server.send(&erase).ok();
        eventually("a segment is sealed", || {
            let log = server.log();
            (log.matches("personal data was erased").count() > erased).then_some(())
        });
    }
    server.stop();
    let data = server.data_dir();
    let segments = segments(&data);
    assert!(segments.len() >= 4, "{segments:?}");
    // The last segment has no record yet, so the journal is whole without it.
    let with_records = &segments[..segments.len() - 1];
    for (place, lost) in with_records.iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("data");
        copy_folder(&data, &copy);
        fs::remove_file(copy.join("journal").join(lost)).unwrap();
        let to = folder.path().join("backup");
        let shown = copy.to_str().unwrap();
        for task in [
            &["export", "--data-dir", shown][..],
            &["verify", "--data-dir", shown][..],
            &["backup", "--data-dir", shown, "--to", to.to_str().unwrap()][..],
            &["serve", "--data-dir", shown, "--port", "0"][..],
        ] {
            let done = executable::run(task, &[]);
            assert_eq!(done.code(), Some(5), "{place} {task:?}: {done:?}");
        }
        // A backup without one of its segments is refused.
        let to = folder.path().join("whole");
        let whole = data.to_str().unwrap();
        let backup = ["backup", "--data-dir", whole, "--to", to.to_str().unwrap()];
        assert_eq!(executable::run(&backup, &[]).code(), Some(0));
        fs::remove_file(to.join("segments").join(lost)).unwrap();
        let restored = folder.path().join("restored");
        let restore = [
            "restore",
            "--from",
            to.to_str().unwrap(),
            "--data-dir",
            restored.to_str().unwrap(),
        ];
        let done = executable::run(&restore, &[]);
        assert_eq!(done.code(), Some(5), "{place}: {done:?}");
    }
}

fn segments(data: &Path) -> Vec<String> {
    let names = fs::read_dir(data.join("journal")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let mut segments: Vec<String> = names.filter(|name| name.ends_with(".redb")).collect();
    segments.sort();
    segments
}

/// Returns the names, contents and modification times of all files and folders below a folder.
fn state_of(folder: &Path) -> Vec<(PathBuf, std::time::SystemTime, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let changed = fs::metadata(&path).unwrap().modified().unwrap();
        if path.is_dir() {
            found.push((path.clone(), changed, Vec::new()));
            found.extend(state_of(&path));
        } else {
            let bytes = fs::read(&path).unwrap();
            found.push((path, changed, bytes));
        }
    }
    found.sort();
    found
}

#[test]
fn verify_export_and_backup_change_nothing_of_a_folder_after_a_crash() {
    let mut server = Server::with(SMALL);
    let ids: Vec<String> = (0..20).map(|_| server.account_of(100)).collect();
    server.kill();
    let data = server.data_dir();
    for is_clean in [false, true] {
        if is_clean {
            server.start_again();
            server.deposit(&ids[0], 1).ok();
            server.stop();
        }
        let before = state_of(&data);
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("backup");
        let shown = data.to_str().unwrap();
        for task in [
            &["verify", "--data-dir", shown][..],
            &["export", "--data-dir", shown][..],
            &["backup", "--data-dir", shown, "--to", to.to_str().unwrap()][..],
        ] {
            let done = executable::run(task, &[]);
            assert_eq!(done.code(), Some(0), "{task:?}: {done:?}");
            assert!(state_of(&data) == before, "{task:?} changed the folder");
        }
    }
    server.start_again();
    assert_eq!(server.balance(&ids[0]), 101);
}

#[test]
fn a_log_file_that_is_missing_stops_the_start() {
    let mut server = Server::start();
    server.account_of(5);
    for is_clean in [true, false] {
        if is_clean {
            server.stop();
        } else {
            server.start_again();
            server.kill();
        }
        let data = server.data_dir();
        let (log, kept) = (data.join("journal/wal"), data.join("kept"));
        fs::rename(&log, &kept).unwrap();
        let shown = data.to_str().unwrap();
        for task in [
            &["serve", "--data-dir", shown, "--port", "0"][..],
            &["verify", "--data-dir", shown][..],
        ] {
            let done = executable::run(task, &[]);
            assert_eq!(done.code(), Some(5), "{task:?}: {done:?}");
            assert!(done.output().contains("journal/wal"), "{done:?}");
        }
        fs::rename(&kept, &log).unwrap();
    }
    server.start_again();
}

#[test]
fn the_data_folder_stays_locked_when_its_lock_file_is_removed() {
    let server = Server::start();
    let id = server.account_of(5);
    let data = server.data_dir();
    fs::remove_file(data.join("LOCK")).unwrap();
    let shown = data.to_str().unwrap();
    for task in [
        &["serve", "--data-dir", shown, "--port", "0"][..],
        &["verify", "--data-dir", shown][..],
        &["export", "--data-dir", shown][..],
    ] {
        let done = executable::run(task, &[]);
        assert_eq!(done.code(), Some(4), "{task:?}: {done:?}");
    }
    server.deposit(&id, 1).ok();
    assert_eq!(server.balance(&id), 6);
}

#[test]
fn a_server_whose_data_folder_is_moved_ends() {
    let mut server = Server::start();
    let id = server.account_of(5);
    let (data, moved) = (server.data_dir(), server.folder().join("moved"));
    fs::rename(&data, &moved).unwrap();
    let status = server.ended();
    assert_eq!(status.code(), Some(3), "{}", server.log());
    server.logs("was moved or replaced");
    fs::rename(&moved, &data).unwrap();
    server.start_again();
    assert_eq!(server.balance(&id), 5);
}

#[test]
fn damaged_views_are_told_apart_from_a_damaged_journal_and_made_anew() {
    let mut server = Server::with(SMALL);
    let id = server.account_of(5);
    server.stop();
    let data = server.data_dir();
    let views = data.join("views/entities.redb");
    let whole = fs::read(&views).unwrap();
    let shown = data.to_str().unwrap();
    let verify = ["verify", "--data-dir", shown];
    assert_eq!(executable::run(&verify, &[]).code(), Some(0));
    let mut zeros = whole.clone();
    zeros.fill(0);
    for (what, bytes) in [
        ("zeros", zeros),
        (
            "altered",
            [&whole[..4_096], &vec![0xff; whole.len() - 4_096]].concat(),
        ),
    ] {
        fs::write(&views, bytes).unwrap();
        let done = executable::run(&verify, &[]);
        assert_eq!(done.code(), Some(7), "{what}: {done:?}");
        assert!(done.output().contains("The journal is intact."), "{done:?}");
        server.start_again();
        assert_eq!(server.balance(&id), 5, "{what}");
        server.stop();
        let done = executable::run(&verify, &[]);
        assert_eq!(done.code(), Some(0), "{what}: {done:?}");
    }
    // A file that was being written at a power failure still has its temporary name.
    fs::remove_file(&views).unwrap();
    fs::write(data.join("views/entities.redb.tmp"), &whole[..5_000]).unwrap();
    let done = executable::run(&verify, &[]);
    assert_eq!(done.code(), Some(0), "{done:?}");
    server.start_again();
    assert_eq!(server.balance(&id), 5);
    assert!(!data.join("views/entities.redb.tmp").exists());
}
