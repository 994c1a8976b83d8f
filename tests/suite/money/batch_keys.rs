//! The idempotency keys of a batch's items.

use florin_tests::bank::text;
use florin_tests::http::Request;
use florin_tests::server::{Server, Shared};
use serde_json::json;

use super::batches::{accounts, batch};

static SERVER: Shared = Shared::new();

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
        assert!(alone.replayed(), "{alone:?}");
        assert_eq!(alone.json()["transfer_id"], first[2]["transfer_id"]);
        assert_eq!(client.balance(&a), 1_088);
    }
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
