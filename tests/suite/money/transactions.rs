//! Transactions of many legs: one posting per entity, all or none.

use florin_tests::bank::text;
use florin_tests::http::Request;
use florin_tests::server::Shared;
use serde_json::json;

use super::batches::accounts;

static SERVER: Shared = Shared::new();

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
