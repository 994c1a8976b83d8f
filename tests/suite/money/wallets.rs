//! Wallets: how they are opened, used like accounts, and listed by customer.

use florin_tests::bank::{self, AMOUNT_MAX, UNKNOWN_ID, is_id, is_time, money, text, with};
use florin_tests::http::{Client, Request, Response};
use florin_tests::server::{Server, Shared};
use serde_json::{Value, json};

static SERVER: Shared = Shared::new();

#[test]
fn an_opened_wallet_is_answered_whole_and_reads_the_same() {
    let server = SERVER.server();
    let asked = json!({
        "customer_id": UNKNOWN_ID, "name": "Urlaub ☀", "currency": "KES", "overdraft_limit": 5,
        "limits": {"per_transaction": 10, "per_day": 20, "max_balance": 30},
    });
    let answer = server.post("/wallets", &asked);
    let wallet = answer.with(201);
    for field in [
        "customer_id",
        "name",
        "currency",
        "overdraft_limit",
        "limits",
    ] {
        assert_eq!(wallet[field], asked[field], "{field}");
    }
    let id = text(&wallet, "id");
    assert!(
        is_id(&id) && is_time(&text(&wallet, "created_at")),
        "{wallet}"
    );
    assert_eq!(wallet["status"], "ACTIVE");
    assert_eq!(money(&wallet), json!([0, 0, 5, 1]));
    assert_eq!(
        answer.header("location"),
        Some(format!("/wallets/{id}").as_str())
    );
    assert_eq!(answer.header("etag"), Some("\"1\""));
    let read = server.get(&format!("/wallets/{id}"));
    assert_eq!(read.ok(), wallet);
    assert_eq!(read.header("etag"), Some("\"1\""));
}

#[test]
fn a_wallet_opened_with_the_least_has_the_defaults() {
    let wallet = SERVER.server().open_wallet(&json!({}));
    assert_eq!(
        (&wallet["currency"], &wallet["name"]),
        (&json!("USD"), &Value::Null)
    );
    assert_eq!(wallet["limits"], limits(None, None, None));
    assert_eq!(money(&wallet), json!([0, 0, 0, 1]));
}

#[test]
fn what_no_wallet_may_be_opened_or_changed_with_is_named() {
    let server = SERVER.alone();
    let id = text(&server.open_wallet(&json!({})), "id");
    let both = [
        ("limits", json!(7)),
        ("limits.per_transaction", json!(0)),
        ("limits.per_transaction", json!(-1)),
        ("limits.per_day", json!(1.5)),
        ("limits.per_day", json!("5")),
        ("limits.max_balance", json!(AMOUNT_MAX + 1)),
        ("limits.per_week", json!(1)),
        ("overdraft_limit", json!(-1)),
        ("colour", json!("red")),
    ];
    let opening = [
        ("name", json!("")),
        ("name", json!("x".repeat(256))),
        ("currency", json!("usd")),
        ("currency", json!("ABC")),
        ("reference", json!("wallets have none")),
        ("status", json!("FROZEN")),
    ];
    let changing = [
        ("status", json!("DELETED")),
        ("status", json!("frozen")),
        ("name", json!("Other")),
        ("currency", json!("EUR")),
        ("customer_id", json!(UNKNOWN_ID)),
    ];
    let body = |(field, value): &(&str, Value)| match field.split_once('.') {
        Some((outer, inner)) => json!({outer: {inner: value}}),
        None => json!({*field: value}),
    };
    for wrong in both.iter().chain(&opening) {
        let asked = with(json!({"customer_id": UNKNOWN_ID}), &body(wrong));
        named(&server, &Request::post("/wallets", &asked), wrong.0);
    }
    for wrong in both.iter().chain(&changing) {
        let patch = Request::patch(&format!("/wallets/{id}"), &body(wrong));
        named(&server, &patch, wrong.0);
    }
    server.refused(
        &Request::post("/wallets", &json!({})),
        400,
        "invalid_request",
    );
    let nobody = json!({"customer_id": "7"});
    let problem = server.refused(&Request::post("/wallets", &nobody), 400, "invalid_id");
    assert_eq!(problem["field"], "customer_id");
}

#[test]
fn money_comes_and_goes_as_with_an_account() {
    let server = SERVER.server();
    let id = server.wallet_of(0, &json!({}));
    let asked = json!({"amount": 100, "reference": "first", "metadata": {"n": "1"}});
    let deposit = put(&server, &id, "deposit", asked);
    assert_eq!(money(&deposit.ok()), json!([100, 0, 100, 2]));
    assert_eq!(deposit.header("etag"), Some("\"2\""));
    let withdrawal = put(&server, &id, "withdraw", json!({"amount": 30})).ok();
    assert_eq!(
        (&withdrawal["id"], &withdrawal["status"]),
        (&json!(id), &json!("completed"))
    );
    assert_eq!(money(&withdrawal), json!([70, 0, 70, 3]));
    put(&server, &id, "withdraw", json!({"amount": 71})).problem(422, "insufficient_funds");
    put(
        &server,
        &id,
        "deposit",
        json!({"amount": 1, "currency": "EUR"}),
    )
    .problem(422, "currency_mismatch");
    let rows = server.list(&format!("/wallets/{id}/transactions"));
    let short = |row: &Value| json!([row["amount"], row["balance_after"], row["version"]]);
    let shorts: Vec<Value> = rows.iter().map(short).collect();
    assert_eq!(shorts, [json!([-30, 70, 3]), json!([100, 100, 2])]);
    assert_eq!(
        (&rows[1]["reference"], &rows[1]["transaction_type"]),
        (&json!("first"), &json!("deposit"))
    );
    let balance = server.get(&format!("/wallets/{id}/balance"));
    assert_eq!(money(&balance.ok()), json!([70, 0, 70, 3]));
    assert_eq!(balance.header("etag"), Some("\"3\""));
    let transaction = text(&withdrawal, "operation_id");
    let transaction = server
        .get(&format!("/ledger/transactions/{transaction}"))
        .ok();
    assert_eq!(transaction["postings"][0]["kind"], "wallet");
}

#[test]
fn money_moves_between_accounts_and_wallets_both_ways() {
    let server = SERVER.server();
    let account = server.account_of(100);
    let wallet = server.wallet_of(0, &json!({}));
    let other = server.wallet_of(0, &json!({}));
    let there = server.transfer(&account, &wallet, 60).created();
    assert_eq!(money(&there["to"]), json!([60, 0, 60, 2]));
    let on = server.transfer(&wallet, &other, 30).created();
    assert_eq!(money(&on["from"]), json!([30, 0, 30, 3]));
    let back = server.transfer(&other, &account, 10).created();
    assert_eq!(money(&back["to"]), json!([50, 0, 50, 4]));
    let held = server.held(&wallet, &account, 20);
    assert_eq!(money(&server.read_wallet(&wallet)), json!([30, 20, 10, 4]));
    let posted = server.settle(&held, "post", &json!({})).ok();
    assert_eq!(money(&posted["from"]), json!([10, 0, 10, 5]));
    assert_eq!(money(&posted["to"]), json!([70, 0, 70, 5]));
    let euros = text(&server.open_wallet(&json!({"currency": "EUR"})), "id");
    server
        .transfer(&account, &euros, 1)
        .problem(422, "currency_mismatch");
}

#[test]
fn a_frozen_wallet_takes_credits_and_refuses_debits() {
    let server = SERVER.alone();
    let id = server.wallet_of(100, &json!({}));
    let other = server.account();
    let path = format!("/wallets/{id}");
    let frozen = server.patch(&path, &json!({"status": "FROZEN"})).ok();
    assert_eq!(
        (&frozen["status"], &frozen["version"]),
        (&json!("FROZEN"), &json!(3))
    );
    for request in debits(&id, &other, 1) {
        server.refused(&request, 409, "account_frozen");
    }
    put(&server, &id, "deposit", json!({"amount": 1})).ok();
    server.patch(&path, &json!({"status": "ACTIVE"})).ok();
    for request in debits(&id, &other, 1) {
        server.send(&request).ok();
    }
}

#[test]
fn a_wallet_is_no_account_and_an_account_no_wallet() {
    let server = SERVER.alone();
    let (account, wallet) = (server.account_of(10), server.wallet_of(10, &json!({})));
    let held = server.held(&account, &wallet, 1);
    for (area, id) in [
        ("accounts", &wallet),
        ("wallets", &account),
        ("accounts", &held),
        ("wallets", &held),
        ("wallets", &UNKNOWN_ID.to_owned()),
    ] {
        let path = format!("/{area}/{id}");
        let amount = json!({"amount": 1});
        for request in [
            Request::get(&path),
            Request::get(&format!("{path}/transactions")),
            Request::get(&format!("{path}/balance")),
            Request::get(&format!("{path}/balance?at=2026-01-01T00:00:00Z")),
            Request::patch(&path, &json!({"status": "FROZEN"})),
            Request::patch(&path, &json!({})),
            Request::patch(&path, &json!({"status": "FROZEN"})).if_match(7),
            Request::post(&format!("{path}/deposit"), &amount),
            Request::post(&format!("{path}/deposit?dry_run=true"), &amount),
            Request::post(&format!("{path}/withdraw"), &amount),
            Request::post(&format!("{path}/deposit"), &amount).key("wrong-area"),
        ] {
            server.refused(&request, 404, "not_found");
        }
    }
    for request in [
        Request::delete(&format!("/accounts/{wallet}")),
        Request::delete(&format!("/accounts/{wallet}/personal-data")),
    ] {
        server.refused(&request, 404, "not_found");
    }
    let listed = server.list("/accounts?limit=1000");
    assert!(listed.iter().all(|listed| listed["id"] != wallet.as_str()));
    // A refusal as not found doesn't claim the key.
    let deposit = Request::post(&format!("/wallets/{wallet}/deposit"), &json!({"amount": 1}));
    assert!(!server.send(&deposit.key("wrong-area")).replayed());
}

#[test]
fn the_wallets_of_a_customer_are_listed_page_by_page() {
    let server = SERVER.server();
    let (ada, grace) = (customer(1), customer(2));
    let open = |customer: &str| {
        let wallet = json!({"customer_id": customer});
        server.open_wallet(&wallet)
    };
    let mut of_ada = Vec::new();
    for _ in 0..5 {
        of_ada.push(open(&ada));
        open(&grace);
    }
    let (list, short) = (
        format!("/wallets?customer_id={ada}"),
        format!("/customers/{ada}/wallets"),
    );
    let separator = |path: &str| if path.contains('?') { '&' } else { '?' };
    for path in [&list, &short] {
        for limit in [1, 2, 5, 1_000] {
            let link = separator(path);
            let listed = server.list(&format!("{path}{link}limit={limit}"));
            assert_eq!(listed, of_ada, "{path} {limit}");
        }
    }
    // The list shows the current wallets, not their state at the opening.
    let id = text(&of_ada[2], "id");
    put(&server, &id, "deposit", json!({"amount": 7})).ok();
    assert_eq!(money(&server.list(&list)[2]), json!([7, 0, 7, 2]));
    let first = server.get(&format!("{list}&limit=2")).ok();
    let cursor = text(&first, "next_cursor");
    let foreign = [
        format!("/wallets?customer_id={grace}&cursor={cursor}"),
        format!("/customers/{grace}/wallets?cursor={cursor}"),
        format!("/accounts?cursor={cursor}"),
        format!("{list}&cursor={}", &cursor[1..]),
        format!("{list}&cursor=x"),
    ];
    for foreign in foreign {
        server.get(&foreign).problem(400, "invalid_cursor");
    }
    let nobody = server.get(&format!("/customers/{}/wallets", customer(3)));
    assert_eq!(
        nobody.ok(),
        json!({"data": [], "next_cursor": null, "has_more": false})
    );
    for (wrong, code) in [
        ("/wallets".to_owned(), "invalid_request"),
        ("/wallets?customer_id=7".to_owned(), "invalid_id"),
        ("/customers/7/wallets".to_owned(), "invalid_id"),
        (format!("{list}&limit=0"), "invalid_request"),
        (format!("{list}&limit=1001"), "invalid_request"),
        (format!("{list}&status=ACTIVE"), "invalid_request"),
        (format!("{short}?customer_id={ada}"), "invalid_request"),
    ] {
        server.get(&wrong).problem(400, code);
    }
}

#[test]
fn wallets_are_listed_the_same_after_a_stop_and_after_a_kill() {
    let mut server = Server::with(&[("views.flush_records_max", "20")]);
    let ids: Vec<String> = (0..50)
        .map(|n| {
            let wallet = json!({"customer_id": customer(n % 3)});
            text(&server.open_wallet(&wallet), "id")
        })
        .collect();
    put(&server, &ids[0], "deposit", json!({"amount": 3})).ok();
    let list = |server: &Client| {
        let path = format!("/customers/{}/wallets?limit=4", customer(0));
        server.list(&path)
    };
    let before = list(&server);
    assert_eq!(before.len(), 17);
    server.restart();
    assert_eq!(list(&server), before);
    server.crash();
    assert_eq!(list(&server), before);
}

#[test]
fn a_wallet_is_opened_once_under_a_key_and_not_at_all_in_a_dry_run() {
    let server = SERVER.alone();
    let asked = json!({"customer_id": customer(9), "limits": {"per_day": 5}});
    let open = Request::post("/wallets", &asked).key("open-wallet");
    let before = server.sequence();
    let dry = Request::post("/wallets?dry_run=true", &asked).key("open-wallet");
    let dry = server.send(&dry).ok();
    assert_eq!(
        (&dry["dry_run"], &dry["limits"]["per_day"]),
        (&json!(true), &json!(5))
    );
    let dry = format!("/wallets/{}", text(&dry, "id"));
    server.get(&dry).problem(404, "not_found");
    assert_eq!(server.sequence(), before);
    let first = server.send(&open).with(201);
    let again = server.send(&open);
    assert!(again.replayed());
    assert_eq!(again.with(201), first);
    let same = with(
        asked.clone(),
        &json!({"currency": "USD", "limits": {"per_day": 5, "per_transaction": null}}),
    );
    let same = Request::post("/wallets", &same).key("open-wallet");
    assert_eq!(server.send(&same).with(201), first);
    let other = with(asked, &json!({"limits": {"per_day": 6}}));
    let other = Request::post("/wallets", &other).key("open-wallet");
    server.refused(&other, 422, "idempotency_key_reused");
    let listed = server.list(&format!("/customers/{}/wallets", customer(9)));
    assert_eq!(listed.len(), 1);
    let path = format!("/wallets/{}", text(&first, "id"));
    let change = json!({"limits": {"per_day": 6}});
    let dry = server.patch(&format!("{path}?dry_run=true"), &change).ok();
    assert_eq!(
        (&dry["dry_run"], &dry["limits"]["per_day"]),
        (&json!(true), &json!(6))
    );
    assert_eq!(server.get(&path).ok(), first);
    for version in [0, 2] {
        let change = Request::patch(&path, &change).if_match(version);
        server.refused(&change, 412, "version_mismatch");
    }
    let changed = server.send(&Request::patch(&path, &change).if_match(1));
    assert_eq!(changed.header("etag"), Some("\"2\""));
}

#[track_caller]
pub fn put(server: &Client, id: &str, how: &str, body: Value) -> Response {
    server.post(&format!("/wallets/{id}/{how}"), &body)
}

#[track_caller]
fn named(server: &Client, request: &Request, field: &str) {
    let problem = server.refused(request, 400, "invalid_request");
    assert_eq!(problem["field"], field, "{problem}");
}

pub fn limits(
    per_transaction: Option<u64>,
    per_day: Option<u64>,
    max_balance: Option<u64>,
) -> Value {
    json!({"per_transaction": per_transaction, "per_day": per_day, "max_balance": max_balance})
}

/// Returns a customer id that no other test uses with this number.
fn customer(number: u32) -> String {
    format!("0197a1b2-c3d4-7e5f-9a6b-7c8d{number:08x}")
}

/// Returns every way to debit an amount.
pub fn debits(id: &str, other: &str, amount: i64) -> [Request; 3] {
    let ends = json!({"from": id, "to": other, "amount": amount});
    [
        Request::post(
            &format!("/wallets/{id}/withdraw"),
            &json!({"amount": amount}),
        ),
        Request::post("/transfers", &ends),
        Request::post(
            "/transfers",
            &bank::with(ends.clone(), &json!({"pending": true})),
        ),
    ]
}
