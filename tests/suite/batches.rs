//! Batches, and transactions of many legs.

use florin_tests::bank::{UNKNOWN_ID, text};
use florin_tests::executable;
use florin_tests::http::{Client, Request, Response};
use florin_tests::poll::eventually;
use florin_tests::server::{Server, Shared};
use serde_json::{Value, json};

static SERVER: Shared = Shared::new();

/// Accounts with so much money each.
fn accounts<const N: usize>(client: &Client, amount: i64) -> [String; N] {
    std::array::from_fn(|_| match amount {
        0 => client.account(),
        _ => client.account_of(amount),
    })
}

fn batch(client: &Client, atomic: bool, transfers: &Value) -> Response {
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
    // One posting an item, each with its version.
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
    assert_eq!((again.status, again.replayed()), (200, false));
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
        // Its own currency written out is the same request; atomic is another one.
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
fn an_item_s_key_that_came_before_is_a_replay_of_it() {
    let mut server = Server::start();
    let client = server.client();
    let [a, b] = accounts(client, 100);
    let single = client.post(
        "/transfers",
        &json!({"from": a, "to": b, "amount": 5, "idempotency_key": "single"}),
    );
    let single = text(&single.json(), "transfer_id");
    let items = json!([
        {"from": a, "to": b, "amount": 5, "idempotency_key": "single"},
        {"from": a, "to": b, "amount": 6, "idempotency_key": "single"},
        {"from": a, "to": b, "amount": 7, "idempotency_key": "twice"},
        {"from": a, "to": b, "amount": 7, "idempotency_key": "twice"},
        {"from": a, "to": b, "amount": 700, "idempotency_key": "refused"},
    ]);
    let first = batch(client, false, &items).json()["results"].clone();
    assert_eq!(first[0]["transfer_id"], json!(single));
    assert_eq!(first[1]["code"], "idempotency_key_reused");
    assert_eq!(first[2]["transfer_id"], first[3]["transfer_id"]);
    assert_eq!(first[4]["code"], "insufficient_funds");
    assert_eq!(client.balance(&a), 88);
    client.deposit(&a, 1_000).ok();
    for restart in [false, true] {
        if restart {
            server.crash();
        }
        let client = server.client();
        let again = batch(client, false, &items).json()["results"].clone();
        assert_eq!(again, first, "what was refused stays so under its key");
        let alone = client.post("/transfers", &items[2]);
        assert!(!alone.replayed(), "{alone:?}");
        alone.problem(422, "idempotency_key_reused");
        assert_eq!(client.balance(&a), 1_088);
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
    // Nearly two megabytes, all but the last byte.
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
    // A small body needs none.
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
    // Page by page, nothing twice and nothing left out.
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
    assert_eq!(
        (&dry["dry_run"], &dry["operation_id"]),
        (&json!(true), &Value::Null)
    );
    assert_eq!(dry["results"][0], json!({"transfer_status": "posted"}));
    assert_eq!(dry["results"][1], json!({"transfer_status": "pending"}));
    assert_eq!(dry["results"][2]["code"], "insufficient_funds");
    let account = client.get(&format!("/accounts/{a}")).json();
    assert_eq!(
        (&account["balance"], &account["held"]),
        (&json!(100), &json!(0))
    );
    let real = client.post("/transfers/batch", &body).json();
    assert!(real["results"][0]["transfer_id"].is_string());
}

#[test]
fn a_transaction_of_many_legs_is_one_posting_an_entity() {
    let server = SERVER.server();
    let client = server.client();
    let [a, b, c] = accounts(client, 0);
    client.deposit(&a, 10).ok();
    let body = json!({"legs": [
        {"from": a, "to": b, "amount": 10},
        {"from": b, "to": c, "amount": 7},
        {"from": c, "to": a, "amount": 2},
    ], "reference": "round"});
    let request = Request::post("/transactions", &body).key("legs");
    let done = client.send(&request);
    assert_eq!(done.status, 200, "{done:?}");
    let entities = done.json()["entities"].clone();
    let balances: Vec<_> = entities
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                text(one, "id"),
                one["balance"].as_i64().unwrap(),
                one["version"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(balances, [(a.clone(), 2, 3), (b, 3, 2), (c.clone(), 5, 2)]);
    let id = text(&done.json(), "transaction_id");
    let ledger = client.get(&format!("/ledger/transactions/{id}")).json();
    let amounts: Vec<_> = ledger["postings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["amount"].as_i64().unwrap())
        .collect();
    assert_eq!(amounts, [-8, 3, 5]);
    assert_eq!(ledger["reference"], "round");
    let moved = client.get(&format!("/accounts/{c}/transactions")).json();
    assert_eq!(moved["data"][0]["transaction_type"], "transaction");
    assert_eq!(moved["data"][0]["amount"], 5);
    let again = client.send(&request);
    assert!(again.replayed());
    assert_eq!(again.json(), done.json());
    client
        .post(&format!("/transfers/{id}/reverse"), &json!({}))
        .problem(409, "not_reversible");

    let refused = client.post(
        "/transactions",
        &json!({"legs": [
            {"from": a, "to": c, "amount": 2},
            {"from": a, "to": c, "amount": 1},
        ]}),
    );
    refused.problem(422, "batch_rejected");
    assert_eq!(refused.json()["failed_index"], 1);
    assert_eq!(client.balance(&a), 2);
}

#[test]
fn legs_may_have_different_currencies_each_summing_to_zero() {
    let server = SERVER.server();
    let client = server.client();
    let [dollars, more_dollars] = accounts(client, 100);
    let [shillings, more_shillings] =
        std::array::from_fn(|_| text(&client.open(&json!({"currency": "KES"})), "id"));
    client.deposit(&shillings, 13_000).ok();
    let exchange = client.post(
        "/transactions",
        &json!({"legs": [
        {"from": dollars, "to": more_dollars, "amount": 100},
        {"from": shillings, "to": more_shillings, "amount": 13_000},
    ], "metadata": {"rate": "130"}}),
    );
    assert_eq!(exchange.status, 200, "{exchange:?}");
    assert_eq!(client.balance(&more_shillings), 13_000);
    let mixed = client.post(
        "/transactions",
        &json!({"legs": [
            {"from": more_dollars, "to": shillings, "amount": 1},
        ]}),
    );
    mixed.problem(422, "batch_rejected");
    assert_eq!(mixed.json()["item_code"], "currency_mismatch");
}

#[test]
fn a_batch_that_is_refused_an_item_again_leaves_its_key_with_the_first_request() {
    let server = SERVER.server();
    let client = server.client();
    let [a, b] = accounts(client, 10);
    let transfer = json!({"from": a, "to": b, "amount": 700});
    let single = Request::post("/transfers", &transfer).key("refused-first");
    client.send(&single).problem(422, "insufficient_funds");
    let items = json!([
        {"from": a, "to": b, "amount": 700, "idempotency_key": "refused-first"},
        {"from": a, "to": b, "amount": 1},
    ]);
    let done = batch(client, false, &items);
    assert_eq!(done.json()["results"][0]["code"], "insufficient_funds");
    let again = client.send(&single);
    assert!(again.replayed(), "{again:?}");
    again.problem(422, "insufficient_funds");
}

#[test]
fn what_an_item_s_key_was_refused_for_is_kept_also_when_nothing_else_was_done() {
    let server = SERVER.server();
    let client = server.client();
    let [a, b] = accounts(client, 10);
    let items = json!([{"from": a, "to": b, "amount": 700, "idempotency_key": "alone"}]);
    let refused = batch(client, false, &items);
    assert_eq!(refused.json()["results"][0]["code"], "insufficient_funds");
    let enough = json!({"amount": 1_000});
    client.post(&format!("/accounts/{a}/deposit"), &enough).ok();
    let again = batch(client, false, &items);
    assert_eq!(again.json()["results"], refused.json()["results"]);
    assert_eq!(client.balance(&a), 1_010);
}

#[test]
fn an_item_with_the_key_of_an_accepted_transfer_tells_what_that_came_to() {
    let server = SERVER.server();
    let client = server.client();
    let [a, b] = accounts(client, 10);
    for (key, amount) in [("accepted-well", 3), ("accepted-ill", 700)] {
        let transfer = json!({"from": a, "to": b, "amount": amount});
        let request = Request::post("/transfers", &transfer).key(key);
        let accepted = client.send(&request.header("Prefer", "respond-async"));
        assert_eq!(accepted.status, 202, "{accepted:?}");
        let item = json!([{"from": a, "to": b, "amount": amount, "idempotency_key": key}]);
        let told = batch(client, false, &item).json()["results"][0].clone();
        match amount {
            3 => assert_eq!(told["transfer_id"], accepted.json()["operation_id"]),
            _ => assert_eq!(told["code"], "insufficient_funds"),
        }
    }
    assert_eq!((client.balance(&a), client.balance(&b)), (7, 13));
}

#[test]
fn a_batch_and_its_item_can_t_have_the_same_key() {
    let server = SERVER.server();
    let (a, b) = (server.account_of(10), server.account());
    let item = json!({"from": a, "to": b, "amount": 1, "idempotency_key": "one-for-both"});
    let body = json!({"atomic": false, "transfers": [item]});
    let request = Request::post("/transfers/batch", &body).key("one-for-both");
    let problem = server.send(&request).problem(400, "invalid_request");
    assert_eq!(problem["field"], "transfers[0].idempotency_key");
    assert_eq!(server.balance(&a), 10);
}
