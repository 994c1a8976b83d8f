//! File descriptors run out: connections leave enough of them to the journal. If none is left at
//! all, the existing connections are served and the server waits without spinning.

use std::fs;
use std::time::Duration;

use florin_tests::executable::florin;
use florin_tests::http::{Connection, Request};
use florin_tests::poll::{eventually, within};
use florin_tests::server::Server;
use rustix::process::{Resource, Rlimit, prlimit};

use crate::faults::switched::{deposit, long_deposit};

/// The number of commands in flight at a time, so that they share commits.
const AT_ONCE: usize = 16;

#[test]
fn connections_leave_the_journal_its_file_descriptors() {
    let launcher = ["sh", "-c", r#"ulimit -n 200 && exec "$0" "$@""#].map(str::to_owned);
    let settings = [
        ("journal.segment_bytes_max", "1048576"),
        ("views.flush_records_max", "100"),
        ("views.index_segment_entries", "1000"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let variables = Server::variables(&settings);
    let folder = folder.path().to_owned();
    let mut server = Server::launched(florin(), &launcher, folder, variables);
    let id = server.account();
    let live = Request::get("/health/live");
    let mut first: Vec<Connection> = (0..AT_ONCE).map(|_| server.connect()).collect();
    for connection in &mut first {
        assert_eq!(connection.send(&live).unwrap().status, 200);
    }
    // There are more connections than descriptors, so the server closes some.
    let mut flood: Vec<Connection> = (0..400).map(|_| server.connect()).collect();
    for connection in &mut flood {
        // The server may have closed it already.
        let _ = connection.write(&live.bytes());
    }
    let segments = || {
        let files = fs::read_dir(server.data_dir().join("journal")).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".redb")).count()
    };
    let mut deposits = 0;
    while segments() < 3 {
        for connection in &mut first {
            connection.write(&long_deposit(&id).bytes()).unwrap();
        }
        for connection in &mut first {
            connection.read().unwrap().ok();
        }
        deposits += AT_ONCE as i64;
        assert!(deposits < 5_000, "no segment is ever full");
    }
    drop(flood);
    eventually("new connections are served", || {
        let mut connection = Connection::open(server.address()).ok()?;
        let answer = connection.send(&deposit(&id, 1)).ok()?;
        (answer.status == 200).then_some(())
    });
    server.logs("fewer connections are served than gateway.connections_max allows");
    assert_eq!(server.stop().code(), Some(0), "{}", server.log());
    server.start_again();
    assert!(server.balance(&id) > deposits);
}

#[test]
fn without_any_file_descriptor_what_is_connected_is_served_and_nothing_spins() {
    let server = Server::start();
    let id = server.account();
    let mut connected: Vec<Connection> = (0..20).map(|_| server.connect()).collect();
    for connection in &mut connected {
        assert_eq!(
            connection
                .send(&Request::get("/health/live"))
                .unwrap()
                .status,
            200
        );
    }
    let before = limit(&server, Some(10));
    let mut waiting: Vec<Connection> = (0..10).map(|_| server.connect()).collect();
    for connection in &mut waiting {
        connection
            .write(&Request::get("/health/live").bytes())
            .unwrap();
    }
    let refusal = "no connection can be accepted";
    eventually("there are none left", || {
        server.log().contains(refusal).then_some(())
    });
    for (connection, balance) in connected.iter_mut().zip(1..) {
        let answer = connection.send(&deposit(&id, 1)).unwrap();
        assert_eq!(answer.ok()["balance"], balance);
    }
    let (window, began) = (Duration::from_secs(1), cpu_ticks(&server));
    let over: Option<()> = within(window, || None);
    assert_eq!(over, None);
    // A spinning loop would take all of the hundred ticks in a second.
    let ticks = cpu_ticks(&server) - began;
    assert!(ticks < 50, "{ticks} ticks in a second without any work");
    let lines = server.log().matches(refusal).count();
    assert!(lines < 5, "{lines} lines say the same");
    limit(&server, before);
    for connection in &mut waiting {
        assert_eq!(connection.read().unwrap().status, 200);
    }
    assert_eq!(
        server.connect().send(&deposit(&id, 1)).unwrap().ok()["balance"],
        21
    );
}

/// Limits the server's file descriptors, and returns the previous limit.
fn limit(server: &Server, to: Option<u64>) -> Option<u64> {
    let process = server.pid();
    let mut limits = read_limit(server);
    let before = limits.current;
    limits.current = to;
    prlimit(Some(process), Resource::Nofile, limits).unwrap();
    before
}

fn read_limit(server: &Server) -> Rlimit {
    let path = format!("/proc/{}/limits", server.pid().as_raw_nonzero());
    let limits = fs::read_to_string(path).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let mut numbers = line.split_whitespace().filter_map(|word| word.parse().ok());
    Rlimit {
        current: numbers.next(),
        maximum: numbers.next(),
    }
}

/// Returns the processor time that the server has used, in ticks.
fn cpu_ticks(server: &Server) -> u64 {
    let path = format!("/proc/{}/stat", server.pid().as_raw_nonzero());
    let stat = fs::read_to_string(path).unwrap();
    let (_, after_name) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |index: usize| fields[index].parse::<u64>().unwrap();
    // These are utime and stime, the 14th and 15th of all fields.
    ticks(11) + ticks(12)
}
