//! Pending transfers: what a hold takes from its source, and every way in which it ends.

use florin_tests::bank::{self, UNKNOWN_ID, money, text};
use florin_tests::http::{Client, Request};
use florin_tests::poll::eventually;
use florin_tests::server::Shared;
use serde_json::{Value, json};

static SERVER: Shared = Shared::new();

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
    let at_once = text(&server.transfer(&from, &to, 10).created(), "transfer_id");
    let at_once_reversed = text(&server.transfer(&from, &to, 10).created(), "transfer_id");
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
    let held = server.hold(&overdrawn, &to, 50).created();
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
    // Each hold alone would fit the limit. They count only when they are posted.
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

/// Makes a pending transfer that expires, and returns its id.
#[track_caller]
pub fn expiring(server: &Client, from: &str, to: &str, amount: i64, seconds: u32) -> String {
    let ends = json!({"from": from, "to": to, "amount": amount});
    let more = expiring_in(&json!(seconds));
    let made = server
        .post("/transfers", &bank::with(ends, &more))
        .created();
    text(&made, "transfer_id")
}

pub fn expiring_in(seconds: &Value) -> Value {
    json!({"pending": true, "expires_in_seconds": seconds})
}

pub fn is(server: &Client, transfer: &str, status: &str) -> Option<()> {
    (server.transfer_of(transfer)["status"] == status).then_some(())
}

#[track_caller]
pub fn assert_state(server: &Client, transfer: &str, status: &str, posted: i64) {
    let transfer = server.transfer_of(transfer);
    assert_eq!(
        (&transfer["status"], &transfer["posted_amount"]),
        (&json!(status), &json!(posted)),
        "{transfer}"
    );
}
