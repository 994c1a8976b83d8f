//! Transfers and the ledger under them: transfers can be read back, are balanced, and are found by
//! one id.

use florin_tests::bank::{self, money, text};
use florin_tests::http::{Client, Request};
use florin_tests::server::{Server, Shared};
use serde_json::{Value, json};

static SERVER: Shared = Shared::new();

#[test]
fn a_transfer_reads_back() {
    let server = SERVER.server();
    let (from, to) = (server.account_of(100), server.account());
    let asked = json!({
        "from": from, "to": to, "amount": 40, "currency": "USD",
        "reference": "invoice 7", "metadata": {"order": "7"},
    });
    let made = server.post("/transfers", &asked).created();
    let transfer = server
        .get(&format!("/transfers/{}", text(&made, "transfer_id")))
        .ok();
    for field in ["from", "to", "amount", "currency", "reference", "metadata"] {
        assert_eq!(transfer[field], asked[field], "{field}");
    }
    assert_eq!(transfer["id"], made["transfer_id"]);
    assert_eq!(transfer["status"], "posted");
    assert_eq!(transfer["posted_amount"], 40);
    assert_eq!(transfer["expires_at"], Value::Null);
    assert!(bank::is_time(&text(&transfer, "created_at")), "{transfer}");
}

#[test]
fn a_transfer_is_created_where_its_location_says() {
    let server = SERVER.server();
    let (from, to) = (server.account_of(100), server.account());
    let ends = json!({"from": from, "to": to, "amount": 10});
    let hold = bank::with(ends.clone(), &json!({"pending": true}));
    let alias = json!({"from_account_id": from, "to_account_id": to, "amount": 10});
    for (path, body) in [
        ("/transfers", &ends),
        ("/transfers", &hold),
        ("/accounts/transfer", &alias),
    ] {
        let dry = server.post(&format!("{path}?dry_run=true"), body);
        dry.with(200);
        assert_eq!(dry.header("location"), None);
        let keyed =
            Request::post(path, body).key(&format!("created-{path}-{body}").replace(' ', ""));
        for replayed in [false, true] {
            let made = server.send(&keyed);
            assert_eq!(made.replayed(), replayed);
            let transfer = text(&made.created(), "transfer_id");
            let location = format!("/transfers/{transfer}");
            assert_eq!(made.header("location"), Some(location.as_str()));
            assert_eq!(server.get(&location).ok()["id"], json!(transfer));
        }
        let later = Request::post(path, body).header("Prefer", "respond-async");
        server.send(&later).with(202);
    }
}

#[test]
fn the_documented_alias_moves_money_alike() {
    let server = SERVER.server();
    let (from, to) = (server.account_of(100), server.account());
    let asked = json!({"from_account_id": from, "to_account_id": to, "amount": 30});
    let made = server.post("/accounts/transfer", &asked).created();
    assert_eq!(money(&made["from"]), json!([70, 0, 70, 3]));
    assert_eq!(money(&made["to"]), json!([30, 0, 30, 2]));
    let transfer = server
        .get(&format!("/transfers/{}", text(&made, "transfer_id")))
        .ok();
    assert_eq!(
        (&transfer["from"], &transfer["to"]),
        (&json!(from), &json!(to))
    );
    assert_eq!(
        (&transfer["amount"], &transfer["currency"]),
        (&json!(30), &json!("USD"))
    );
}

#[test]
fn the_alias_and_the_transfer_are_the_same_request_under_one_key() {
    let server = SERVER.server();
    let (from, to) = (server.account_of(100), server.account());
    let alias = json!({"from_account_id": from, "to_account_id": to, "amount": 30});
    let first = server.send(&Request::post("/accounts/transfer", &alias).key("alias"));
    let plain = json!({"from": from, "to": to, "amount": 30});
    let second = server.send(&Request::post("/transfers", &plain).key("alias"));
    assert!(second.replayed());
    assert_eq!(second.ok(), first.ok());
    assert_eq!(server.balance(&from), 70);
}

#[test]
fn an_id_that_made_no_transfer_is_no_transfer() {
    let server = SERVER.server();
    let id = server.account();
    let deposit = text(&server.deposit(&id, 1).ok(), "operation_id");
    for wrong in [deposit.as_str(), id.as_str(), bank::UNKNOWN_ID] {
        server
            .get(&format!("/transfers/{wrong}"))
            .problem(404, "not_found");
    }
    server.get("/transfers/7").problem(400, "invalid_id");
}

#[test]
fn a_movement_is_a_transaction_whose_postings_sum_to_zero() {
    let server = SERVER.server();
    let (from, to) = (server.account(), server.account());
    let deposit = server.deposit(&from, 90).ok();
    let transfer = server.transfer(&from, &to, 60).created();
    let withdrawal = server.withdraw(&to, 25).ok();
    let posted = |made: &Value, entity: &str| {
        let transaction = transaction(&server, made);
        let postings = transaction["postings"].as_array().unwrap();
        assert_eq!(postings.len(), 2, "{transaction}");
        let amount = |posting: &Value| posting["amount"].as_i64().expect("an amount");
        assert_eq!(postings.iter().map(amount).sum::<i64>(), 0, "{transaction}");
        assert!(
            postings.iter().all(|posting| posting["currency"] == "USD"),
            "{transaction}"
        );
        let mut own = postings
            .iter()
            .filter(|posting| posting["entity_id"] == entity);
        let own = own
            .next()
            .unwrap_or_else(|| panic!("{entity} is not in {transaction}"));
        assert_eq!(own["kind"], "account");
        json!([own["amount"], own["balance_after"], own["version"]])
    };
    assert_eq!(posted(&deposit, &from), json!([90, 90, 2]));
    assert_eq!(posted(&transfer, &from), json!([-60, 30, 3]));
    assert_eq!(posted(&transfer, &to), json!([60, 60, 2]));
    assert_eq!(posted(&withdrawal, &to), json!([-25, 35, 3]));
}

#[test]
fn deposits_and_withdrawals_post_against_the_world_outside() {
    let server = SERVER.server();
    let id = server.account();
    for made in [server.deposit(&id, 9).ok(), server.withdraw(&id, 4).ok()] {
        let transaction = transaction(&server, &made);
        let postings = transaction["postings"].as_array().unwrap();
        let outside: Vec<_> = postings
            .iter()
            .filter(|posting| posting["kind"] == "external")
            .collect();
        assert_eq!(outside.len(), 1, "{transaction}");
        assert_ne!(outside[0]["entity_id"], id.as_str());
    }
}

#[test]
fn a_transaction_carries_what_it_was_given_and_a_hash() {
    let server = SERVER.server();
    let id = server.account();
    let asked = json!({"amount": 3, "reference": "r-1", "metadata": {"a": "b"}});
    let made = server.post(&format!("/accounts/{id}/deposit"), &asked).ok();
    let transaction = transaction(&server, &made);
    assert_eq!(transaction["id"], made["operation_id"]);
    assert_eq!(
        (&transaction["reference"], &transaction["metadata"]),
        (&asked["reference"], &asked["metadata"])
    );
    assert!(
        bank::is_time(&text(&transaction, "timestamp")),
        "{transaction}"
    );
    let hash = text(&transaction, "hash");
    assert!(
        hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()),
        "{hash}"
    );
}

#[test]
fn an_operation_that_moved_nothing_is_no_transaction() {
    let server = SERVER.server();
    let id = server.account();
    let withdraw = Request::post(&format!("/accounts/{id}/withdraw"), &json!({"amount": 1}));
    let problem = server
        .send(&withdraw.key("moved-nothing"))
        .problem(422, "insufficient_funds");
    let refused = text(&problem, "operation_id");
    for wrong in [refused.as_str(), id.as_str(), bank::UNKNOWN_ID] {
        server
            .get(&format!("/ledger/transactions/{wrong}"))
            .problem(404, "not_found");
    }
}

#[test]
fn the_trial_balance_adds_up_every_posting() {
    let server = Server::start();
    let usd = server.account_of(1_000);
    let other = server.account();
    let eur = text(&server.open(&json!({"currency": "EUR"})), "id");
    server.deposit(&eur, 50).ok();
    server.transfer(&usd, &other, 300).created();
    server.withdraw(&other, 100).ok();
    server
        .withdraw(&other, 1_000)
        .problem(422, "insufficient_funds");
    let balance = server.get("/ledger/trial-balance").ok();
    let sums = |sum: &str| json!({"debits": sum, "credits": sum, "difference": "0"});
    assert_eq!(
        balance["currencies"],
        json!({"USD": sums("1400"), "EUR": sums("50")})
    );
    assert_eq!(balance["as_of_sequence"], 7, "{balance}");
}

#[test]
fn the_trial_balance_of_an_empty_ledger_is_empty() {
    let server = Server::start();
    let balance = server.get("/ledger/trial-balance").ok();
    assert_eq!(balance, json!({"as_of_sequence": 0, "currencies": {}}));
}

#[test]
fn totals_pass_what_a_number_can_hold() {
    let server = Server::start();
    for _ in 0..3 {
        server.account_of(bank::AMOUNT_MAX);
    }
    let balance = server.get("/ledger/trial-balance").ok();
    let sum = (3 * i128::from(bank::AMOUNT_MAX)).to_string();
    assert_eq!(
        balance["currencies"]["USD"],
        json!({"debits": sum, "credits": sum, "difference": "0"})
    );
}

#[track_caller]
fn transaction(client: &Client, made: &Value) -> Value {
    client
        .get(&format!(
            "/ledger/transactions/{}",
            text(made, "operation_id")
        ))
        .ok()
}
