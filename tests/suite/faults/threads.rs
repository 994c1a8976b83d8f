//! Threads that end because of a fault of the program: each of them ends the process with its
//! documented exit code, or is started again while health reports it. The program itself lists the
//! threads, so that new ones are tested too.

use florin_storage::threads::{ThreadName, WhenEnded};
use florin_tests::executable;
use florin_tests::faulty::{break_thread, mend_thread, refuse_thread};
use florin_tests::health::reason_about;
use florin_tests::http::Request;
use florin_tests::poll::eventually;
use florin_tests::server::Server;
use serde_json::{Value, json};

use crate::faults::switched::{self, Faulty, JOURNAL_FAILED, long_deposit};

/// The exit code for the end of a thread that the server can't work without.
const THREAD_ENDED: i32 = 8;
/// The exit code of failures without a code of their own.
const FAILED: i32 = 1;

/// Every size is small, so that each thread soon has work.
const SETTINGS: &[(&str, &str)] = &[
    ("journal.wal_bytes", "65536"),
    ("journal.erase_interval_seconds", "1"),
    ("views.index_segment_entries", "1000"),
    ("gateway.lanes", "1"),
];

/// Returns the settings under which a thread runs. Returns `None` if the thread needs running
/// brokers: `tests/kafka` tests those.
fn settings(thread: ThreadName) -> Option<Vec<(&'static str, &'static str)>> {
    let mut settings = SETTINGS.to_vec();
    match thread {
        ThreadName::Outbox | ThreadName::DeadLetters => return None,
        ThreadName::Publisher | ThreadName::Consumer => {
            // No broker listens there, so the threads retry repeatedly.
            settings.push(("kafka.brokers", "127.0.0.1:1"));
        }
        _ => {}
    }
    Some(settings)
}

/// Gives the threads some work. The server may end meanwhile.
fn work(faulty: &Faulty, (id, other): (&str, &str), thread: ThreadName) {
    let request = match thread {
        // Many keys make many index files, which are then merged.
        ThreadName::Index => {
            let transfer = json!({"from": id, "to": other, "amount": 1});
            let transfers = vec![transfer; 1_000];
            Request::post(
                "/transfers/batch",
                &json!({"atomic": false, "transfers": transfers}),
            )
        }
        _ => long_deposit(id),
    };
    let connection = florin_tests::http::Connection::open(faulty.server.address());
    // The server may have ended, which is what the test waits for.
    let _ = connection.and_then(|mut connection| connection.send(&request));
}

/// Returns the reason `thread_ended` for this thread, if health reports it.
fn told(faulty: &Faulty, thread: ThreadName) -> Option<Value> {
    reason_about(&faulty.server, "thread_ended", &thread.name().into())
}

fn ends_or_is_started_again(thread: ThreadName) {
    let Some(settings) = settings(thread) else {
        return;
    };
    if thread == ThreadName::Recovery {
        return ends_a_start(&settings);
    }
    let mut faulty = Faulty::start(&settings);
    let id = faulty.server.account_of(1_000_000_000);
    let other = faulty.server.account();
    let ends = (id.as_str(), other.as_str());
    break_thread(faulty.switches(), thread);
    match thread.when_ended() {
        WhenEnded::ProcessEnds => {
            let status = eventually(&format!("{thread} ends the process"), || {
                work(&faulty, ends, thread);
                faulty.server.exit()
            });
            let code = match thread {
                ThreadName::Journal | ThreadName::Checkpoints => JOURNAL_FAILED,
                _ => THREAD_ENDED,
            };
            assert_eq!(
                status.code(),
                Some(code),
                "{thread}: {}",
                faulty.server.log()
            );
            let log = faulty.server.log();
            let last = log.lines().rfind(|line| line.starts_with("florin: "));
            let sentence = format!("the thread {thread} ended unexpectedly");
            assert!(last.is_some_and(|line| line.contains(&sentence)), "{log}");
        }
        WhenEnded::StartedAgain => {
            let reason = eventually(&format!("health tells that {thread} ended"), || {
                work(&faulty, ends, thread);
                told(&faulty, thread)
            });
            assert_eq!(reason["stops_commands"], false, "{reason}");
            mend_thread(faulty.switches(), thread);
            eventually(&format!("{thread} works again"), || {
                work(&faulty, ends, thread);
                told(&faulty, thread).is_none().then_some(())
            });
            faulty.server.deposit(&id, 1).ok();
            if thread != ThreadName::Publisher && thread != ThreadName::Consumer {
                assert_eq!(
                    faulty.server.stop().code(),
                    Some(0),
                    "{}",
                    faulty.server.log()
                );
            }
        }
    }
    let log = faulty.server.log();
    assert!(log.contains("a thread ended unexpectedly"), "{log}");
}

/// Tests the thread that reads the journal's tail, which runs only at a start.
fn ends_a_start(settings: &[(&'static str, &'static str)]) {
    let mut faulty = Faulty::start(settings);
    faulty.server.account_of(10);
    faulty.server.kill();
    break_thread(faulty.switches(), ThreadName::Recovery);
    faulty.server.begin();
    let status = faulty.server.ended();
    assert_eq!(status.code(), Some(THREAD_ENDED), "{}", faulty.server.log());
    mend_thread(faulty.switches(), ThreadName::Recovery);
    faulty.server.start_again();
}

#[test]
fn a_thread_that_ends_ends_the_process_by_its_exit_code_or_is_started_again_and_health_says_so() {
    for thread in ThreadName::ALL {
        ends_or_is_started_again(*thread);
    }
}

#[test]
fn a_start_without_threads_ends_with_its_exit_code_and_one_sentence() {
    // These threads start while the server runs, where their start is retried, or only if there are
    // records to recover.
    let later = [
        ThreadName::Ledger,
        ThreadName::Index,
        ThreadName::Publisher,
        ThreadName::Outbox,
        ThreadName::Consumer,
        ThreadName::DeadLetters,
        ThreadName::Recovery,
    ];
    for thread in ThreadName::ALL.iter().filter(|one| !later.contains(one)) {
        let switches = tempfile::tempdir().unwrap();
        refuse_thread(switches.path(), *thread);
        let variables = switched::variables(&[("gateway.lanes", "1")], switches.path());
        let executable = switched::executable();
        let folder = tempfile::tempdir().unwrap();
        let ended = executable::run_other(&executable, folder.path(), &["--port", "0"], &variables);
        assert_eq!(ended.code(), Some(FAILED), "{thread}: {}", ended.output());
        let fatal = ended
            .stderr
            .lines()
            .filter(|line| line.starts_with("florin: "));
        let fatal: Vec<_> = fatal.collect();
        assert_eq!(fatal.len(), 1, "{thread}: {}", ended.output());
        assert!(fatal[0].contains("the test gives no thread"), "{fatal:?}");
    }
}

#[test]
fn a_start_with_too_few_file_descriptors_ends_with_its_exit_code_and_one_sentence() {
    for limit in [12, 16, 20, 24, 32, 63] {
        let launcher = limited(limit);
        let folder = tempfile::tempdir().unwrap();
        let ended = executable::run_launched(&launcher, folder.path(), &["--port", "0"], &[]);
        assert_eq!(ended.code(), Some(FAILED), "{limit}: {}", ended.output());
        let sentence =
            format!("the process may have {limit} file descriptors and needs at least 64");
        assert!(ended.stderr.contains(&sentence), "{}", ended.output());
    }
    let folder = tempfile::tempdir().unwrap();
    let variables = Server::variables(&[("gateway.lanes", "2")]);
    let folder = folder.path().to_owned();
    let mut server = Server::launched(executable::florin(), &limited(64), folder, variables);
    let id = server.account_of(7);
    assert_eq!(server.balance(&id), 7);
    assert_eq!(server.stop().code(), Some(0), "{}", server.log());
}

fn limited(descriptors: u64) -> [String; 3] {
    let script = format!(r#"ulimit -n {descriptors} && exec "$0" "$@""#);
    ["sh".to_owned(), "-c".to_owned(), script]
}
