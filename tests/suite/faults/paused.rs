//! A process that is stopped for longer than all of its timeouts and then continues: no
//! acknowledged command is lost, and a client that was told that the outcome is unknown can learn
//! it later.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use florin_tests::bank::{opening, text};
use florin_tests::faulty::Switch;
use florin_tests::http::{Client, Connection, Request, Response};
use florin_tests::poll::{eventually, within};
use florin_tests::server::Server;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::faults::switched::{Faulty, begin, deposit, under_way};

/// Settings with timeouts of at most a second.
const IMPATIENT: [(&str, &str); 6] = [
    ("gateway.confirmation_wait_ms", "300"),
    ("gateway.header_read_seconds_max", "1"),
    ("gateway.body_read_seconds_max", "1"),
    ("gateway.keep_alive_idle_seconds_max", "1"),
    ("gateway.list_wait_ms_max", "300"),
    ("views.flush_seconds_max", "1"),
];
/// A pause that is longer than all of them.
const PAUSE: Duration = Duration::from_millis(2_500);
const CLIENTS: usize = 6;
const ACCOUNTS: usize = 3;
/// The number of answers before the stop, and again after it.
const ANSWERS: usize = 120;

#[test]
fn a_pause_under_load_loses_nothing_acknowledged_and_tells_no_late_lie() {
    let server = Server::with(&IMPATIENT);
    let accounts: Vec<String> = (0..ACCOUNTS).map(|_| account(&server)).collect();
    let told = load(&server, &accounts);
    let happened = happened(&server, &accounts);
    let mut timed_out = 0;
    for (request, answer) in &told {
        let done = happened.contains_key(&request.key);
        let Some(answer) = answer else { continue };
        match answer.status {
            200 => assert_eq!(happened[&request.key], balance_after(&answer.ok())),
            504 => {
                timed_out += 1;
                let told = truth(&server, answer);
                let (key, text) = (&request.key, answer.text());
                assert_eq!(told, done, "{key} {:?}: {text}", happened.get(key));
            }
            // Every other answer means that the command had no effect.
            _ => {
                assert_eq!(answer.status, 503, "{}", answer.text());
                assert!(!done, "{}: {}", request.key, answer.text());
            }
        }
    }
    println!(
        "{} commands, {timed_out} told that it is unknown",
        told.len()
    );
    let balance = || accounts.iter().map(|id| server.balance(id)).sum::<i64>();
    assert_eq!(balance(), happened.len() as i64);
    // Sent again, each command is executed once. Those that had happened are only replayed.
    for (request, _) in &told {
        let again = server.send(&patiently(&request.bytes));
        let done = happened.contains_key(&request.key);
        assert_eq!(again.replayed(), done, "{}: {}", request.key, again.text());
        again.ok();
    }
    assert_eq!(balance(), told.len() as i64);
    assert_well(&server);
}

#[test]
fn what_was_waiting_at_a_pause_is_told_that_it_is_unknown_and_then_the_truth() {
    let faulty = Faulty::start(&IMPATIENT);
    let id = account(&faulty.server);
    let requests: Vec<Request> = (0..20)
        .map(|n| deposit(&id, 1).key(&format!("paused-{n}")))
        .collect();
    Switch::HoldJournal.on(faulty.switches());
    let send = |request| begin(&faulty.server, request);
    let mut waiting: Vec<Connection> = requests[..10].iter().map(send).collect();
    under_way(&faulty.server, 1);
    faulty.server.signal(Signal::STOP);
    // The other requests arrive while the process is stopped.
    waiting.extend(requests[10..].iter().map(send));
    pause();
    faulty.server.signal(Signal::CONT);
    let answers: Vec<Response> = waiting
        .iter_mut()
        .map(|connection| connection.read().unwrap())
        .collect();
    for answer in &answers {
        answer.problem(504, "confirmation_timeout");
    }
    Switch::HoldJournal.off(faulty.switches());
    let done = answers
        .iter()
        .filter(|answer| truth(&faulty.server, answer))
        .count();
    assert_eq!(faulty.server.balance(&id), done as i64);
    for request in &requests {
        faulty.server.send(&patiently(request)).ok();
    }
    assert_eq!(faulty.server.balance(&id), 20);
    assert_well(&faulty.server);
}

struct Sent {
    key: String,
    bytes: Request,
}

/// Deposits from several clients, with a pause in the middle. Returns each request with its answer,
/// if there was one.
fn load(server: &Server, accounts: &[String]) -> Vec<(Sent, Option<Response>)> {
    let (answers, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (answers, over) = (&answers, &over);
                let client = server.client();
                scope.spawn(move || one_client(client, accounts, number, answers, over))
            })
            .collect();
        let reach = |count| {
            eventually("the load runs", || {
                (answers.load(Ordering::Relaxed) >= count).then_some(())
            });
        };
        reach(ANSWERS);
        server.signal(Signal::STOP);
        pause();
        server.signal(Signal::CONT);
        reach(answers.load(Ordering::Relaxed) + ANSWERS);
        over.store(true, Ordering::Relaxed);
        let told = clients.into_iter();
        told.flat_map(|client| client.join().unwrap()).collect()
    })
}

fn one_client(
    client: &Client,
    accounts: &[String],
    number: usize,
    answers: &AtomicUsize,
    over: &AtomicBool,
) -> Vec<(Sent, Option<Response>)> {
    let mut told = Vec::new();
    for n in 0.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let key = format!("{number}-{n}");
        let path = format!("/accounts/{}/deposit", accounts[n % accounts.len()]);
        let body = json!({"amount": 1, "reference": key});
        let bytes = Request::post(&path, &body).key(&key);
        // The server closes a connection that was idle too long, even if a request is on its way.
        let answer = client.try_send(&bytes).ok();
        told.push((Sent { key, bytes }, answer));
        answers.fetch_add(1, Ordering::Relaxed);
    }
    told
}

/// Opens an account, even on a busy machine.
fn account(server: &Client) -> String {
    let request = patiently(&Request::post("/accounts", &opening()));
    text(&server.send(&request).with(201), "id")
}

/// Returns the same request with the longest possible wait.
fn patiently(request: &Request) -> Request {
    request.clone().header("Prefer", "wait=30")
}

fn assert_well(server: &Client) {
    eventually("all is well", || {
        (server.get("/health").ok()["status"] == "ok").then_some(())
    });
    assert_eq!(server.get("/health/ready").status, 200);
}

/// Waits longer than any of the server's timeouts.
fn pause() {
    let over: Option<()> = within(PAUSE, || None);
    assert_eq!(over, None);
}

/// Returns whether a command that timed out was executed, according to its operation's final state.
#[track_caller]
fn truth(server: &Client, answer: &Response) -> bool {
    let problem = answer.problem(504, "confirmation_timeout");
    let path = format!("/operations/{}", text(&problem, "operation_id"));
    let operation = eventually("the outcome is known", || {
        let operation = server.get(&path).ok();
        (operation["status"] != "pending").then_some(operation)
    });
    match operation["status"].as_str() {
        Some("completed") => true,
        _ => {
            assert_eq!(
                operation["error"]["code"], "deadline_exceeded",
                "{operation}"
            );
            false
        }
    }
}

/// Returns the deposits in the histories: the balance after each, by its reference.
fn happened(server: &Client, accounts: &[String]) -> BTreeMap<String, i64> {
    let mut found = BTreeMap::new();
    for id in accounts {
        let path = format!("/accounts/{id}/transactions?limit=1000");
        let page = eventually("the views have it all", || {
            let page = server.get(&path);
            (page.status == 200).then(|| page.json())
        });
        assert_eq!(page["has_more"], false, "{page}");
        for row in page["data"].as_array().unwrap() {
            let after = row["balance_after"].as_i64().unwrap();
            let before = found.insert(text(row, "reference"), after);
            assert_eq!(before, None, "twice: {row}");
        }
    }
    found
}

fn balance_after(answer: &Value) -> i64 {
    answer["balance"].as_i64().unwrap()
}
