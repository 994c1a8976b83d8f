//! Batches of transfers, atomic or not.

use florin_tests::bank::{UNKNOWN_ID, text};
use florin_tests::executable;
use florin_tests::http::{Client, Request, Response};
use florin_tests::poll::eventually;
use florin_tests::server::{Server, Shared};
use serde_json::{Value, json};

static SERVER: Shared = Shared::new();

/// Opens accounts with this amount of money each.
pub fn accounts<const N: usize>(client: &Client, amount: i64) -> [String; N] {
    std::array::from_fn(|_| match amount {
        0 => client.account(),
        _ => client.account_of(amount),
    })
}

pub fn batch(client: &Client, atomic: bool, transfers: &Value) -> Response {
    client.post(
        "/transfers/batch",
        &json!({"atomic": atomic, "transfers": transfers}),
    )
}

#[test]
fn items_run_in_order_and_see_the_earlier_ones() {
    let server = SERVER.server();
    let client = server.client();
    let [a, b, c] = accounts(client, 0);
    client.deposit(&a, 10).ok();
    for atomic in [true, false] {
        let there = json!([
            {"from": a, "to": b, "amount": 10},
            {"from": b, "to": c, "amount": 10},
            {"from": c, "to": a, "amount": 10},
        ]);
        let done = batch(client, atomic, &there);
        assert_eq!(done.status, 200, "{done:?}");
        let results = done.json()["results"].as_array().unwrap().clone();
        assert_eq!(results.len(), 3);
        for (result, item) in results.iter().zip(there.as_array().unwrap()) {
            assert_eq!(result["transfer_status"], "posted");
            let id = text(result, "transfer_id");
            let transfer = client.get(&format!("/transfers/{id}")).json();
            assert_eq!(transfer["from"], item["from"]);
            assert_eq!(transfer["amount"], 10);
            let transaction = client.get(&format!("/ledger/transactions/{id}")).json();
            assert_eq!(transaction["postings"].as_array().unwrap().len(), 2);
            let operation = client.get(&format!("/operations/{id}")).json();
            assert_eq!(operation["status"], "completed");
            assert_eq!(operation["kind"], "transfer");
        }
        assert_eq!(client.balance(&a), 10);
    }
    // There is one posting per item, each with its own version.
    let moved = client.get(&format!("/accounts/{a}/transactions")).json();
    let moved = moved["data"].as_array().unwrap();
    let versions: Vec<_> = moved
        .iter()
        .map(|one| one["version"].as_u64().unwrap())
        .collect();
    assert_eq!(versions, [6, 5, 4, 3, 2]);
    assert_eq!(moved[0]["counterparty"], json!(c));
    assert_eq!(moved[1]["counterparty"], json!(b));
}

#[test]
fn an_atomic_batch_moves_nothing_when_one_item_is_refused() {
    let server = SERVER.server();
    let client = server.client();
    let [a, b] = accounts(client, 100);
    let refused = batch(
        client,
        true,
        &json!([
            {"from": a, "to": b, "amount": 60, "idempotency_key": "an-item"},
            {"from": a, "to": b, "amount": 41},
        ]),
    );
    let problem = refused.problem(422, "batch_rejected");
    assert_eq!(problem["failed_index"], 1);
    assert_eq!(problem["item_code"], "insufficient_funds");
    assert_eq!((client.balance(&a), client.balance(&b)), (100, 100));
    let moved = client.get(&format!("/accounts/{a}/transactions")).json();
    assert_eq!(
        moved["data"].as_array().unwrap().len(),
        1,
        "its deposit alone"
    );
    // The item's key was not claimed.
    let again = client.post(
        "/transfers",
        &json!({"from": a, "to": b, "amount": 1, "idempotency_key": "an-item"}),
    );
    assert_eq!((again.status, again.replayed()), (201, false));
}

#[test]
fn without_atomic_each_item_stands_for_itself() {
    let server = SERVER.server();
    let client = server.client();
    let [a, b] = accounts(client, 100);
    let done = batch(
        client,
        false,
        &json!([
            {"from": a, "to": b, "amount": 60},
            {"from": a, "to": b, "amount": 41},
            {"from": a, "to": UNKNOWN_ID, "amount": 1},
            {"from": a, "to": a, "amount": 1},
            {"from": a, "to": b, "amount": 40, "pending": true, "expires_in_seconds": 600},
            {"from": a, "to": b, "amount": 1},
        ]),
    );
    assert_eq!(done.status, 200, "{done:?}");
    let results = done.json()["results"].clone();
    assert_eq!(results[0]["transfer_status"], "posted");
    assert_eq!(results[1]["code"], "insufficient_funds");
    assert_eq!(results[2]["code"], "not_found");
    assert_eq!(results[3]["code"], "same_account");
    assert_eq!(results[4]["transfer_status"], "pending");
    assert_eq!(results[5]["code"], "insufficient_funds");
    let statuses: Vec<_> = (0..6)
        .map(|index| results[index]["status"].clone())
        .collect();
    let (done, not) = ("completed", "failed");
    assert_eq!(json!(statuses), json!([done, not, not, not, done, not]));
    assert_eq!((client.balance(&a), client.balance(&b)), (40, 160));

    let pending = text(&results[4], "transfer_id");
    let posted = client.post(&format!("/transfers/{pending}/post"), &json!({}));
    assert_eq!(posted.status, 200, "{posted:?}");
    assert_eq!(client.balance(&a), 0);
    let first = text(&results[0], "transfer_id");
    let reversed = client.post(&format!("/transfers/{first}/reverse"), &json!({}));
    assert_eq!(reversed.status, 200, "{reversed:?}");
    assert_eq!(client.balance(&a), 60);
}

#[test]
fn a_repeated_batch_is_the_first_one_also_after_a_crash() {
    let mut server = Server::start();
    let client = server.client();
    let [a, b] = accounts(client, 100);
    let body = json!({"atomic": false, "transfers": [
        {"from": a, "to": b, "amount": 1},
        {"from": a, "to": b, "amount": 1_000},
    ]});
    let request = Request::post("/transfers/batch", &body).key("whole");
    let first = client.send(&request);
    assert_eq!(first.status, 200);
    let mut refused = body.clone();
    refused["atomic"] = json!(true);
    let refusing = Request::post("/transfers/batch", &refused).key("refused");
    client.send(&refusing).problem(422, "batch_rejected");
    for restart in [false, true] {
        if restart {
            server.crash();
        }
        let client = server.client();
        let again = client.send(&request);
        assert!(again.replayed());
        assert_eq!(again.json(), first.json());
        let again = client.send(&refusing);
        again.problem(422, "batch_rejected");
        assert_eq!(again.json()["failed_index"], 1);
        // If the item names its own currency, the request is still the same. With another value of
        // `atomic` it isn't.
        let mut spelt = body.clone();
        spelt["transfers"][0]["currency"] = json!("USD");
        let spelt = client.send(&Request::post("/transfers/batch", &spelt).key("whole"));
        assert_eq!(spelt.json(), first.json());
        client
            .send(&Request::post("/transfers/batch", &refused).key("whole"))
            .problem(422, "idempotency_key_reused");
        assert_eq!(client.balance(&a), 99);
    }
}

#[test]
fn a_large_body_that_comes_slowly_keeps_others_out_only_until_it_is_gone() {
    let server = Server::with(&[("gateway.batches_bytes_max", "1048576")]);
    let [a, b] = accounts(server.client(), 1_000_000);
    let asked = |count: usize| {
        let item = json!({"from": a, "to": b, "amount": 1});
        Request::post(
            "/transfers/batch",
            &json!({"atomic": true, "transfers": vec![item; count]}),
        )
    };
    // The body has nearly two megabytes. Everything except the last byte is sent.
    let slow = asked(18_000).bytes();
    assert!(slow.len() > 3 << 19, "{}", slow.len());
    let mut connection = server.connect();
    connection.write(&slow[..slow.len() - 1]).unwrap();
    let refused = eventually("there is no room for another large body", || {
        let answer = server.send(&asked(700));
        (answer.status != 200).then_some(answer)
    });
    refused.problem(503, "overloaded");
    assert!(refused.header("Retry-After").is_some(), "{refused:?}");
    // A small body doesn't need this memory.
    assert_eq!(server.send(&asked(10)).status, 200);
    connection.write(&slow[slow.len() - 1..]).unwrap();
    let whole = connection.read().unwrap();
    whole.problem(400, "invalid_request");
    assert_eq!(server.send(&asked(700)).status, 200);
}

#[test]
fn ten_thousand_items_are_one_batch_and_one_more_is_too_many() {
    let mut server = Server::start();
    let client = server.client();
    let [a, b] = accounts(client, 100);
    let items: Vec<Value> = (0..10_001)
        .map(|place| match place % 2 {
            0 => json!({"from": a, "to": b, "amount": 1}),
            _ => json!({"from": b, "to": a, "amount": 1}),
        })
        .collect();
    for atomic in [true, false] {
        let done = batch(client, atomic, &json!(items[..10_000]));
        assert_eq!(done.status, 200);
        assert_eq!(done.json()["results"].as_array().unwrap().len(), 10_000);
    }
    let refused = batch(client, true, &json!(items));
    refused.problem(400, "invalid_request");
    assert_eq!(refused.json()["field"], "transfers");
    // The pages together have every entry exactly once.
    let mut versions = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = client.get(&format!("/accounts/{a}/transactions?limit=999{cursor}"));
        let page = page.json();
        let entries = page["data"].as_array().unwrap();
        versions.extend(
            entries
                .iter()
                .map(|entry| entry["version"].as_u64().unwrap()),
        );
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let expected: Vec<u64> = (2..=20_002).rev().collect();
    assert_eq!(versions, expected);
    server.stop();
    let data_dir = server.data_dir();
    let verified = executable::run(&["verify", "--data-dir", data_dir.to_str().unwrap()], &[]);
    assert_eq!(verified.code(), Some(0), "{verified:?}");
}

#[test]
fn a_malformed_item_is_named_and_nothing_moves() {
    let server = SERVER.server();
    let client = server.client();
    let [a, b] = accounts(client, 100);
    let good = json!({"from": a, "to": b, "amount": 1});
    for (item, code, field) in [
        (
            json!({"from": a, "to": b, "amount": 0}),
            "invalid_request",
            "transfers[1].amount",
        ),
        (
            json!({"from": a, "to": b}),
            "invalid_request",
            "transfers[1].amount",
        ),
        (
            json!({"from": a, "to": b, "amount": 1, "x": 1}),
            "invalid_request",
            "transfers[1].x",
        ),
        (
            json!({"from": a, "to": 7, "amount": 1}),
            "invalid_request",
            "transfers[1].to",
        ),
        (
            json!({"from": a, "to": "7", "amount": 1}),
            "invalid_id",
            "transfers[1].to",
        ),
        (
            json!({"from": a, "to": b, "amount": 1, "expires_in_seconds": 5}),
            "invalid_request",
            "transfers[1].expires_in_seconds",
        ),
        (json!(7), "invalid_request", "transfers[1]"),
    ] {
        let refused = batch(client, false, &json!([good, item]));
        refused.problem(400, code);
        assert_eq!(refused.json()["field"], field, "{item}");
    }
    for body in [
        json!({"transfers": [good]}),
        json!({"atomic": true, "transfers": []}),
        json!({"atomic": true, "transfers": good}),
        json!({"atomic": 1, "transfers": [good]}),
    ] {
        client
            .post("/transfers/batch", &body)
            .problem(400, "invalid_request");
    }
    assert_eq!(client.balance(&a), 100);
}

#[test]
fn a_dry_run_of_a_batch_leaves_nothing() {
    let server = SERVER.server();
    let client = server.client();
    let [a, b] = accounts(client, 100);
    let body = json!({"atomic": false, "transfers": [
        {"from": a, "to": b, "amount": 1, "idempotency_key": "dry-item"},
        {"from": a, "to": b, "amount": 1, "pending": true},
        {"from": a, "to": b, "amount": 1_000},
    ]});
    let dry = client.post("/transfers/batch?dry_run=true", &body);
    assert_eq!(dry.status, 200, "{dry:?}");
    let dry = dry.json();
    assert_eq!(dry["dry_run"], true);
    assert_eq!(dry["results"][0]["transfer_status"], "posted");
    assert_eq!(dry["results"][1]["transfer_status"], "pending");
    assert_eq!(dry["results"][2]["code"], "insufficient_funds");
    for (list, id) in [
        ("operations", text(&dry, "operation_id")),
        ("transfers", text(&dry["results"][0], "transfer_id")),
        ("transfers", text(&dry["results"][1], "transfer_id")),
    ] {
        client
            .get(&format!("/{list}/{id}"))
            .problem(404, "not_found");
    }
    let account = client.get(&format!("/accounts/{a}")).json();
    assert_eq!(
        (&account["balance"], &account["held"]),
        (&json!(100), &json!(0))
    );
    let real = client.post("/transfers/batch", &body).json();
    assert!(real["results"][0]["transfer_id"].is_string());
}
