//! A log that can't be written: no thread blocks or fails because of it, commands and backups
//! continue, lost lines are counted and reported, and a stop takes no longer.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use florin_tests::bank::text;
use florin_tests::executable::florin;
use florin_tests::http::Request;
use florin_tests::poll::eventually;
use florin_tests::server::Server;
use rustix::fs::OFlags;
use serde_json::json;
use tempfile::TempDir;

/// Segments are small, so that the journal's thread has something to log. At the debug level the
/// lane has too.
const SETTINGS: &[(&str, &str)] = &[
    ("journal.segment_bytes_max", "1048576"),
    ("journal.erase_interval_seconds", "1"),
    ("views.flush_seconds_max", "1"),
    ("log.level", "debug"),
];

/// A server whose standard error is a named pipe.
struct Piped {
    server: Server,
    pipe: PathBuf,
    _folder: TempDir,
}

impl Piped {
    /// Starts a server after `before` has opened the pipe in the way that the test needs.
    fn start(before: impl FnOnce(&Path) -> Option<File>, shell: &str) -> (Self, Option<File>) {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("stderr");
        let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let end = before(&pipe);
        let script = shell.replace("PIPE", pipe.to_str().unwrap());
        let launcher = ["sh".to_owned(), "-c".to_owned(), script];
        let data = folder.path().join("server");
        std::fs::create_dir(&data).unwrap();
        let variables = Server::variables(SETTINGS);
        let server = Server::launched(florin(), &launcher, data, variables);
        let piped = Self {
            server,
            pipe,
            _folder: folder,
        };
        (piped, end)
    }

    /// Opens the pipe's reading end, which never blocks.
    fn reader(pipe: &Path) -> File {
        let flags = OFlags::NONBLOCK.bits() as i32;
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(flags).open(pipe).unwrap()
    }
}

/// A script that opens the pipe as standard error. There is a reader.
const READ: &str = r#"exec "$0" "$@" 2>PIPE"#;
/// A script that opens the pipe as standard error without a reader.
const UNREAD: &str = r#"exec 3<>PIPE; exec "$0" "$@" 2>PIPE 3<&-"#;
/// A script with a standard error that can't be written, because its disk is full.
const FULL: &str = r#"exec "$0" "$@" 2>/dev/full"#;

/// Runs an erasure, for which the journal's thread seals a segment, then deposits, a backup and a
/// stop.
#[track_caller]
fn serves_and_stops(server: &mut Server) {
    let holder = json!({"holder_name": "Erika Erased", "country_code": "GB"});
    let id = text(&server.post("/accounts", &holder).with(201), "id");
    server.delete(&format!("/accounts/{id}/personal-data")).ok();
    eventually("the segment is sealed and the name is erased", || {
        let metrics = server.get("/metrics").text();
        let sealed = std::fs::read_dir(server.data_dir().join("journal")).unwrap();
        let segments = sealed.filter(|file| {
            let name = file.as_ref().unwrap().file_name();
            name.to_str().unwrap().ends_with(".redb")
        });
        (segments.count() > 1 && metrics.contains("florin_erasures_pending 0")).then_some(())
    });
    for balance in 1..=20 {
        assert_eq!(server.deposit(&id, 1).ok()["balance"], balance);
    }
    let target = server.folder().join("backup");
    let body = json!({"directory": target});
    server.send(&Request::post("/admin/backup", &body)).ok();
    assert_eq!(server.get("/health/ready").status, 200);
    assert_eq!(server.stop().code(), Some(0));
}

fn lost(server: &Server) -> u64 {
    let metrics = server.get("/metrics").text();
    let name = "florin_log_lines_lost_total ";
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.expect("the metric").parse().unwrap()
}

#[test]
fn a_full_disk_under_the_log_loses_lines_and_nothing_else() {
    let (mut piped, _) = Piped::start(|_| None, FULL);
    eventually("lines are lost", || (lost(&piped.server) > 0).then_some(()));
    serves_and_stops(&mut piped.server);
}

#[test]
fn a_log_without_a_reader_from_the_start_loses_lines_and_nothing_else() {
    let (mut piped, _) = Piped::start(|_| None, UNREAD);
    eventually("lines are lost", || (lost(&piped.server) > 0).then_some(()));
    serves_and_stops(&mut piped.server);
}

#[test]
fn a_log_whose_reader_goes_loses_lines_and_tells_so_to_the_next_one() {
    let (mut piped, reader) = Piped::start(|pipe| Some(Piped::reader(pipe)), READ);
    drop(reader);
    eventually("lines are lost", || {
        piped.server.account();
        (lost(&piped.server) > 0).then_some(())
    });
    let mut reader = Piped::reader(&piped.pipe);
    let mut log = Vec::new();
    eventually("the lost lines are told", || {
        piped.server.account();
        // The read fails while the pipe is empty.
        let _ = reader.read_to_end(&mut log);
        String::from_utf8_lossy(&log)
            .contains("log lines were lost")
            .then_some(())
    });
    drop(reader);
    serves_and_stops(&mut piped.server);
}

#[test]
fn a_log_that_nobody_reads_holds_up_neither_commands_nor_a_stop() {
    let fill = |pipe: &Path| {
        let reader = Piped::reader(pipe);
        let flags = OFlags::NONBLOCK.bits() as i32;
        let mut options = OpenOptions::new();
        let mut writer = options.write(true).custom_flags(flags).open(pipe).unwrap();
        while writer.write(&[b'.'; 512]).is_ok() {}
        Some(reader)
    };
    let (mut piped, _reader) = Piped::start(fill, READ);
    serves_and_stops(&mut piped.server);
}
