//! A data folder that can't be written: the start is refused with one line, and a running server
//! ends with a clear message.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use florin_tests::executable::{self, Finished, florin};
use florin_tests::http::Connection;
use florin_tests::server::Server;

use crate::faults::switched::{JOURNAL_FAILED, long_deposit};

/// The exit code of failures without a code of their own.
const FAILED: i32 = 1;

#[test]
fn a_folder_that_cannot_be_written_is_refused_at_the_start() {
    let Some(launcher) = as_a_user() else { return };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    allow(&data, 0o500);
    assert_refused(&serve(&launcher, &data), &data);
    // A new folder can't be created in it either.
    let inside = data.join("inside");
    assert_refused(&serve(&launcher, &inside), &inside);
    allow(&data, 0o700);
}

#[test]
fn a_journal_that_cannot_be_written_is_refused_at_the_start_and_kept_as_it_is() {
    let Some(launcher) = as_a_user() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(&launcher, folder.path());
    let id = server.account_of(5);
    assert_eq!(server.stop().code(), Some(0), "{}", server.log());
    let journal = server.data_dir().join("journal");
    let segment = journal.join("00000000000000000001.redb");
    let before = fs::read(&segment).unwrap();
    allow(&segment, 0o400);
    assert_refused(&serve(&launcher, &server.data_dir()), &server.data_dir());
    assert!(fs::read(&segment).unwrap() == before, "it was written");
    allow(&segment, 0o600);
    allow(&journal, 0o500);
    assert_refused(&serve(&launcher, &server.data_dir()), &server.data_dir());
    allow(&journal, 0o700);
    server.start_again();
    assert_eq!(server.balance(&id), 5);
}

#[test]
fn a_journal_folder_that_turns_read_only_ends_the_process_and_loses_nothing() {
    let Some(launcher) = as_a_user() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(&launcher, folder.path());
    let id = server.account();
    let journal = server.data_dir().join("journal");
    allow(&journal, 0o500);
    let (acknowledged, unknown) = until_it_ends(&server, &id);
    assert_eq!(
        server.ended().code(),
        Some(JOURNAL_FAILED),
        "{}",
        server.log()
    );
    let log = server.log();
    assert!(
        log.contains("Permission denied") && !log.contains("panicked"),
        "{log}"
    );
    allow(&journal, 0o700);
    server.start_again();
    let balance = server.balance(&id);
    assert!(
        (acknowledged..=acknowledged + unknown).contains(&balance),
        "{balance} of {acknowledged}"
    );
    server.send(&long_deposit(&id)).ok();
    assert_eq!(server.balance(&id), balance + 1);
}

/// Deposits until a segment is full, the next one can't be created, and the server ends. Returns
/// the numbers of acknowledged deposits and of deposits with an unknown outcome.
fn until_it_ends(server: &Server, id: &str) -> (i64, i64) {
    let mut connections: Vec<Connection> = (0..16).map(|_| server.connect()).collect();
    let (mut acknowledged, mut unknown, mut refused) = (0, 0, 0);
    while unknown + refused == 0 {
        for connection in &mut connections {
            // The server may have ended already.
            let _ = connection.write(&long_deposit(id).bytes());
        }
        for connection in &mut connections {
            match connection.read() {
                Ok(answer) if answer.status == 200 => acknowledged += 1,
                // The command was read after the journal had failed, so it wasn't begun.
                Ok(answer) if answer.json()["code"] == "shutting_down" => refused += 1,
                Ok(answer) => {
                    answer.problem(503, "outcome_unknown");
                    unknown += 1;
                }
                Err(_) => unknown += 1,
            }
        }
        assert!(acknowledged < 5_000, "no segment is ever full");
    }
    (acknowledged, unknown)
}

#[track_caller]
fn assert_refused(refused: &Finished, data_dir: &Path) {
    assert_eq!(refused.code(), Some(FAILED), "{refused:?}");
    let last = refused.stderr.lines().last().unwrap_or_default();
    let names = last.contains(data_dir.to_str().unwrap());
    assert!(last.starts_with("florin: ") && names, "{refused:?}");
    assert!(last.contains("Permission denied"), "{refused:?}");
    assert!(!refused.output().contains("panicked"), "{refused:?}");
}

fn serve(launcher: &[String], data_dir: &Path) -> Finished {
    let data_dir = data_dir.to_str().unwrap();
    let arguments = ["serve", "--port", "0", "--data-dir", data_dir];
    executable::run_launched(launcher, Path::new("/"), &arguments, &[])
}

fn start(launcher: &[String], folder: &Path) -> Server {
    let variables = Server::variables(&[("journal.segment_bytes_max", "1048576")]);
    Server::launched(florin(), launcher, folder.to_owned(), variables)
}

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Returns a launcher for a process that respects permissions, because root ignores them. Returns
/// `None` and prints the reason if there is no such launcher.
fn as_a_user() -> Option<Vec<String>> {
    if !rustix::process::geteuid().is_root() {
        return Some(Vec::new());
    }
    let capabilities = "-dac_override,-dac_read_search";
    let launcher = ["setpriv", "--bounding-set", capabilities, "--"].map(str::to_owned);
    let tried = Command::new("setpriv")
        .args(&launcher[1..])
        .arg("true")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if tried.is_ok_and(|status| status.success()) {
        return Some(launcher.to_vec());
    }
    println!(
        "skipped: this process is root, for which nothing is read-only, and there is no setpriv"
    );
    None
}
