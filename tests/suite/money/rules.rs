//! The rules of money: the answers to deposits, withdrawals and transfers, and their limits.

use florin_tests::bank::{self, AMOUNT_MAX, money, text};
use florin_tests::http::{Request, Response};
use florin_tests::server::{Server, Shared};
use serde_json::{Value, json};

static SERVER: Shared = Shared::new();

#[test]
fn a_deposit_and_a_withdrawal_answer_the_balances_right_after() {
    let server = SERVER.server();
    let id = server.account();
    for (request, expected) in [
        (deposit(&id, 1_000), json!([1_000, 0, 1_000, 2])),
        (withdrawal(&id, 300), json!([700, 0, 700, 3])),
        (deposit(&id, 1), json!([701, 0, 701, 4])),
    ] {
        let body = server.send(&request).ok();
        assert_eq!(body["id"], id.as_str());
        assert_eq!(body["status"], "completed");
        assert!(bank::is_id(&text(&body, "operation_id")), "{body}");
        assert_eq!(money(&body), expected);
        assert_eq!(money(&server.read(&id)), expected);
    }
}

#[test]
fn a_transfer_answers_the_balances_of_both_ends() {
    let server = SERVER.server();
    let from = server.account_of(500);
    let to = text(&server.open(&json!({"overdraft_limit": 7})), "id");
    let body = server.transfer(&from, &to, 120).created();
    assert_eq!(body["status"], "completed");
    assert_eq!(body["transfer_status"], "posted");
    assert_eq!(body["transfer_id"], body["operation_id"]);
    assert_eq!(body["from"]["id"], from.as_str());
    assert_eq!(body["to"]["id"], to.as_str());
    assert_eq!(money(&body["from"]), json!([380, 0, 380, 3]));
    assert_eq!(money(&body["to"]), json!([120, 0, 127, 2]));
    assert_eq!(money(&server.read(&from)), money(&body["from"]));
    assert_eq!(money(&server.read(&to)), money(&body["to"]));
}

#[test]
fn a_withdrawal_takes_the_last_cent_and_not_one_more() {
    let server = SERVER.alone();
    let id = server.account_of(100);
    server.refused(&withdrawal(&id, 101), 422, "insufficient_funds");
    assert_eq!(money(&server.withdraw(&id, 100).ok()), json!([0, 0, 0, 3]));
    server.refused(&withdrawal(&id, 1), 422, "insufficient_funds");
    assert_eq!(money(&server.read(&id)), json!([0, 0, 0, 3]));
}

#[test]
fn a_transfer_takes_the_last_cent_and_not_one_more() {
    let server = SERVER.alone();
    let (from, to) = (server.account_of(100), server.account());
    server.refused(&transfer(&from, &to, 101), 422, "insufficient_funds");
    server.transfer(&from, &to, 100).created();
    server.refused(&transfer(&from, &to, 1), 422, "insufficient_funds");
    assert_eq!((server.balance(&from), server.balance(&to)), (0, 100));
}

#[test]
fn an_overdraft_ends_at_its_limit() {
    let server = SERVER.alone();
    let id = text(&server.open(&json!({"overdraft_limit": 50})), "id");
    let other = server.account();
    server.refused(&withdrawal(&id, 51), 422, "insufficient_funds");
    assert_eq!(
        money(&server.withdraw(&id, 20).ok()),
        json!([-20, 0, 30, 2])
    );
    server.refused(&transfer(&id, &other, 31), 422, "insufficient_funds");
    assert_eq!(
        money(&server.transfer(&id, &other, 30).created()["from"]),
        json!([-50, 0, 0, 3])
    );
    server.refused(&withdrawal(&id, 1), 422, "insufficient_funds");
}

#[test]
fn a_frozen_account_gives_nothing_and_takes_all() {
    let server = SERVER.alone();
    let (frozen, other) = (server.account_of(100), server.account_of(100));
    server.freeze(&frozen);
    server.refused(&withdrawal(&frozen, 1), 409, "account_frozen");
    server.refused(&transfer(&frozen, &other, 1), 409, "account_frozen");
    assert_eq!(server.deposit(&frozen, 5).ok()["balance"], 105);
    assert_eq!(
        server.transfer(&other, &frozen, 7).created()["to"]["balance"],
        112
    );
}

#[test]
fn no_balance_rises_above_the_limit() {
    let server = SERVER.alone();
    let id = server.account_of(AMOUNT_MAX - 1);
    let other = server.account_of(2);
    server.refused(&deposit(&id, 2), 422, "balance_limit_exceeded");
    server.refused(&transfer(&other, &id, 2), 422, "balance_limit_exceeded");
    assert_eq!(
        server.transfer(&other, &id, 1).created()["to"]["balance"],
        AMOUNT_MAX
    );
    server.refused(&deposit(&id, 1), 422, "balance_limit_exceeded");
    server.refused(&deposit(&id, AMOUNT_MAX), 422, "balance_limit_exceeded");
    assert_eq!(server.withdraw(&id, AMOUNT_MAX).ok()["balance"], 0);
}

#[test]
fn no_balance_falls_below_the_limit() {
    let server = SERVER.alone();
    let id = text(&server.open(&json!({"overdraft_limit": null})), "id");
    let other = server.account();
    server.withdraw(&id, AMOUNT_MAX - 1).ok();
    server.refused(&withdrawal(&id, 2), 422, "balance_limit_exceeded");
    server.refused(&transfer(&id, &other, 2), 422, "balance_limit_exceeded");
    assert_eq!(server.withdraw(&id, 1).ok()["balance"], -AMOUNT_MAX);
    server.refused(&withdrawal(&id, 1), 422, "balance_limit_exceeded");
    assert_eq!(server.deposit(&id, AMOUNT_MAX).ok()["balance"], 0);
}

#[test]
fn the_largest_overdraft_limit_and_the_largest_balance_are_available_together() {
    let server = SERVER.server();
    let id = text(&server.open(&json!({"overdraft_limit": AMOUNT_MAX})), "id");
    let answer = server.deposit(&id, AMOUNT_MAX).ok();
    assert_eq!(money(&answer), json!([AMOUNT_MAX, 0, 2 * AMOUNT_MAX, 2]));
    server.withdraw(&id, AMOUNT_MAX).ok();
    assert_eq!(server.withdraw(&id, AMOUNT_MAX).ok()["available"], 0);
}

#[test]
fn money_keeps_to_its_currency() {
    let server = SERVER.alone();
    let dollars = server.account_of(100);
    let euros = text(&server.open(&json!({"currency": "EUR"})), "id");
    server.refused(&transfer(&dollars, &euros, 1), 422, "currency_mismatch");
    let in_euros = |request: &str| {
        Request::post(
            &format!("/accounts/{dollars}/{request}"),
            &json!({"amount": 1, "currency": "EUR"}),
        )
    };
    server.refused(&in_euros("deposit"), 422, "currency_mismatch");
    server.refused(&in_euros("withdraw"), 422, "currency_mismatch");
    let named = json!({"amount": 5, "currency": "EUR"});
    assert_eq!(
        server
            .post(&format!("/accounts/{euros}/deposit"), &named)
            .ok()["balance"],
        5
    );
}

#[test]
fn an_account_pays_nothing_to_itself() {
    let server = SERVER.alone();
    let id = server.account_of(100);
    server.refused(&transfer(&id, &id, 1), 422, "same_account");
    server.refused(&transfer(&id, &id.to_uppercase(), 1), 422, "same_account");
    assert_eq!(money(&server.read(&id)), json!([100, 0, 100, 2]));
}

#[test]
fn of_several_refusals_the_first_in_order_is_told() {
    let server = SERVER.alone();
    let unknown = bank::UNKNOWN_ID;
    let deleted = server.account();
    server.delete(&format!("/accounts/{deleted}")).ok();
    let frozen = server.account();
    server.freeze(&frozen);
    let poor = server.account();
    let euros = text(&server.open(&json!({"currency": "EUR"})), "id");
    let full = server.account_of(AMOUNT_MAX);
    let stale = |request: Request| request.if_match(999);
    let cases = [
        (
            "malformed before not found",
            stale(transfer(unknown, &deleted, 0)),
            400,
            "invalid_request",
        ),
        (
            "source not found before the version",
            stale(transfer(unknown, &deleted, 1)),
            404,
            "not_found",
        ),
        (
            "target not found before the version",
            stale(transfer(&deleted, unknown, 1)),
            404,
            "not_found",
        ),
        (
            "the version before deleted",
            stale(transfer(&deleted, &frozen, 1)),
            412,
            "version_mismatch",
        ),
        (
            "a deleted target before a frozen source",
            transfer(&frozen, &deleted, 1),
            409,
            "account_deleted",
        ),
        (
            "deleted before same account",
            transfer(&deleted, &deleted, 1),
            409,
            "account_deleted",
        ),
        (
            "frozen before same account",
            transfer(&frozen, &frozen, 1),
            409,
            "account_frozen",
        ),
        (
            "frozen before the currency",
            transfer(&frozen, &euros, 1),
            409,
            "account_frozen",
        ),
        (
            "frozen before funds",
            transfer(&frozen, &poor, 1),
            409,
            "account_frozen",
        ),
        (
            "same account before the currency",
            Request::post(
                "/transfers",
                &json!({"from": poor, "to": poor, "amount": 1, "currency": "EUR"}),
            ),
            422,
            "same_account",
        ),
        (
            "the currency before funds",
            transfer(&poor, &euros, 1),
            422,
            "currency_mismatch",
        ),
        (
            "funds before the target's limit",
            transfer(&poor, &full, 1),
            422,
            "insufficient_funds",
        ),
    ];
    for (order, request, status, code) in cases {
        let answer = server.send(&request);
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (status, &json!(code)),
            "{order}"
        );
    }
}

#[test]
fn a_key_is_refused_before_anything_about_the_account() {
    let server = SERVER.server();
    let (from, to) = (server.account_of(10), server.account());
    server.send(&transfer(&from, &to, 1).key("precedence")).ok();
    for request in [
        transfer(bank::UNKNOWN_ID, &to, 1),
        transfer(&from, &to, 2).if_match(999),
    ] {
        server
            .send(&request.key("precedence"))
            .problem(422, "idempotency_key_reused");
    }
}

#[test]
fn a_dry_run_answers_as_the_real_one_would() {
    let server = SERVER.alone();
    let (from, to) = (server.account_of(100), server.account());
    let sequence = server.sequence();
    let dry = |path: &str, body: Value| server.post(&format!("{path}?dry_run=true"), &body);
    let deposit = dry(&format!("/accounts/{from}/deposit"), json!({"amount": 5})).ok();
    assert_eq!(
        (&deposit["dry_run"], money(&deposit)),
        (&json!(true), json!([105, 0, 105, 3]))
    );
    let withdrawal = dry(&format!("/accounts/{from}/withdraw"), json!({"amount": 5})).ok();
    assert_eq!(
        (&withdrawal["dry_run"], money(&withdrawal)),
        (&json!(true), json!([95, 0, 95, 3]))
    );
    let moved = dry("/transfers", json!({"from": from, "to": to, "amount": 100})).with(200);
    assert_eq!(moved["dry_run"], true);
    assert_eq!(money(&moved["from"]), json!([0, 0, 0, 3]));
    assert_eq!(money(&moved["to"]), json!([100, 0, 100, 2]));
    dry("/transfers", json!({"from": from, "to": to, "amount": 101}))
        .problem(422, "insufficient_funds");
    dry(&format!("/accounts/{from}/deposit"), json!({"amount": 0})).problem(400, "invalid_request");
    let stale = Request::post(
        "/transfers?dry_run=true",
        &json!({"from": from, "to": to, "amount": 1}),
    );
    server
        .send(&stale.if_match(1))
        .problem(412, "version_mismatch");
    assert_eq!(server.sequence(), sequence);
    assert_eq!((server.balance(&from), server.balance(&to)), (100, 0));
    assert_eq!(
        server.list(&format!("/accounts/{from}/transactions")).len(),
        1
    );
}

#[test]
fn a_dry_run_is_asked_for_by_true_or_false_alone() {
    let server = SERVER.alone();
    let id = server.account();
    let ask = |query: &str| {
        Request::post(
            &format!("/accounts/{id}/deposit?{query}"),
            &json!({"amount": 1}),
        )
    };
    for query in [
        "dry_run=yes",
        "dry_run=TRUE",
        "dry_run=",
        "dry_run=true&dry_run=false",
    ] {
        server.refused(&ask(query), 400, "invalid_request");
    }
    assert_eq!(server.send(&ask("dry_run=false")).ok()["balance"], 1);
}

#[test]
fn many_clients_on_one_account_leave_no_cent_behind() {
    let server = SERVER.server();
    let server: &Server = &server;
    let id = server.account_of(1_000);
    let (clients, each) = (8, 50);
    let answers: Vec<Vec<Response>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..clients)
            .map(|client| {
                let id = &id;
                scope.spawn(move || {
                    let one = |_| match client % 2 {
                        0 => server.withdraw(id, 7),
                        _ => server.deposit(id, 3),
                    };
                    (0..each).map(one).collect()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let mut steps: Vec<(u64, i64, i64)> = Vec::new();
    for (client, answers) in answers.iter().enumerate() {
        for answer in answers {
            if client % 2 == 0 && answer.status == 422 {
                answer.problem(422, "insufficient_funds");
                continue;
            }
            let body = answer.ok();
            let amount = if client % 2 == 0 { -7 } else { 3 };
            let (version, balance) = (&body["version"], &body["balance"]);
            steps.push((version.as_u64().unwrap(), amount, balance.as_i64().unwrap()));
        }
    }
    steps.sort_unstable();
    let (mut version, mut balance) = (2, 1_000);
    for (step, amount, after) in steps {
        version += 1;
        balance += amount;
        assert_eq!((step, after), (version, balance));
    }
    assert_eq!(
        money(&server.read(&id)),
        json!([balance, 0, balance, version])
    );
}

fn deposit(id: &str, amount: i64) -> Request {
    Request::post(
        &format!("/accounts/{id}/deposit"),
        &json!({"amount": amount}),
    )
}

fn withdrawal(id: &str, amount: i64) -> Request {
    Request::post(
        &format!("/accounts/{id}/withdraw"),
        &json!({"amount": amount}),
    )
}

fn transfer(from: &str, to: &str, amount: i64) -> Request {
    Request::post(
        "/transfers",
        &json!({"from": from, "to": to, "amount": amount}),
    )
}
