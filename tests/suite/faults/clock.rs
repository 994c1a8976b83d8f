//! The machine's time of day is set back, or leaps ahead, while the server runs.

use florin_tests::faulty::set_clock;
use florin_tests::http::Request;
use florin_tests::poll::eventually;
use florin_tests::server::Server;
use serde_json::{Value, json};

use crate::faults::switched::{Faulty, deposit};

const DAY: i64 = 24 * 60 * 60;

/// Returns the timestamps of the account's movements, newest first.
fn times(server: &Server, account: &str) -> Vec<String> {
    let rows = server.list(&format!("/accounts/{account}/transactions"));
    let rows = rows.iter();
    rows.map(|row| row["timestamp"].as_str().unwrap().to_owned())
        .collect()
}

#[track_caller]
fn none_is_older_than_the_one_before(server: &Server, account: &str, count: usize) {
    let times = times(server, account);
    assert_eq!(times.len(), count);
    assert!(
        times.is_sorted_by(|newer, older| newer >= older),
        "{times:?}"
    );
}

#[test]
fn a_clock_that_is_set_back_makes_no_record_older_and_ends_nothing() {
    let mut faulty = Faulty::start(&[]);
    let account = faulty.server.account_of(100);
    let first = faulty.server.send(&deposit(&account, 1).key("before")).ok();
    set_clock(faulty.switches(), -DAY);
    for _ in 0..3 {
        faulty.server.send(&deposit(&account, 1)).ok();
    }
    let again = faulty.server.send(&deposit(&account, 1).key("before"));
    assert!(again.replayed());
    assert_eq!(again.ok()["balance"], first["balance"]);
    none_is_older_than_the_one_before(&faulty.server, &account, 5);
    // After the restart, the newest records are of tomorrow according to the clock.
    faulty.server.crash();
    faulty.server.send(&deposit(&account, 1)).ok();
    none_is_older_than_the_one_before(&faulty.server, &account, 6);
    let health = faulty.server.get("/health").ok();
    assert_eq!(health["clock"]["leapt_seconds"], Value::Null);
    assert_eq!(health["status"], "ok");
    assert_eq!(faulty.server.balance(&account), 105);
    faulty.server.verified();
}

#[test]
fn nothing_expires_by_a_leap_ahead_until_it_is_confirmed() {
    let faulty = Faulty::start(&[]);
    let server = &faulty.server;
    let (from, to) = (server.account_of(100), server.account());
    let hold = json!({
        "from": from, "to": to, "amount": 10, "pending": true, "expires_in_seconds": DAY / 2,
    });
    server.post("/transfers", &hold).created();
    set_clock(faulty.switches(), DAY);
    let leapt = eventually("the leap is noticed", || {
        let health = server.get("/health").ok();
        health["clock"]["leapt_seconds"]
            .as_i64()
            .map(|leapt| (leapt, health))
    });
    assert!((DAY - 60..=DAY).contains(&leapt.0), "{leapt:?}");
    assert_eq!(leapt.1["status"], "degraded");
    server.logs("the system clock jumped ahead");
    server.send(&deposit(&from, 1)).ok();
    // The server's time did not leap by a day: the two newest movements are close together.
    let [newest, before] = &times(server, &from)[..] else {
        panic!("two movements");
    };
    let seconds = |from: &str, to: &str| {
        let at = |time: &str| time.parse::<florin_actors::messages::Timestamp>().unwrap();
        (at(to).as_micros() - at(from).as_micros()) / 1_000_000
    };
    assert!((0..DAY / 2).contains(&seconds(before, newest)));
    assert_eq!(server.read(&from)["held"], 10);
    let confirmed = server
        .send(&Request::new("POST", "/admin/clock/confirm"))
        .ok();
    assert!((DAY - 60..=DAY).contains(&confirmed["leapt_seconds"].as_i64().unwrap()));
    eventually("the hold expires", || {
        (server.read(&from)["held"] == 0).then_some(())
    });
    assert_eq!(server.get("/health").ok()["status"], "ok");
    server.send(&deposit(&from, 1)).ok();
    assert!(seconds(newest, &times(server, &from)[0]) >= DAY / 2);
    none_is_older_than_the_one_before(server, &from, 3);
}
