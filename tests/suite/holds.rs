//! Pending transfers: what a hold takes of its source, and every way in which it ends.

use std::process::ExitStatus;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use florin_actors::messages::Timestamp;
use florin_tests::bank::{self, UNKNOWN_ID, money, text};
use florin_tests::http::{Client, Request, Response};
use florin_tests::poll::eventually;
use florin_tests::server::{Server, Shared};
use rustix::process::Signal;
use serde_json::{Value, json};

static SERVER: Shared = Shared::new();

/// How long after its `expires_at` a pending transfer may still be pending.
const EXPIRY_LATE_MAX: Duration = Duration::from_secs(5);

#[test]
fn a_hold_takes_of_what_is_available_and_leaves_its_target_alone() {
    let server = SERVER.server();
    let (from, to) = (server.account_of(100), server.account());
    let asked = json!({
        "from": from, "to": to, "amount": 40, "currency": "USD", "pending": true,
        "reference": "booking 7", "metadata": {"room": "7"},
    });
    let answer = server.post("/transfers", &asked);
    let held = answer.ok();
    assert_eq!(
        (&held["status"], &held["transfer_status"]),
        (&json!("completed"), &json!("pending"))
    );
    assert_eq!(held["transfer_id"], held["operation_id"]);
    assert_eq!(money(&held["from"]), json!([100, 40, 60, 3]));
    assert_eq!(money(&held["to"]), json!([0, 0, 0, 1]));
    assert_eq!(answer.header("etag"), Some("\"3\""));
    assert_eq!(money(&server.read(&from)), json!([100, 40, 60, 3]));
    assert_eq!(money(&server.read(&to)), json!([0, 0, 0, 1]));
    let transfer = server.transfer_of(&text(&held, "transfer_id"));
    for field in ["from", "to", "amount", "currency", "reference", "metadata"] {
        assert_eq!(transfer[field], asked[field], "{field}");
    }
    assert_eq!(
        (&transfer["status"], &transfer["posted_amount"]),
        (&json!("pending"), &json!(0))
    );
    assert_eq!(transfer["expires_at"], Value::Null);
    server
        .withdraw(&from, 61)
        .problem(422, "insufficient_funds");
    server.withdraw(&from, 60).ok();
    assert_eq!(money(&server.read(&from)), json!([40, 40, 0, 4]));
}

#[test]
fn a_hold_moves_nothing_and_is_no_movement() {
    let server = SERVER.server();
    let (from, to) = (server.account_of(100), server.account());
    let transfer = server.held(&from, &to, 40);
    let path = format!("/ledger/transactions/{transfer}");
    server.get(&path).problem(404, "not_found");
    let void = text(
        &server.settle(&transfer, "void", &json!({})).ok(),
        "operation_id",
    );
    let path = format!("/ledger/transactions/{void}");
    server.get(&path).problem(404, "not_found");
    for (id, movements) in [(&from, 1), (&to, 0)] {
        let list = server.list(&format!("/accounts/{id}/transactions"));
        assert_eq!(list.len(), movements, "{list:?}");
    }
}

#[test]
fn a_posted_hold_moves_the_money() {
    let server = SERVER.server();
    let (from, to) = (server.account_of(100), server.account());
    let transfer = server.held(&from, &to, 40);
    let posted = server.settle(&transfer, "post", &json!({}));
    let done = posted.ok();
    assert_eq!(
        (&done["transfer_id"], &done["transfer_status"]),
        (&json!(transfer), &json!("posted"))
    );
    assert_eq!(money(&done["from"]), json!([60, 0, 60, 4]));
    assert_eq!(money(&done["to"]), json!([40, 0, 40, 2]));
    assert_eq!(posted.header("etag"), Some("\"4\""));
    assert_state(&server, &transfer, "posted", 40);
    let operation = text(&done, "operation_id");
    assert_ne!(operation, transfer, "a post is an operation of its own");
    let transaction = server
        .get(&format!("/ledger/transactions/{operation}"))
        .ok();
    assert_eq!(transaction["transaction_type"], "transfer");
    let postings = transaction["postings"].as_array().unwrap();
    let short = |posting: &Value| {
        json!([
            posting["entity_id"],
            posting["amount"],
            posting["balance_after"],
            posting["version"]
        ])
    };
    let postings: Vec<Value> = postings.iter().map(short).collect();
    assert_eq!(
        postings,
        [json!([from, -40, 60, 4]), json!([to, 40, 40, 2])]
    );
    for (id, other, amount) in [(&from, &to, -40), (&to, &from, 40)] {
        let list = server.list(&format!("/accounts/{id}/transactions"));
        let row = &list[0];
        assert_eq!(
            (&row["transaction_id"], &row["amount"], &row["counterparty"]),
            (&json!(operation), &json!(amount), &json!(other))
        );
    }
}

#[test]
fn a_post_and_a_void_need_no_body() {
    let server = SERVER.server();
    let (from, to) = (server.account_of(100), server.account());
    for (how, status) in [("post", "posted"), ("void", "voided")] {
        let transfer = server.held(&from, &to, 40);
        let path = format!("/transfers/{transfer}/{how}");
        let done = server.send(&Request::new("POST", &path)).ok();
        assert_eq!(done["transfer_status"], status);
    }
    assert_eq!(money(&server.read(&from)), json!([60, 0, 60, 6]));
}

#[test]
fn a_part_is_posted_and_the_rest_released() {
    let server = SERVER.server();
    let (from, to) = (server.account_of(100), server.account());
    let transfer = server.held(&from, &to, 40);
    let done = server
        .settle(&transfer, "post", &json!({"amount": 10}))
        .ok();
    assert_eq!(done["transfer_status"], "posted");
    assert_eq!(money(&done["from"]), json!([90, 0, 90, 4]));
    assert_eq!(money(&done["to"]), json!([10, 0, 10, 2]));
    assert_state(&server, &transfer, "posted", 10);
}

#[test]
fn parts_are_posted_one_after_another_while_the_rest_stays_held() {
    let server = SERVER.server();
    let (from, to) = (server.account_of(100), server.account());
    let transfer = server.held(&from, &to, 60);
    let part = |amount: i64| {
        let part = json!({"amount": amount, "final": false});
        server.settle(&transfer, "post", &part).ok()
    };
    let first = part(10);
    assert_eq!(first["transfer_status"], "pending");
    assert_eq!(money(&first["from"]), json!([90, 50, 40, 4]));
    assert_state(&server, &transfer, "pending", 10);
    let second = part(20);
    assert_eq!(money(&second["from"]), json!([70, 30, 40, 5]));
    assert_state(&server, &transfer, "pending", 30);
    let last = server.settle(&transfer, "post", &json!({})).ok();
    assert_eq!(last["transfer_status"], "posted");
    assert_eq!(money(&last["from"]), json!([40, 0, 40, 6]));
    assert_eq!(money(&last["to"]), json!([60, 0, 60, 4]));
    assert_state(&server, &transfer, "posted", 60);
}

#[test]
fn a_part_that_is_all_there_is_ends_the_hold_though_it_is_not_called_final() {
    let server = SERVER.server();
    let (from, to) = (server.account_of(100), server.account());
    for body in [
        json!({"amount": 40, "final": false}),
        json!({"final": false}),
    ] {
        let transfer = server.held(&from, &to, 40);
        let done = server.settle(&transfer, "post", &body).ok();
        assert_eq!(done["transfer_status"], "posted", "{body}");
        assert_eq!(done["from"]["held"], 0, "{body}");
    }
}

#[test]
fn more_than_is_held_can_not_be_posted() {
    let server = SERVER.alone();
    let (from, to) = (server.account_of(100), server.account());
    let transfer = server.held(&from, &to, 40);
    let post = |body: Value| Request::post(&format!("/transfers/{transfer}/post"), &body);
    for is_final in [false, true] {
        let more = post(json!({"amount": 41, "final": is_final}));
        server.refused(&more, 422, "amount_exceeds_hold");
    }
    server
        .send(&post(json!({"amount": 10, "final": false})))
        .ok();
    server.refused(&post(json!({"amount": 31})), 422, "amount_exceeds_hold");
    assert_eq!(money(&server.read(&from)), json!([90, 30, 60, 4]));
    server.send(&post(json!({"amount": 30}))).ok();
}

#[test]
fn a_voided_hold_gives_everything_back() {
    let server = SERVER.server();
    let (from, to) = (server.account_of(100), server.account());
    let transfer = server.held(&from, &to, 40);
    let done = server.settle(&transfer, "void", &json!({})).ok();
    assert_eq!(done["transfer_status"], "voided");
    assert_eq!(money(&done["from"]), json!([100, 0, 100, 4]));
    assert_eq!(money(&done["to"]), json!([0, 0, 0, 1]));
    assert_state(&server, &transfer, "voided", 0);
}

#[test]
fn a_hold_of_which_a_part_was_posted_is_posted_once_it_is_voided() {
    let server = SERVER.server();
    let (from, to) = (server.account_of(100), server.account());
    let transfer = server.held(&from, &to, 40);
    let part = json!({"amount": 10, "final": false});
    server.settle(&transfer, "post", &part).ok();
    let done = server.settle(&transfer, "void", &json!({})).ok();
    assert_eq!(done["transfer_status"], "posted");
    assert_eq!(money(&done["from"]), json!([90, 0, 90, 5]));
    assert_eq!(money(&done["to"]), json!([10, 0, 10, 2]));
    assert_state(&server, &transfer, "posted", 10);
    for how in ["post", "void"] {
        server
            .settle(&transfer, how, &json!({}))
            .problem(409, "already_posted");
    }
}

#[test]
fn what_has_ended_says_how() {
    let server = SERVER.alone();
    let (from, to) = (server.account_of(1_000), server.account());
    let ended = |ways: &[&str]| {
        let transfer = server.held(&from, &to, 10);
        for way in ways {
            server.settle(&transfer, way, &json!({})).ok();
        }
        transfer
    };
    let expired = expiring(&server, &from, &to, 10, 1);
    eventually("it expires", || is(&server, &expired, "expired"));
    let at_once = text(&server.transfer(&from, &to, 10).ok(), "transfer_id");
    let at_once_reversed = text(&server.transfer(&from, &to, 10).ok(), "transfer_id");
    server.settle(&at_once_reversed, "reverse", &json!({})).ok();
    let reversal = {
        let transfer = ended(&["post"]);
        let reversed = server.settle(&transfer, "reverse", &json!({})).ok();
        text(&reversed, "transfer_id")
    };
    let before = server.read(&from);
    for (transfer, code) in [
        (ended(&["post"]), "already_posted"),
        (ended(&["void"]), "already_voided"),
        (expired, "transfer_expired"),
        (ended(&["post", "reverse"]), "already_reversed"),
        (at_once, "not_pending"),
        (at_once_reversed, "not_pending"),
        (reversal, "not_pending"),
    ] {
        for how in ["post", "void"] {
            let again = Request::post(&format!("/transfers/{transfer}/{how}"), &json!({}));
            server.refused(&again, 409, code);
        }
    }
    assert_eq!(before["held"], 0);
    assert_eq!(server.read(&from)["held"], 0);
}

#[test]
fn what_never_was_a_transfer_can_not_be_settled() {
    let server = SERVER.alone();
    let id = server.account();
    let deposit = text(&server.deposit(&id, 1).ok(), "operation_id");
    let transfer = server.held(&id, &server.account(), 1);
    let post = server.settle(&transfer, "post", &json!({})).ok();
    for how in ["post", "void", "reverse"] {
        let settle = |id: &str| Request::post(&format!("/transfers/{id}/{how}"), &json!({}));
        for wrong in [UNKNOWN_ID, &id, &deposit, &text(&post, "operation_id")] {
            server.refused(&settle(wrong), 404, "not_found");
        }
        server.refused(&settle("7"), 400, "invalid_id");
    }
    let post = format!("/transfers/{}", text(&post, "operation_id"));
    server.get(&post).problem(404, "not_found");
}

#[test]
fn a_hold_needs_what_a_debit_needs() {
    let server = SERVER.alone();
    let (from, to) = (server.account_of(100), server.account());
    let euros = text(&server.open(&json!({"currency": "EUR"})), "id");
    let deleted = server.account();
    server.delete(&format!("/accounts/{deleted}")).ok();
    let hold = |from: &str, to: &str, amount: i64, currency: &str| {
        let ends = json!({"from": from, "to": to, "amount": amount, "currency": currency});
        Request::post("/transfers", &bank::with(ends, &json!({"pending": true})))
    };
    for (request, status, code) in [
        (hold(&from, &to, 101, "USD"), 422, "insufficient_funds"),
        (hold(&from, &from, 1, "USD"), 422, "same_account"),
        (hold(&from, &euros, 1, "USD"), 422, "currency_mismatch"),
        (hold(&from, &to, 1, "EUR"), 422, "currency_mismatch"),
        (hold(&from, &deleted, 1, "USD"), 409, "account_deleted"),
        (hold(&deleted, &to, 1, "USD"), 409, "account_deleted"),
        (hold(&from, UNKNOWN_ID, 1, "USD"), 404, "not_found"),
        (hold(UNKNOWN_ID, &to, 1, "USD"), 404, "not_found"),
        (hold(&from, &to, 0, "USD"), 400, "invalid_request"),
    ] {
        server.refused(&request, status, code);
    }
    assert_eq!(money(&server.read(&from)), json!([100, 0, 100, 2]));
    let overdrawn = text(&server.open(&json!({"overdraft_limit": 50})), "id");
    let held = server.hold(&overdrawn, &to, 50).ok();
    assert_eq!(money(&held["from"]), json!([0, 50, 0, 2]));
    server
        .hold(&overdrawn, &to, 1)
        .problem(422, "insufficient_funds");
    let posted = server.settle(&text(&held, "transfer_id"), "post", &json!({}));
    assert_eq!(money(&posted.ok()["from"]), json!([-50, 0, 0, 3]));
}

#[test]
fn a_hold_is_posted_though_the_overdraft_it_rests_on_was_lowered() {
    let server = SERVER.server();
    let from = text(&server.open(&json!({"overdraft_limit": 50})), "id");
    let to = server.account();
    let transfer = server.held(&from, &to, 50);
    let path = format!("/accounts/{from}");
    let lowered = server.patch(&path, &json!({"overdraft_limit": 0})).ok();
    assert_eq!(money(&lowered), json!([0, 50, -50, 3]));
    let done = server.settle(&transfer, "post", &json!({})).ok();
    assert_eq!(money(&done["from"]), json!([-50, 0, -50, 4]));
}

#[test]
fn a_frozen_source_refuses_holds_and_posts_but_not_voids() {
    let server = SERVER.alone();
    let (from, to) = (server.account_of(100), server.account());
    let (first, second) = (server.held(&from, &to, 10), server.held(&from, &to, 20));
    server.freeze(&from);
    let hold = json!({"from": from, "to": to, "amount": 1, "pending": true});
    server.refused(&Request::post("/transfers", &hold), 409, "account_frozen");
    let post = Request::post(&format!("/transfers/{first}/post"), &json!({}));
    server.refused(&post, 409, "account_frozen");
    let done = server.settle(&first, "void", &json!({})).ok();
    assert_eq!(money(&done["from"]), json!([100, 20, 80, 6]));
    server
        .patch(&format!("/accounts/{from}"), &json!({"status": "ACTIVE"}))
        .ok();
    server.settle(&second, "post", &json!({})).ok();
}

#[test]
fn a_frozen_target_takes_holds_and_posts() {
    let server = SERVER.server();
    let (from, to) = (server.account_of(100), server.account());
    server.freeze(&to);
    let transfer = server.held(&from, &to, 10);
    let done = server.settle(&transfer, "post", &json!({})).ok();
    assert_eq!(money(&done["to"]), json!([10, 0, 10, 3]));
}

#[test]
fn a_hold_whose_target_was_deleted_can_only_be_voided() {
    let server = SERVER.alone();
    let (from, to) = (server.account_of(100), server.account());
    let transfer = server.held(&from, &to, 10);
    server.delete(&format!("/accounts/{to}")).ok();
    let post = Request::post(&format!("/transfers/{transfer}/post"), &json!({}));
    server.refused(&post, 409, "account_deleted");
    assert_state(&server, &transfer, "pending", 0);
    let done = server.settle(&transfer, "void", &json!({})).ok();
    assert_eq!(money(&done["from"]), json!([100, 0, 100, 4]));
}

#[test]
fn an_account_with_open_holds_is_not_deleted() {
    let server = SERVER.alone();
    let from = text(&server.open(&json!({"overdraft_limit": 50})), "id");
    let transfer = server.held(&from, &server.account(), 50);
    let delete = Request::delete(&format!("/accounts/{from}"));
    server.refused(&delete, 409, "holds_open");
    server.settle(&transfer, "void", &json!({})).ok();
    assert_eq!(server.send(&delete).ok()["status"], "DELETED");
}

#[test]
fn a_post_that_the_targets_limit_refuses_leaves_the_hold() {
    let server = SERVER.alone();
    let from = server.account_of(200);
    let to = server.wallet_of(0, &json!({"max_balance": 100}));
    // Each would do; together they don't count before they are posted.
    let (first, second) = (server.held(&from, &to, 60), server.held(&from, &to, 60));
    server.settle(&first, "post", &json!({})).ok();
    let post = Request::post(&format!("/transfers/{second}/post"), &json!({}));
    server.refused(&post, 422, "limit_exceeded");
    assert_state(&server, &second, "pending", 0);
    assert_eq!(money(&server.read(&from)), json!([140, 60, 80, 5]));
    let part = json!({"amount": 40, "final": false});
    server.settle(&second, "post", &part).ok();
    let done = server.settle(&second, "void", &json!({})).ok();
    assert_eq!(done["transfer_status"], "posted");
    assert_eq!(money(&done["from"]), json!([100, 0, 100, 7]));
    assert_eq!(money(&done["to"]), json!([100, 0, 100, 3]));
}

#[test]
fn what_no_hold_may_be_asked_for_is_named() {
    let server = SERVER.alone();
    let (from, to) = (server.account_of(100), server.account());
    let ends = json!({"from": from, "to": to, "amount": 1});
    for (field, more) in [
        ("expires_in_seconds", json!({"expires_in_seconds": 60})),
        (
            "expires_in_seconds",
            json!({"expires_in_seconds": 60, "pending": false}),
        ),
        ("expires_in_seconds", expiring_in(&json!(0))),
        ("expires_in_seconds", expiring_in(&json!(315_360_001))),
        ("expires_in_seconds", expiring_in(&json!(-1))),
        ("expires_in_seconds", expiring_in(&json!(1.5))),
        ("expires_in_seconds", expiring_in(&json!("60"))),
        (
            "expires_in_seconds",
            expiring_in(&json!(u64::from(u32::MAX) + 2)),
        ),
        ("pending", json!({"pending": "yes"})),
        ("pending", json!({"pending": 1})),
    ] {
        let request = Request::post("/transfers", &bank::with(ends.clone(), &more));
        let problem = server.refused(&request, 400, "invalid_request");
        assert_eq!(problem["field"], field, "{more}: {problem}");
    }
    let transfer = server.held(&from, &to, 10);
    for (how, field, body) in [
        ("post", "amount", json!({"amount": 0})),
        ("post", "amount", json!({"amount": -1})),
        ("post", "amount", json!({"amount": "1"})),
        ("post", "amount", json!({"amount": bank::AMOUNT_MAX + 1})),
        ("post", "final", json!({"final": "no"})),
        ("post", "is_final", json!({"is_final": true})),
        ("void", "amount", json!({"amount": 1})),
        ("reverse", "amount", json!({"amount": 1})),
    ] {
        let request = Request::post(&format!("/transfers/{transfer}/{how}"), &body);
        let problem = server.refused(&request, 400, "invalid_request");
        assert_eq!(problem["field"], field, "{how} {body}: {problem}");
    }
    assert_state(&server, &transfer, "pending", 0);
}

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
    let made = server.post("/transfers", &bank::with(ends, &never)).ok();
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
    // The journal tells when.
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
    // On a slow machine it may be over before its part is posted: then with more time.
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
        // More than is held: refused in any case, and the code tells whether it is over.
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
            // They are over before it is there again.
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

#[test]
fn a_repeat_of_a_hold_and_of_what_ends_it_gets_the_first_answer() {
    let mut server = Server::start();
    let (from, to) = (server.account_of(1_000), server.account());
    let hold = |key: &str| {
        let ends = json!({"from": from, "to": to, "amount": 10, "pending": true});
        Request::post("/transfers", &ends).key(key)
    };
    let settle = |transfer: &str, how: &str, body: Value| {
        Request::post(&format!("/transfers/{transfer}/{how}"), &body).key(&format!("{how}-1"))
    };
    let mut asked = vec![hold("hold-1"), hold("hold-2")];
    let made: Vec<Response> = asked.iter().map(|request| server.send(request)).collect();
    let ids: Vec<String> = made
        .iter()
        .map(|answer| text(&answer.ok(), "transfer_id"))
        .collect();
    asked.push(settle(&ids[0], "post", json!({"amount": 4})));
    asked.push(settle(&ids[1], "void", json!({})));
    asked.push(settle(&ids[0], "reverse", json!({})));
    // A refusal is an answer too.
    asked.push(Request::post(&format!("/transfers/{}/post", ids[1]), &json!({})).key("late"));
    let more: Vec<Response> = asked[2..].iter().map(|one| server.send(one)).collect();
    let first: Vec<Response> = made.into_iter().chain(more).collect();
    for answer in &first[..5] {
        answer.ok();
    }
    first[5].problem(409, "already_voided");
    let before = (server.read(&from), server.read(&to));
    let check = |server: &Server| {
        for (request, first) in asked.iter().zip(&first) {
            let again = server.send(request);
            assert!(again.replayed(), "{}", again.text());
            assert_eq!(again.status, first.status);
            assert_eq!(stripped(&again), stripped(first));
        }
        assert_eq!((server.read(&from), server.read(&to)), before);
    };
    check(&server);
    server.restart();
    check(&server);
    server.crash();
    check(&server);
    // Defaults written out are the same request, anything else is not.
    let same = [
        (
            "hold-1",
            "/transfers".to_owned(),
            json!({
                "from": from, "to": to, "amount": 10, "pending": true, "currency": "USD",
                "expires_in_seconds": null, "metadata": {},
            }),
        ),
        (
            "post-1",
            format!("/transfers/{}/post", ids[0]),
            json!({"amount": 4, "final": true}),
        ),
    ];
    for (key, path, body) in same {
        let again = server.send(&Request::post(&path, &body).key(key));
        assert!(again.replayed(), "{}", again.text());
    }
    let other = [
        (
            "hold-1",
            "/transfers".to_owned(),
            json!({"from": from, "to": to, "amount": 10}),
        ),
        (
            "hold-1",
            "/transfers".to_owned(),
            json!({"from": from, "to": to, "amount": 10, "pending": true, "expires_in_seconds": 9}),
        ),
        (
            "post-1",
            format!("/transfers/{}/post", ids[0]),
            json!({"amount": 5}),
        ),
        (
            "post-1",
            format!("/transfers/{}/post", ids[0]),
            json!({"amount": 4, "final": false}),
        ),
        (
            "post-1",
            format!("/transfers/{}/post", ids[1]),
            json!({"amount": 4}),
        ),
        (
            "void-1",
            format!("/transfers/{}/reverse", ids[1]),
            json!({}),
        ),
    ];
    for (key, path, body) in other {
        let request = Request::post(&path, &body).key(key);
        server.refused(&request, 422, "idempotency_key_reused");
    }
}

#[test]
fn a_dry_run_of_a_hold_and_of_what_ends_it_leaves_no_trace() {
    let server = SERVER.alone();
    let (from, to) = (server.account_of(100), server.account());
    let pending = server.held(&from, &to, 10);
    let posted = text(&server.transfer(&from, &to, 20).ok(), "transfer_id");
    let seen = || {
        let transfers = [&pending, &posted].map(|transfer| server.transfer_of(transfer));
        (
            transfers,
            server.read(&from),
            server.read(&to),
            server.sequence(),
        )
    };
    let before = seen();
    let hold = json!({"from": from, "to": to, "amount": 30, "pending": true});
    let runs = [
        ("/transfers".to_owned(), hold, "pending", [80, 40, 40, 5]),
        (
            format!("/transfers/{pending}/post"),
            json!({"amount": 4, "final": false}),
            "pending",
            [76, 6, 70, 5],
        ),
        (
            format!("/transfers/{pending}/post"),
            json!({}),
            "posted",
            [70, 0, 70, 5],
        ),
        (
            format!("/transfers/{pending}/void"),
            json!({}),
            "voided",
            [80, 0, 80, 5],
        ),
        (
            format!("/transfers/{posted}/reverse"),
            json!({}),
            "posted",
            [0, 0, 0, 3],
        ),
    ];
    for (path, body, status, source) in runs {
        let request = Request::post(&format!("{path}?dry_run=true"), &body).key("dry");
        let answer = server.send(&request);
        let body = answer.ok();
        assert_eq!(
            (&body["dry_run"], &body["transfer_status"]),
            (&json!(true), &json!(status)),
            "{body}"
        );
        assert_eq!(body.get("operation_id"), None, "{body}");
        assert_eq!(money(&body["from"]), json!(source), "{path}: {body}");
        assert_eq!(answer.header("etag"), None);
        assert_eq!(seen(), before, "{path}");
    }
    // Refused as it would be.
    let refused = [
        (
            "/transfers".to_owned(),
            json!({"from": from, "to": to, "amount": 71, "pending": true}),
            422,
            "insufficient_funds",
        ),
        (
            format!("/transfers/{pending}/post"),
            json!({"amount": 11}),
            422,
            "amount_exceeds_hold",
        ),
        (
            format!("/transfers/{posted}/void"),
            json!({}),
            409,
            "not_pending",
        ),
        (
            format!("/transfers/{pending}/reverse"),
            json!({}),
            409,
            "not_posted",
        ),
    ];
    for (path, body, status, code) in refused {
        let request = Request::post(&format!("{path}?dry_run=true"), &body).key("dry");
        server.refused(&request, status, code);
    }
    assert_eq!(seen(), before);
    // Their key is still free.
    let void = Request::post(&format!("/transfers/{pending}/void"), &json!({})).key("dry");
    assert!(!server.send(&void).replayed());
}

#[test]
fn a_precondition_of_a_transfer_is_about_its_source() {
    let server = SERVER.alone();
    let (from, to) = (server.account_of(100), server.account());
    let ends = json!({"from": from, "to": to, "amount": 10, "pending": true});
    let hold = Request::post("/transfers", &ends);
    server.refused(&hold.clone().if_match(1), 412, "version_mismatch");
    let made = server.send(&hold.if_match(2)).ok();
    let transfer = text(&made, "transfer_id");
    let path = |how: &str| format!("/transfers/{transfer}/{how}");
    let part = Request::post(&path("post"), &json!({"amount": 1, "final": false}));
    let void = Request::post(&path("void"), &json!({}));
    // Neither the transfer's own nor the target's version counts.
    for request in [&part, &void] {
        for version in [0, 1, 2, 4] {
            server.refused(&request.clone().if_match(version), 412, "version_mismatch");
        }
    }
    assert_eq!(server.send(&part.if_match(3)).header("etag"), Some("\"4\""));
    server.refused(&void.clone().if_match(3), 412, "version_mismatch");
    assert_eq!(
        server.send(&void.clone().if_match(4)).header("etag"),
        Some("\"5\"")
    );
    // What is wrong with the hold comes after what is wrong with the precondition.
    server.refused(&void.clone().if_match(4), 412, "version_mismatch");
    server.refused(&void.if_match(5), 409, "already_posted");
}

#[test]
fn a_precondition_counts_for_a_transfer_that_was_made_at_once() {
    let server = SERVER.alone();
    let (from, to) = (server.account_of(100), server.account());
    let transfer = text(&server.transfer(&from, &to, 10).ok(), "transfer_id");
    let reverse = Request::post(&format!("/transfers/{transfer}/reverse"), &json!({}));
    // The transfer's own source; the answer's tag is of the reversal's.
    for version in [0, 1, 2] {
        server.refused(&reverse.clone().if_match(version), 412, "version_mismatch");
    }
    let reversed = server.send(&reverse.if_match(3));
    assert_eq!(money(&reversed.ok()["from"]), json!([0, 0, 0, 3]));
    assert_eq!(reversed.header("etag"), Some("\"3\""));
}

#[test]
fn the_operations_of_a_hold_tell_what_their_answers_told() {
    let server = SERVER.server();
    let (from, to) = (server.account_of(100), server.account());
    let hold = server.hold(&from, &to, 10);
    let transfer = text(&hold.ok(), "transfer_id");
    let part = json!({"amount": 1, "final": false});
    let post = server.settle(&transfer, "post", &part);
    let void = server.settle(&transfer, "void", &json!({}));
    let reverse = server.settle(&transfer, "reverse", &json!({}));
    for (kind, answer) in [
        ("hold", hold),
        ("post", post),
        ("void", void),
        ("reversal", reverse),
    ] {
        let id = text(&answer.ok(), "operation_id");
        let operation = server.get(&format!("/operations/{id}")).ok();
        assert_eq!(
            (&operation["kind"], &operation["status"]),
            (&json!(kind), &json!("completed"))
        );
        assert_eq!(operation["result"], answer.ok());
    }
}

#[test]
fn a_hold_ends_once_however_many_try() {
    const TRIES: usize = 6;
    let server = SERVER.server();
    let (from, to) = (server.account_of(100), server.account());
    for round in 1..=10 {
        let transfer = server.held(&from, &to, 1);
        let barrier = Barrier::new(TRIES);
        let ends: Vec<Response> = thread::scope(|scope| {
            let one = |place: usize| {
                let (server, transfer, barrier) = (&server, &transfer, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    let how = if place.is_multiple_of(2) {
                        "post"
                    } else {
                        "void"
                    };
                    server.settle(transfer, how, &json!({}))
                })
            };
            let tries: Vec<_> = (0..TRIES).map(one).collect();
            tries.into_iter().map(|end| end.join().unwrap()).collect()
        });
        let done: Vec<&Response> = ends.iter().filter(|end| end.status == 200).collect();
        assert_eq!(done.len(), 1, "round {round}");
        let status = text(&done[0].json(), "transfer_status");
        for end in ends.iter().filter(|end| end.status != 200) {
            end.problem(409, &format!("already_{status}"));
        }
        assert_eq!(server.read(&from)["held"], 0);
    }
    assert_eq!(server.balance(&from) + server.balance(&to), 100);
}

#[test]
fn a_hold_is_listed_among_the_actors() {
    let server = SERVER.server();
    let (from, to) = (server.account_of(100), server.account());
    let transfer = server.held(&from, &to, 1);
    let listed = server.list("/admin/actors?kind=transfer&limit=1000");
    assert!(
        listed.iter().all(|actor| actor["kind"] == "transfer"),
        "{listed:?}"
    );
    assert!(
        listed.iter().any(|actor| actor["id"] == transfer.as_str()),
        "{transfer} is not in {listed:?}"
    );
}

#[test]
fn kills_amid_holds_leave_each_of_them_whole() {
    const ROUNDS: usize = 5;
    const CLIENTS: usize = 3;
    let mut server = Server::with(&[("views.flush_records_max", "300"), ("gateway.lanes", "2")]);
    let (from, to) = (server.account_of(1_000_000), server.account());
    let mut holds = Vec::new();
    let (mut released, mut posted) = (0, 0);
    for round in 0..ROUNDS {
        let answered = AtomicUsize::new(0);
        let kill = server.signaller();
        let sent: Vec<(Request, Option<Response>)> = thread::scope(|scope| {
            let client = |name: usize| {
                let (server, from, to, answered) = (&server, &from, &to, &answered);
                scope.spawn(move || {
                    let name = format!("{round}-{name}");
                    until_it_ends(server, from, to, &name, answered)
                })
            };
            let clients: Vec<_> = (0..CLIENTS).map(client).collect();
            eventually("holds are made and ended", || {
                (answered.load(Ordering::Relaxed) >= 40 * (round + 1)).then_some(())
            });
            kill(Signal::KILL);
            clients
                .into_iter()
                .flat_map(|client| client.join().unwrap())
                .collect()
        });
        server.ended();
        server.start_again();
        for (request, first) in sent {
            // What was answered is answered alike; what was not is done now, or was.
            let again = server.send(&request);
            if let Some(first) = first {
                assert!(again.replayed(), "{}", again.text());
                assert_eq!(stripped(&again), stripped(&first));
            }
            let done = again.ok();
            match text(&done, "transfer_status").as_str() {
                "pending" => holds.push(text(&done, "transfer_id")),
                "posted" => posted += 1,
                "voided" => released += 1,
                other => panic!("{other}"),
            }
        }
    }
    let mut pending = 0;
    for transfer in &holds {
        let transfer = server.transfer_of(transfer);
        let whole = match transfer["status"].as_str() {
            Some("pending") => {
                pending += 1;
                0
            }
            Some("posted") => 10,
            _ => 0,
        };
        assert_eq!(transfer["posted_amount"], whole, "{transfer}");
    }
    assert_eq!(holds.len(), pending + posted + released);
    let account = server.read(&from);
    assert_eq!(
        (&account["held"], &account["balance"]),
        (&json!(10 * pending), &json!(1_000_000 - 10 * posted))
    );
    assert_eq!(account["version"], 2 + holds.len() + posted + released);
    server.verified();
}

/// Makes holds and ends them in turn by post and void until there is no answer any more; all that
/// was sent. Each request has a key.
fn until_it_ends(
    server: &Client,
    from: &str,
    to: &str,
    name: &str,
    answered: &AtomicUsize,
) -> Vec<(Request, Option<Response>)> {
    let mut sent = Vec::new();
    let hold = json!({"from": from, "to": to, "amount": 10, "pending": true});
    for n in 0.. {
        let made = Request::post("/transfers", &hold).key(&format!("{name}-{n}"));
        let answer = server.try_send(&made).ok();
        let held = answer.as_ref().map(|made| text(&made.ok(), "transfer_id"));
        sent.push((made, answer));
        answered.fetch_add(1, Ordering::Relaxed);
        let Some(held) = held else { break };
        let how = ["post", "void", "leave"][n % 3];
        if how == "leave" {
            continue;
        }
        let end = Request::post(&format!("/transfers/{held}/{how}"), &json!({}));
        let end = end.key(&format!("{name}-{n}-{how}"));
        let answer = server.try_send(&end).ok();
        let last = answer.is_none();
        sent.push((end, answer));
        answered.fetch_add(1, Ordering::Relaxed);
        if last {
            break;
        }
    }
    sent
}

/// A pending transfer that expires; its id.
#[track_caller]
fn expiring(server: &Client, from: &str, to: &str, amount: i64, seconds: u32) -> String {
    let ends = json!({"from": from, "to": to, "amount": amount});
    let more = expiring_in(&json!(seconds));
    let made = server.post("/transfers", &bank::with(ends, &more)).ok();
    text(&made, "transfer_id")
}

fn expiring_in(seconds: &Value) -> Value {
    json!({"pending": true, "expires_in_seconds": seconds})
}

fn is(server: &Client, transfer: &str, status: &str) -> Option<()> {
    (server.transfer_of(transfer)["status"] == status).then_some(())
}

#[track_caller]
fn assert_state(server: &Client, transfer: &str, status: &str, posted: i64) {
    let transfer = server.transfer_of(transfer);
    assert_eq!(
        (&transfer["status"], &transfer["posted_amount"]),
        (&json!(status), &json!(posted)),
        "{transfer}"
    );
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

/// The answer but for the id of the present request.
fn stripped(answer: &Response) -> Value {
    let mut body = answer.json();
    body.as_object_mut().unwrap().remove("request_id");
    body
}
