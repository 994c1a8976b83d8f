//! A disk that fills up: commands are refused early while there is a reserve, and the process ends
//! with a clear message when there is none. No acknowledged command is lost in either case.

use florin_tests::bank::text;
use florin_tests::executable::{self, florin};
use florin_tests::faulty::Switch;
use florin_tests::http::{Request, Response};
use florin_tests::poll::eventually;
use florin_tests::server::{Server, copy_folder};
use florin_tests::small_disk::SmallDisk;
use serde_json::Value;

use crate::faults::switched::{self, JOURNAL_FAILED, deposit};

const MIB: u64 = 1 << 20;
/// The exit code of failures without a code of their own.
const FAILED: i32 = 1;

#[test]
fn a_disk_nearly_full_refuses_commands_serves_reads_and_recovers_by_itself() {
    let Some(disk) = SmallDisk::mount(96 * MIB) else {
        return;
    };
    let settings = [("disk.free_bytes_min", "33554432")];
    let mut server = disk.server(florin(), Server::variables(&settings));
    let id = server.account_of(10);
    disk.fill(16 * MIB);
    let keyed = deposit(&id, 1).key("refused-first");
    let refused = eventually("commands are refused", || {
        let answer = server.send(&deposit(&id, 1));
        (answer.status != 200).then_some(answer)
    });
    for refused in [refused, server.send(&keyed)] {
        refused.problem(503, "disk_low");
        let after: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!(after >= 1);
    }
    let balance = server.balance(&id);
    assert_eq!(
        server.list(&format!("/accounts/{id}/transactions")).len() as i64,
        balance - 9
    );
    assert_eq!(server.list("/accounts"), [server.read(&id)]);
    assert_eq!(server.get("/health/live").status, 200);
    assert_eq!(server.get("/health").ok()["status"], "degraded");
    let port = server.address().port().to_string();
    let asked = executable::run(&["health", "--port", &port], &[]);
    assert_eq!(asked.code(), Some(FAILED), "{}", asked.output());
    assert!(asked.stdout.contains("disk_low"), "{}", asked.output());
    assert!(asked.stderr.contains("not ready"), "{}", asked.output());
    disk.free();
    let answer = eventually("commands are taken again", || {
        let answer = server.send(&keyed);
        (answer.status == 200).then_some(answer)
    });
    assert!(!answer.replayed(), "a refusal of the disk was stored");
    assert_eq!(server.balance(&id), balance + 1);
    eventually("all is well", || {
        (server.get("/health").ok()["status"] == "ok").then_some(())
    });
    assert_eq!(server.stop().code(), Some(0), "{}", server.log());
    verify(&disk);
}

#[test]
fn a_disk_without_any_room_ends_the_process_and_loses_nothing_acknowledged() {
    let Some(disk) = SmallDisk::mount(64 * MIB) else {
        return;
    };
    let switches = tempfile::tempdir().unwrap();
    let settings = [("disk.free_bytes_min", "16777216")];
    let variables = switched::variables(&settings, switches.path());
    let mut server = disk.server(&switched::executable(), variables);
    let id = server.account();
    // The server doesn't see the full disk in advance, so a commit is the first to fail.
    Switch::MuchRoom.on(switches.path());
    let mut kept = Vec::new();
    for n in 0..50 {
        let request = deposit(&id, 1).key(&format!("room-{n}"));
        let answer = server.send(&request).ok();
        kept.push((request, answer));
    }
    disk.fill(0);
    let unanswered = until_it_ends(&server, &id, &mut kept);
    assert_eq!(
        server.ended().code(),
        Some(JOURNAL_FAILED),
        "{}",
        server.log()
    );
    assert_plain(&server.log());

    // Without free space, the server serves its data or gives the reason why it can't. It doesn't
    // report damage.
    server.begin();
    let ended = eventually("it starts or ends", || match server.exit() {
        Some(status) => Some(Some(status)),
        None => server.log().contains("Florin listens").then_some(None),
    });
    match ended {
        Some(status) => {
            assert_eq!(status.code(), Some(FAILED), "{}", server.log());
            assert_plain(&server.log());
        }
        None => server.kill(),
    }
    disk.free();
    Switch::MuchRoom.off(switches.path());
    server.start_again();
    for (request, first) in &kept {
        let again = server.send(request);
        assert!(again.replayed(), "acknowledged and lost: {}", again.text());
        assert_eq!(&again.ok(), first);
    }
    let balance = server.balance(&id);
    let found = balance - kept.len() as i64;
    assert!((0..=1).contains(&found), "{balance} of {}", kept.len());
    // The command without an answer is executed once by the same request.
    server.send(&unanswered).ok();
    assert_eq!(server.balance(&id), kept.len() as i64 + 1);
    assert_eq!(server.stop().code(), Some(0), "{}", server.log());
    verify(&disk);
}

/// Deposits until the server ends. Keeps the acknowledged deposits, and returns the first one that
/// wasn't acknowledged.
fn until_it_ends(server: &Server, id: &str, kept: &mut Vec<(Request, Value)>) -> Request {
    let mut n = 0;
    loop {
        let request = deposit(id, 1).key(&format!("full-{n}"));
        match server.try_send(&request) {
            Ok(answer) if answer.status == 200 => kept.push((request, answer.ok())),
            Ok(answer) => {
                unknown(&answer);
                return request;
            }
            Err(_) => return request,
        }
        n += 1;
    }
}

fn unknown(answer: &Response) {
    let problem = answer.problem(503, "outcome_unknown");
    assert!(!text(&problem, "operation_id").is_empty());
}

/// Asserts that exactly one line says why the server ended, with the system's own error.
fn assert_plain(log: &str) {
    let told: Vec<&str> = log
        .lines()
        .filter(|line| line.starts_with("florin: "))
        .collect();
    assert!(
        matches!(*told, [line] if line.contains("No space left on device")),
        "{log}"
    );
    assert!(!log.contains("panicked"), "{log}");
}

/// Verifies a copy of the data, because the disk belongs to another process.
fn verify(disk: &SmallDisk) {
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&disk.data_dir(), copy.path());
    let folder = copy.path().to_str().unwrap();
    let verified = executable::run(&["verify", "--data-dir", folder], &[]);
    assert_eq!(verified.code(), Some(0), "{verified:?}");
}
