//! SIGTERM drains the server: accepted commands are finished, no new ones are accepted, and it
//! takes a bounded time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use florin_tests::executable::{self, STOP_BOUND};
use florin_tests::http::{Client, Connection, Request, Response};
use florin_tests::poll::eventually;
use florin_tests::server::Server;
use rustix::process::Signal;
use serde_json::json;

/// The exit codes for a port and for a data folder that are already in use.
const FAILED: i32 = 1;
const DATA_IN_USE: i32 = 4;

#[test]
fn a_stop_under_load_keeps_all_that_was_acknowledged() {
    // The rest of a half-sent request may still arrive, so the server waits this long for it.
    let mut server = Server::with(&[("server.shutdown_seconds_max", "6")]);
    let id = server.account();
    let bystanders = bystanders(&server, &id);
    let (clients, enough) = (8, 400);
    let acknowledged = AtomicU64::new(0);
    let client = server.client().clone();
    let stop = server.signaller();
    let acknowledgements: Vec<Vec<(String, Response)>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..clients)
            .map(|number| {
                let (client, id, acknowledged) = (&client, &id, &acknowledged);
                scope.spawn(move || deposit_until_stopped(client, id, number, acknowledged))
            })
            .collect();
        scope.spawn(|| {
            eventually("the load runs", || {
                (acknowledged.load(Ordering::Relaxed) >= enough).then_some(())
            });
            stop(Signal::TERM);
        });
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let status = server
        .ended_within(STOP_BOUND)
        .expect("it ends within its bound");
    assert_eq!(status.code(), Some(0), "{}", server.log());
    drop(bystanders);
    server.start_again();
    let mut count = 0;
    for (key, first) in acknowledgements.iter().flatten() {
        let again = server.send(&deposit(&id).key(key));
        assert!(again.replayed(), "{key} was acknowledged and is gone");
        assert_eq!(again.ok(), first.ok(), "{key}");
        count += 1;
    }
    // A command in flight at the stop was finished, or never begun.
    let balance = server.balance(&id);
    assert!(balance >= count, "{balance} of {count}");
    assert_eq!(server.read(&id)["version"], balance + 1);
    assert_eq!(
        server
            .list(&format!("/accounts/{id}/transactions?limit=1000"))
            .len() as i64,
        balance
    );
}

#[test]
fn idle_connections_do_not_hold_up_a_stop() {
    let mut server = Server::start();
    let mut idle: Vec<Connection> = (0..100).map(|_| server.connect()).collect();
    for connection in idle.iter_mut().step_by(2) {
        assert_eq!(
            connection
                .send(&Request::get("/health/live"))
                .unwrap()
                .status,
            200
        );
    }
    // One of them has begun a request that it never completes.
    idle[0]
        .write(b"POST /accounts HTTP/1.1\r\nHost: localh")
        .unwrap();
    idle[2].write(b"POST /accounts HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{").unwrap();
    server.signal(Signal::TERM);
    let status = server
        .ended_within(STOP_BOUND)
        .expect("it ends within its bound");
    assert_eq!(status.code(), Some(0), "{}", server.log());
    drop(idle);
}

#[test]
fn an_interrupt_is_a_stop() {
    let mut server = Server::start();
    let id = server.account_of(5);
    server.signal(Signal::INT);
    assert_eq!(server.ended().code(), Some(0), "{}", server.log());
    server.start_again();
    assert_eq!(server.balance(&id), 5);
}

#[test]
fn after_a_stop_the_next_start_is_the_same_ledger() {
    let mut server = Server::start();
    let id = server.account_of(5);
    let before = (server.read(&id), server.get("/ledger/trial-balance").ok());
    for _ in 0..3 {
        server.restart();
        assert_eq!(
            (server.read(&id), server.get("/ledger/trial-balance").ok()),
            before
        );
    }
    assert_eq!(server.deposit(&id, 1).ok()["balance"], 6);
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let server = Server::start();
    let id = server.account_of(5);
    let data_dir = server.data_dir();
    let data_dir = data_dir.to_str().unwrap();
    let second = executable::run(&["serve", "--port", "0", "--data-dir", data_dir], &[]);
    assert_eq!(second.code(), Some(DATA_IN_USE), "{second:?}");
    assert!(
        second.output().contains(data_dir),
        "it does not name the folder: {second:?}"
    );
    assert!(!second.output().contains("panicked"), "{second:?}");
    let verify = executable::run(&["verify", "--data-dir", data_dir], &[]);
    assert_eq!(verify.code(), Some(DATA_IN_USE), "{verify:?}");
    assert_eq!(server.deposit(&id, 1).ok()["balance"], 6);
}

#[test]
fn a_port_that_is_taken_stops_the_start_with_its_name() {
    let server = Server::start();
    let port = server.address().port().to_string();
    let second = executable::run(&["serve", "--port", &port, "--data-dir", "other"], &[]);
    assert_eq!(second.code(), Some(FAILED), "{second:?}");
    assert!(second.output().contains(&port), "{second:?}");
    assert!(!second.output().contains("panicked"), "{second:?}");
}

/// Opens connections that idle, and some that have sent a part of a request.
fn bystanders(server: &Server, id: &str) -> Vec<Connection> {
    let whole = deposit(id).bytes();
    let bystander = |n: usize| {
        let mut connection = server.connect();
        match n % 4 {
            0 => connection.write(&whole[..whole.len() / 3]).unwrap(),
            1 => connection.write(&whole[..whole.len() - 1]).unwrap(),
            2 => {
                let live = connection.send(&Request::get("/health/live")).unwrap();
                assert_eq!(live.status, 200);
            }
            _ => {}
        }
        connection
    };
    (0..200).map(bystander).collect()
}

fn deposit_until_stopped(
    client: &Client,
    id: &str,
    number: usize,
    acknowledged: &AtomicU64,
) -> Vec<(String, Response)> {
    let mut kept = Vec::new();
    for n in 0.. {
        let key = format!("load-{number}-{n}");
        // After the stop, the server closes the connection or accepts no new one.
        let Ok(answer) = client.try_send(&deposit(id).key(&key)) else {
            break;
        };
        if answer.status == 503 {
            answer.problem(503, "shutting_down");
            break;
        }
        answer.ok();
        kept.push((key, answer));
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    kept
}

fn deposit(id: &str) -> Request {
    Request::post(&format!("/accounts/{id}/deposit"), &json!({"amount": 1}))
}
