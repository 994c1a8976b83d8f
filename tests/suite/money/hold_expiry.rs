//! Pending transfers that no client ends: when they expire, and that stops and crashes of the
//! server don't change it.

use std::process::ExitStatus;
use std::time::{Duration, SystemTime};

use florin_actors::messages::Timestamp;
use florin_tests::bank::{self, money, text};
use florin_tests::http::Request;
use florin_tests::poll::eventually;
use florin_tests::server::{Server, Shared};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::money::holds::{assert_state, expiring, is};

static SERVER: Shared = Shared::new();

/// The longest time after its `expires_at` that a pending transfer may still be pending.
const EXPIRY_LATE_MAX: Duration = Duration::from_secs(5);

#[test]
fn a_hold_expires_as_many_seconds_after_its_making_as_was_asked() {
    let server = SERVER.server();
    let (from, to) = (server.account_of(100), server.account());
    for seconds in [60, 86_400, 315_360_000] {
        let id = expiring(&server, &from, &to, 1, seconds);
        let transfer = server.transfer_of(&id);
        assert!(bank::is_time(&text(&transfer, "expires_at")), "{transfer}");
        let lives = micros(&transfer, "expires_at") - micros(&transfer, "created_at");
        assert_eq!(lives, i64::from(seconds) * 1_000_000);
    }
    let never = json!({"pending": true, "expires_in_seconds": null});
    let ends = json!({"from": from, "to": to, "amount": 1});
    let made = server
        .post("/transfers", &bank::with(ends, &never))
        .created();
    let transfer = server.transfer_of(&text(&made, "transfer_id"));
    assert_eq!(transfer["expires_at"], Value::Null);
}

#[test]
fn an_expired_hold_is_released_within_five_seconds() {
    let server = SERVER.server();
    let (from, to) = (server.account_of(100), server.account());
    let transfer = expiring(&server, &from, &to, 40, 1);
    let stays = server.held(&from, &to, 5);
    let later = expiring(&server, &from, &to, 6, 86_400);
    eventually("it expires", || is(&server, &transfer, "expired"));
    assert_state(&server, &transfer, "expired", 0);
    assert_state(&server, &stays, "pending", 0);
    assert_state(&server, &later, "pending", 0);
    assert_eq!(money(&server.read(&from)), json!([100, 11, 89, 6]));
    assert_eq!(money(&server.read(&to)), json!([0, 0, 0, 1]));
    // The journal shows when it expired.
    let late = micros(&server.transfer_of(&transfer), "expires_at")
        + i64::try_from(EXPIRY_LATE_MAX.as_micros()).unwrap();
    let late = Timestamp::from_micros(late);
    let then = eventually("that time is past", || {
        let then = server.get(&format!("/accounts/{from}/balance?at={late}"));
        (then.status != 400).then(|| then.ok())
    });
    assert_eq!(then["held"], 11, "{then}");
}

#[test]
fn a_hold_of_which_a_part_was_posted_is_posted_once_it_expires() {
    let server = SERVER.server();
    let (from, to) = (server.account_of(100), server.account());
    // On a slow machine the hold may expire before its part is posted. Then the test tries again
    // with more time.
    let mut seconds = 2;
    let transfer = eventually("a part is posted in time", || {
        let transfer = expiring(&server, &from, &to, 40, seconds);
        let part = json!({"amount": 10, "final": false});
        let posted = server.settle(&transfer, "post", &part);
        seconds *= 2;
        (posted.status == 200).then_some(transfer)
    });
    assert_state(&server, &transfer, "pending", 10);
    eventually("it expires", || is(&server, &transfer, "posted"));
    assert_state(&server, &transfer, "posted", 10);
    eventually("all is released", || {
        (server.read(&from)["held"] == 0).then_some(())
    });
    assert_eq!((server.balance(&from), server.balance(&to)), (90, 10));
    for how in ["post", "void"] {
        server
            .settle(&transfer, how, &json!({}))
            .problem(409, "already_posted");
    }
}

#[test]
fn a_post_is_refused_from_the_end_on_whether_or_not_the_hold_was_released() {
    let server = SERVER.server();
    let (from, to) = (server.account_of(100), server.account());
    for _ in 0..3 {
        let transfer = expiring(&server, &from, &to, 10, 1);
        let ends = micros(&server.transfer_of(&transfer), "expires_at");
        // The post exceeds the hold, so it is refused in any case. The code tells whether the
        // hold's time is over.
        let post = Request::post(
            &format!("/transfers/{transfer}/post"),
            &json!({"amount": 11}),
        );
        eventually("it is over", || {
            let sent = now_micros();
            let answer = server.send(&post);
            let (code, answered) = (text(&answer.json(), "code"), now_micros());
            match code.as_str() {
                "amount_exceeds_hold" => assert!(sent < ends, "posted after the end"),
                "transfer_expired" => assert!(answered >= ends, "over before the end"),
                _ => panic!("{}", answer.text()),
            }
            (code == "transfer_expired").then_some(())
        });
        eventually("it is released", || is(&server, &transfer, "expired"));
    }
}

#[test]
fn a_hold_that_is_over_can_be_voided_or_has_expired() {
    let server = SERVER.server();
    let (from, to) = (server.account_of(100), server.account());
    let transfer = expiring(&server, &from, &to, 10, 1);
    let ends = micros(&server.transfer_of(&transfer), "expires_at");
    eventually("its time is over", || (now_micros() > ends).then_some(()));
    let void = server.settle(&transfer, "void", &json!({}));
    let status = match void.status {
        200 => text(&void.json(), "transfer_status"),
        _ => text(&void.problem(409, "transfer_expired"), "code"),
    };
    assert!(["voided", "transfer_expired"].contains(&status.as_str()));
    assert_eq!(money(&server.read(&from)), json!([100, 0, 100, 4]));
}

#[test]
fn holds_expire_though_the_server_was_stopped_or_killed_meanwhile() {
    let mut server = Server::start();
    let (from, to) = (server.account_of(100), server.account());
    let stays = server.held(&from, &to, 7);
    for (round, ends) in [Server::stop as Ending, end_at_once]
        .into_iter()
        .enumerate()
    {
        let transfers = [1, 2, 3].map(|seconds| expiring(&server, &from, &to, 10, seconds));
        let last = micros(&server.transfer_of(&transfers[2]), "expires_at");
        ends(&mut server);
        if round == 1 {
            // Their time is over before the server runs again.
            eventually("their time is over", || (now_micros() > last).then_some(()));
        }
        server.start_again();
        for transfer in &transfers {
            eventually("it expires", || is(&server, transfer, "expired"));
        }
        assert_eq!(server.read(&from)["held"], 7);
    }
    server.kill();
    server.start_again();
    let account = server.read(&from);
    assert_eq!(money(&account), json!([100, 7, 93, 2 + 1 + 2 * 6]));
    assert_state(&server, &stays, "pending", 0);
    server.settle(&stays, "post", &json!({})).ok();
    server.verified();
}

#[test]
fn hundreds_of_holds_that_are_over_at_once_all_expire() {
    const HOLDS: usize = 600;
    let mut server = Server::start();
    let (from, to) = (server.account_of(1_000), server.account());
    let transfers: Vec<String> = (0..HOLDS)
        .map(|_| expiring(&server, &from, &to, 1, 1))
        .collect();
    let last = micros(&server.transfer_of(&transfers[HOLDS - 1]), "expires_at");
    server.kill();
    eventually("their time is over", || (now_micros() > last).then_some(()));
    server.start_again();
    eventually("all are released", || {
        (server.read(&from)["held"] == 0).then_some(())
    });
    assert!(
        transfers
            .iter()
            .all(|one| is(&server, one, "expired").is_some())
    );
    assert_eq!(
        money(&server.read(&from)),
        json!([1_000, 0, 1_000, 2 + 2 * HOLDS])
    );
    server.verified();
}

#[test]
fn holds_are_the_same_after_a_stop_and_after_a_kill() {
    let mut server = Server::start();
    let (from, to) = (server.account_of(1_000), server.account());
    let part = json!({"amount": 3, "final": false});
    let pending = server.held(&from, &to, 10);
    let partly = server.held(&from, &to, 10);
    server.settle(&partly, "post", &part).ok();
    let (posted, voided) = (server.held(&from, &to, 10), server.held(&from, &to, 10));
    server.settle(&posted, "post", &json!({})).ok();
    server.settle(&voided, "void", &json!({})).ok();
    let seen = |server: &Server| {
        let transfers = [&pending, &partly, &posted, &voided];
        let transfers = transfers.map(|transfer| server.transfer_of(transfer));
        (transfers, server.read(&from), server.read(&to))
    };
    let before = seen(&server);
    server.restart();
    assert_eq!(seen(&server), before);
    server.crash();
    assert_eq!(seen(&server), before);
    let done = server.settle(&partly, "post", &json!({})).ok();
    assert_eq!(money(&done["from"]), json!([980, 10, 970, 10]));
    server.settle(&pending, "void", &json!({})).ok();
    server
        .settle(&posted, "void", &json!({}))
        .problem(409, "already_posted");
    assert_eq!(money(&server.read(&from)), json!([980, 0, 980, 11]));
    server.verified();
}

#[track_caller]
fn micros(body: &Value, field: &str) -> i64 {
    let time: Timestamp = text(body, field).parse().expect("a time");
    time.as_micros()
}

fn now_micros() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    i64::try_from(since.unwrap().as_micros()).unwrap()
}

/// A way to end a server.
type Ending = fn(&mut Server) -> ExitStatus;

fn end_at_once(server: &mut Server) -> ExitStatus {
    server.signal(Signal::KILL);
    server.ended()
}
