//! More clients than commands that may be in flight: the other commands are refused early with a
//! clear error, health answers, and the journal holds exactly the acknowledged commands.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use florin_tests::faulty::Switch;
use florin_tests::http::{Client, Connection, Request, Response};
use florin_tests::poll::eventually;
use florin_tests::server::Server;

use crate::faults::switched::{Faulty, begin, deposit, under_way};

const IN_FLIGHT: usize = 8;
const CLIENTS: usize = 32;
const SETTINGS: [(&str, &str); 2] = [
    ("gateway.in_flight_commands_max", "8"),
    ("gateway.confirmation_wait_ms", "30000"),
];
/// The wait for a confirmation, which a refusal must not take.
const WAIT: Duration = Duration::from_secs(30);

#[test]
fn past_its_limit_every_command_is_refused_early_while_health_and_reads_answer() {
    let faulty = Faulty::start(&SETTINGS);
    let (id, quiet) = (faulty.server.account(), faulty.server.account_of(3));
    Switch::HoldJournal.on(faulty.switches());
    let taken: Vec<Request> = (0..IN_FLIGHT)
        .map(|n| deposit(&id, 1).key(&format!("taken-{n}")))
        .collect();
    let mut waiting: Vec<Connection> = taken
        .iter()
        .map(|request| begin(&faulty.server, request))
        .collect();
    under_way(&faulty.server, IN_FLIGHT as i64);
    let before = in_flight(&faulty.server);
    let refusals = AtomicUsize::new(0);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (server, id, refusals) = (faulty.server.client(), &id, &refusals);
            scope.spawn(move || {
                let mut connection = server.connect();
                for n in 0..10 {
                    let request = deposit(id, 1).key(&format!("refused-{client}-{n}"));
                    let began = Instant::now();
                    let answer = connection.send(&request).unwrap();
                    assert_refused(&answer);
                    assert!(began.elapsed() < WAIT, "{:?}", began.elapsed());
                    refusals.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let health = faulty.server.client();
        eventually("all are refused", || {
            for path in ["/health/live", "/health"] {
                assert_eq!(health.get(path).status, 200);
            }
            // The server isn't ready once the overload lasts too long.
            assert!([200, 503].contains(&health.get("/health/ready").status));
            // A read needs no capacity.
            assert_eq!(health.balance(&quiet), 3);
            (refusals.load(Ordering::Relaxed) == CLIENTS * 10).then_some(())
        });
    });
    assert_eq!(in_flight(&faulty.server), before, "a refusal took a place");
    Switch::HoldJournal.off(faulty.switches());
    for connection in &mut waiting {
        connection.read().unwrap().ok();
    }
    assert_eq!(faulty.server.balance(&id), IN_FLIGHT as i64);
    // A refusal leaves no trace, so its key is free.
    let again = faulty.server.send(&deposit(&id, 1).key("refused-0-0"));
    assert!(!again.replayed(), "{}", again.text());
    assert_eq!(again.ok()["balance"], IN_FLIGHT + 1);
}

#[test]
fn under_more_load_than_it_takes_the_journal_holds_what_was_acknowledged() {
    let mut server = Server::with(&SETTINGS);
    let id = server.account();
    let refused = AtomicUsize::new(0);
    let acknowledged: i64 = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (client, id, refused) = (server.client(), &id, &refused);
                scope.spawn(move || hurry(client, id, refused))
            })
            .collect();
        let counts = clients.into_iter().map(|client| client.join().unwrap());
        counts.sum()
    });
    println!("{acknowledged} acknowledged, {refused:?} refused");
    assert_eq!(server.balance(&id), acknowledged);
    assert_eq!(server.deposit(&id, 1).ok()["balance"], acknowledged + 1);
    eventually("nothing is under way", || {
        (in_flight(&server) == 0).then_some(())
    });
    server.crash();
    let account = server.read(&id);
    assert_eq!(account["balance"], acknowledged + 1);
    assert_eq!(account["version"], acknowledged + 2);
}

/// Deposits continuously, without a pause after a refusal. Returns the number of acknowledged
/// deposits.
fn hurry(client: &Client, id: &str, refused: &AtomicUsize) -> i64 {
    let mut connection = client.connect();
    let mut acknowledged = 0;
    for _ in 0..50 {
        let answer = connection.send(&deposit(id, 1)).unwrap();
        if answer.status == 200 {
            acknowledged += 1;
        } else {
            assert_refused(&answer);
            refused.fetch_add(1, Ordering::Relaxed);
        }
    }
    acknowledged
}

#[track_caller]
fn assert_refused(answer: &Response) {
    answer.problem(503, "overloaded");
    let after = answer
        .header("retry-after")
        .and_then(|text| text.parse().ok());
    assert!(after.is_some_and(|seconds: u64| seconds >= 1), "{answer:?}");
}

fn in_flight(server: &Client) -> i64 {
    let health = server.get("/health").ok();
    health["commands_in_flight"].as_i64().unwrap()
}
