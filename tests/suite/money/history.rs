//! An account's transactions: complete, newest first, and each consistent with the one before.

use florin_tests::bank::{self, text};
use florin_tests::http::Client;
use florin_tests::server::{Server, Shared};
use serde_json::{Value, json};

static SERVER: Shared = Shared::new();

#[test]
fn history_shows_movements_alone_and_the_newest_first() {
    let server = SERVER.server();
    let (id, other) = (server.account(), server.account_of(50));
    let path = format!("/accounts/{id}");
    let asked = json!({"amount": 100, "reference": "first", "metadata": {"n": "1"}});
    let deposit = server.post(&format!("{path}/deposit"), &asked).ok();
    server.patch(&path, &json!({"overdraft_limit": 5})).ok();
    let withdrawal = server.withdraw(&id, 30).ok();
    let out = server.transfer(&id, &other, 20).created();
    server
        .withdraw(&id, 1_000)
        .problem(422, "insufficient_funds");
    let back = server.transfer(&other, &id, 7).created();
    let history = history(&server, &id);
    let short = |entry: &Value| json!([entry["amount"], entry["balance_after"], entry["version"]]);
    let rows: Vec<Value> = history.iter().map(short).collect();
    assert_eq!(
        rows,
        [
            json!([7, 57, 6]),
            json!([-20, 50, 5]),
            json!([-30, 70, 4]),
            json!([100, 100, 2])
        ]
    );
    let ids: Vec<&Value> = history
        .iter()
        .map(|entry| &entry["transaction_id"])
        .collect();
    let made = [&back, &out, &withdrawal, &deposit];
    assert_eq!(ids, made.map(|made| &made["operation_id"]));
    let first = &history[3];
    assert_eq!(
        (&first["reference"], &first["metadata"]),
        (&asked["reference"], &asked["metadata"])
    );
    for (entry, other_end) in history.iter().zip([Some(&other), Some(&other), None, None]) {
        assert!(bank::is_time(&text(entry, "timestamp")), "{entry}");
        assert_ne!(text(entry, "transaction_type"), "");
        if let Some(other_end) = other_end {
            assert!(
                entry["counterparty"]
                    .to_string()
                    .contains(other_end.as_str()),
                "{entry}"
            );
        }
    }
    let kinds: Vec<String> = history
        .iter()
        .map(|entry| text(entry, "transaction_type"))
        .collect();
    assert_eq!(kinds[0], kinds[1], "both are transfers");
    assert!(
        kinds[1] != kinds[2] && kinds[2] != kinds[3] && kinds[1] != kinds[3],
        "{kinds:?}"
    );
}

#[test]
fn both_ends_of_a_transfer_have_it_in_their_history() {
    let server = SERVER.server();
    let (from, to) = (server.account_of(50), server.account());
    let made = server.transfer(&from, &to, 20).created();
    let (out, back) = (&history(&server, &from)[0], &history(&server, &to)[0]);
    for (entry, amount, after) in [(out, -20, 30), (back, 20, 20)] {
        assert_eq!(entry["transaction_id"], made["transfer_id"]);
        assert_eq!(
            (&entry["amount"], &entry["balance_after"]),
            (&json!(amount), &json!(after))
        );
    }
}

#[test]
fn a_history_in_pages_is_the_whole_chain() {
    let server = SERVER.server();
    let id = server.account();
    let mut balance = 0;
    for n in 0..130_i64 {
        let (answer, amount) = match n % 3 {
            2 => (server.withdraw(&id, 5), -5),
            _ => (server.deposit(&id, 4 + n), 4 + n),
        };
        balance += amount;
        assert_eq!(answer.ok()["balance"], balance);
    }
    for limit in [1, 33, 130, 1_000] {
        let rows = server.list(&format!("/accounts/{id}/transactions?limit={limit}"));
        assert_eq!(rows.len(), 130, "limit {limit}");
        let mut after = balance;
        for (row, version) in rows.iter().zip((2..=131).rev()) {
            assert_eq!(
                (&row["balance_after"], &row["version"]),
                (&json!(after), &json!(version))
            );
            after -= row["amount"].as_i64().unwrap();
        }
        assert_eq!(after, 0, "limit {limit}");
    }
    assert_eq!(history(&server, &id).len(), 130);
}

#[test]
fn a_page_stays_in_place_while_money_moves_on() {
    let server = SERVER.server();
    let id = server.account();
    for _ in 0..10 {
        server.deposit(&id, 1).ok();
    }
    let path = format!("/accounts/{id}/transactions?limit=4");
    let first = server.get(&path).ok();
    server.deposit(&id, 1).ok();
    let second = server
        .get(&format!("{path}&cursor={}", text(&first, "next_cursor")))
        .ok();
    let versions = |page: &Value| -> Vec<u64> {
        page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["version"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(
        (versions(&first), versions(&second)),
        (vec![11, 10, 9, 8], vec![7, 6, 5, 4])
    );
}

#[test]
fn an_account_without_movements_has_an_empty_history() {
    let server = SERVER.server();
    let id = server.account();
    let page = server.get(&format!("/accounts/{id}/transactions")).ok();
    assert_eq!(
        page,
        json!({"data": [], "next_cursor": null, "has_more": false})
    );
}

#[test]
fn history_is_the_same_after_a_stop_and_after_a_crash() {
    let mut server = Server::start();
    let id = server.account();
    for n in 1..=200 {
        server.deposit(&id, n).ok();
    }
    let before = server.list(&format!("/accounts/{id}/transactions?limit=40"));
    server.restart();
    assert_eq!(
        server.list(&format!("/accounts/{id}/transactions?limit=40")),
        before
    );
    server.crash();
    assert_eq!(
        server.list(&format!("/accounts/{id}/transactions?limit=40")),
        before
    );
}

#[track_caller]
fn history(client: &Client, id: &str) -> Vec<Value> {
    client.list(&format!("/accounts/{id}/transactions"))
}
