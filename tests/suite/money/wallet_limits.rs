//! A wallet's limits: per transaction, per UTC day, and on its balance.

use std::time::SystemTime;

use florin_tests::bank::{money, text};
use florin_tests::http::Request;
use florin_tests::poll::eventually;
use florin_tests::server::{Server, Shared};
use serde_json::{Value, json};

use super::wallets::{debits, limits, put};

static SERVER: Shared = Shared::new();

#[test]
fn a_limit_a_transaction_binds_debits_and_holds_but_no_credits() {
    let server = SERVER.alone();
    let id = server.wallet_of(1_000, &json!({"per_transaction": 50}));
    let other = server.account();
    for request in debits(&id, &other, 51) {
        let problem = server.refused(&request, 422, "limit_exceeded");
        assert!(text(&problem, "detail").contains("50"), "{problem}");
    }
    for request in debits(&id, &other, 50) {
        server.send(&request).ok();
    }
    server.transfer(&other, &id, 50).created();
    put(&server, &id, "deposit", json!({"amount": 51})).ok();
}

#[test]
fn a_limit_a_day_counts_debits_and_holds_together() {
    away_from_midnight();
    let server = SERVER.alone();
    let id = server.wallet_of(1_000, &json!({"per_day": 100}));
    let other = server.account_of(1_000);
    for request in debits(&id, &other, 30) {
        server.send(&request).ok();
    }
    for request in debits(&id, &other, 11) {
        server.refused(&request, 422, "limit_exceeded");
    }
    // Credits don't restore the daily limit.
    server.transfer(&other, &id, 500).created();
    for request in debits(&id, &other, 11) {
        server.refused(&request, 422, "limit_exceeded");
    }
    put(&server, &id, "withdraw", json!({"amount": 10})).ok();
    for request in debits(&id, &other, 1) {
        server.refused(&request, 422, "limit_exceeded");
    }
}

#[test]
fn a_limit_a_day_gets_back_what_a_hold_releases() {
    away_from_midnight();
    let server = SERVER.server();
    let id = server.wallet_of(1_000, &json!({"per_day": 100}));
    let other = server.account();
    let full = || {
        put(&server, &id, "withdraw", json!({"amount": 1})).problem(422, "limit_exceeded");
    };
    let void = server.held(&id, &other, 100);
    full();
    server.settle(&void, "void", &json!({})).ok();
    let posted = server.held(&id, &other, 100);
    full();
    // A post takes no more of the limit than the hold did.
    let part = json!({"amount": 30, "final": false});
    server.settle(&posted, "post", &part).ok();
    full();
    server.settle(&posted, "post", &json!({"amount": 20})).ok();
    // Of the 100 that were held, 50 were posted and 50 released.
    let rest = server.held(&id, &other, 50);
    full();
    server.settle(&rest, "post", &json!({"amount": 49})).ok();
    put(&server, &id, "withdraw", json!({"amount": 1})).ok();
    full();
    assert_eq!(server.read_wallet(&id)["balance"], 900);
}

#[test]
fn a_limit_a_day_is_remembered_over_a_stop_and_a_kill() {
    away_from_midnight();
    let mut server = Server::start();
    let id = server.wallet_of(1_000, &json!({"per_day": 100}));
    let other = server.account();
    put(&server, &id, "withdraw", json!({"amount": 40})).ok();
    let transfer = server.held(&id, &other, 60);
    let before = server.read_wallet(&id);
    for end in [Server::restart as fn(&mut Server), Server::crash] {
        end(&mut server);
        assert_eq!(server.read_wallet(&id), before);
        put(&server, &id, "withdraw", json!({"amount": 1})).problem(422, "limit_exceeded");
    }
    server.settle(&transfer, "void", &json!({})).ok();
    put(&server, &id, "withdraw", json!({"amount": 61})).problem(422, "limit_exceeded");
    put(&server, &id, "withdraw", json!({"amount": 60})).ok();
    server.verified();
}

#[test]
fn a_largest_balance_binds_credits() {
    let server = SERVER.alone();
    let id = server.wallet_of(90, &json!({"max_balance": 100}));
    let other = server.account_of(1_000);
    let credits = |amount: i64| {
        [
            Request::post(
                &format!("/wallets/{id}/deposit"),
                &json!({"amount": amount}),
            ),
            Request::post(
                "/transfers",
                &json!({"from": other, "to": id, "amount": amount}),
            ),
        ]
    };
    for request in credits(11) {
        server.refused(&request, 422, "limit_exceeded");
    }
    for request in credits(5) {
        server.send(&request).ok();
    }
    for request in credits(1) {
        server.refused(&request, 422, "limit_exceeded");
    }
    // Money that the wallet holds for a transfer still counts in its balance, until the hold is
    // posted.
    let held = server.held(&id, &other, 50);
    for request in credits(1) {
        server.refused(&request, 422, "limit_exceeded");
    }
    server.settle(&held, "post", &json!({})).ok();
    server.send(&credits(50)[0]).ok();
}

#[test]
fn limits_are_changed_lifted_and_left_alone() {
    let server = SERVER.alone();
    let id = server.wallet_of(100, &json!({"per_transaction": 10, "per_day": 20}));
    let path = format!("/wallets/{id}");
    let change = |limits: Value| server.patch(&path, &json!({"limits": limits})).ok();
    let changed = change(json!({"per_transaction": 15}));
    assert_eq!(changed["limits"], limits(Some(15), Some(20), None));
    assert_eq!(changed["version"], 3);
    let changed = change(json!({"per_day": null, "max_balance": 200}));
    assert_eq!(changed["limits"], limits(Some(15), None, Some(200)));
    let changed = change(json!({"per_transaction": null, "max_balance": null}));
    assert_eq!(changed["limits"], limits(None, None, None));
    assert_eq!(server.read_wallet(&id), changed);
    put(&server, &id, "withdraw", json!({"amount": 100})).ok();
    // A change of nothing makes no record.
    let before = (server.read_wallet(&id), server.sequence());
    for nothing in [
        json!({}),
        json!({"limits": {}}),
        json!({"limits": null}),
        json!({"limits": {"per_day": null}}),
        json!({"status": "ACTIVE", "overdraft_limit": 0}),
    ] {
        assert_eq!(server.patch(&path, &nothing).ok(), before.0, "{nothing}");
    }
    assert_eq!((server.read_wallet(&id), server.sequence()), before);
}

#[test]
fn a_limit_changed_while_it_is_in_use_counts_what_was_used() {
    away_from_midnight();
    let server = SERVER.server();
    let id = server.wallet_of(1_000, &json!({}));
    let other = server.account();
    let path = format!("/wallets/{id}");
    // This amount is used before there is a limit.
    put(&server, &id, "withdraw", json!({"amount": 30})).ok();
    let held = server.held(&id, &other, 40);
    server
        .patch(
            &path,
            &json!({"limits": {"per_day": 75, "per_transaction": 10, "max_balance": 5}}),
        )
        .ok();
    put(&server, &id, "withdraw", json!({"amount": 6})).problem(422, "limit_exceeded");
    put(&server, &id, "withdraw", json!({"amount": 5})).ok();
    put(&server, &id, "deposit", json!({"amount": 1})).problem(422, "limit_exceeded");
    // The new limit is below the amount that is used already.
    server
        .patch(&path, &json!({"limits": {"per_day": 10}}))
        .ok();
    put(&server, &id, "withdraw", json!({"amount": 1})).problem(422, "limit_exceeded");
    // The hold was made under other limits, and can still be posted.
    let posted = server.settle(&held, "post", &json!({"amount": 20})).ok();
    assert_eq!(posted["from"]["balance"], 945);
    server
        .patch(
            &path,
            &json!({"limits": {"per_day": null, "per_transaction": null}}),
        )
        .ok();
    put(&server, &id, "withdraw", json!({"amount": 945})).ok();
}

#[test]
fn an_overdraft_and_limits_bind_together() {
    let server = SERVER.server();
    let asked = json!({"overdraft_limit": 50, "limits": {"per_transaction": 40}});
    let id = text(&server.open_wallet(&asked), "id");
    put(&server, &id, "withdraw", json!({"amount": 41})).problem(422, "limit_exceeded");
    let first = put(&server, &id, "withdraw", json!({"amount": 40})).ok();
    assert_eq!(money(&first), json!([-40, 0, 10, 2]));
    put(&server, &id, "withdraw", json!({"amount": 11})).problem(422, "insufficient_funds");
    // The limits are checked before the funds.
    put(&server, &id, "withdraw", json!({"amount": 1_000})).problem(422, "limit_exceeded");
    let path = format!("/wallets/{id}");
    let unlimited = json!({"overdraft_limit": null});
    let changed = server.patch(&path, &unlimited).ok();
    assert_eq!(money(&changed), json!([-40, 0, null, 3]));
    put(&server, &id, "withdraw", json!({"amount": 40})).ok();
}

/// Waits until the UTC day is not about to end, because a daily limit starts again with the next
/// day.
fn away_from_midnight() {
    const NEAR_SECONDS: u64 = 40;
    const DAY_SECONDS: u64 = 86_400;
    eventually("the day goes on", || {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let second = since.unwrap().as_secs() % DAY_SECONDS;
        (second + NEAR_SECONDS < DAY_SECONDS).then_some(())
    });
}
